from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from patchyard.domain.availability import Availability, Quorum
from patchyard.domain.inventory import Inventory, Machine, OsFamily
from patchyard.domain.maintenance import Maintenance, MaintenanceConfiguration
from patchyard.domain.preview import Case, Lane
from patchyard.domain.scope import parse
from patchyard.maintenance_parameters import patch_parameters
from patchyard.parameters import PatchParameters, WindowParameters
from patchyard.testing.assessments import NOON

MACHINES = (
    Machine(name="a", address="a.example", facts={"zone": "Europe/Lisbon"}),
    Machine(name="b", address="b.example"),
    Machine(name="w", address="w.example", os_family=OsFamily.WINDOWS),
)

INVENTORY = Inventory(name="i", folder="/i", machines=MACHINES)
DAY = timedelta(days=1)


def lanes(machines: tuple[Machine, ...] = MACHINES, **fields: Any) -> tuple[Lane, ...]:
    schedule = {
        "recurrence": "Day",
        "start": "2026-01-01 22:00",
        "length": "3h",
        "time_zone": "Europe/Berlin",
        **fields.pop("schedule", {}),
    }
    given = {"name": "x", "scope": "a or b or w", "schedule": schedule, **fields}
    made = MaintenanceConfiguration.model_validate(given)
    inventory = Inventory(name="i", folder="/i", machines=machines)
    return Case(Maintenance((made,)), inventory, NOON).lanes


def names(parameters: PatchParameters) -> list[str]:
    return [machine.name for machine in parse(parameters.scope).select(MACHINES)]


def test_a_configuration_becomes_the_parameters_of_a_run() -> None:
    (lane,) = lanes(
        MACHINES[:2],
        linux={"classifications": ["Security"], "include": ["curl"], "exclude": ["nginx*"]},
        reboot="never",
        waves=["2", "rest"],
        soak="90 min",
        slots=4,
        domain_limit="20%",
        availability={"quorum": [{"of": "a", "at_least": 1}], "zones": "together"},
        budget={"max_failures": 1, "max_failure_percent": 5},
    )
    (found,) = patch_parameters("mine", lane, dry_run=False)
    assert found == PatchParameters(
        inventory="mine",
        scope="a or b or w",
        dry_run=False,
        classifications=["Security"],
        include=["curl"],
        exclude=["nginx*"],
        reboot="never",
        waves=["2", "rest"],
        soak_minutes=90,
        slots=4,
        domain_limit="20%",
        availability=Availability(quorum=(Quorum(of="a", at_least=1),), zones="together"),
        max_failures=1,
        max_failure_percent=5,
    )


def window_of(lane: Lane) -> WindowParameters:
    """Return what a run is told of the next window of a lane."""
    (opening,) = Case(Maintenance((lane.configuration,)), INVENTORY, NOON).within(lane, DAY)
    (found,) = patch_parameters("mine", lane, dry_run=False, window=opening)
    assert found.window is not None
    return found.window


def test_a_run_begins_with_its_window_or_before_it_to_prepare() -> None:
    (at_once,), (ahead,) = lanes(MACHINES[:2]), lanes(MACHINES[:2], prepare="6h")

    own = window_of(at_once)
    assert (own.prepare_from, own.begins) == (None, own.start)
    own = window_of(ahead)
    assert own.begins == own.start - timedelta(hours=6)


@pytest.mark.parametrize("prepare", ["25h", "2 days"])
def test_a_preparation_of_more_than_a_day_is_refused(prepare: str) -> None:
    with pytest.raises(ValidationError, match="write a prepare of 0m to 1d"):
        lanes(prepare=prepare)


def test_one_run_serves_all_systems_that_get_the_same() -> None:
    (lane,) = lanes()
    (found,) = patch_parameters("mine", lane, dry_run=True)
    assert names(found) == ["a", "b", "w"]
    assert found.dry_run


def test_systems_that_get_different_updates_have_a_run_each() -> None:
    (lane,) = lanes(windows={"classifications": ["UpdateRollUp"]}, path="hotpatch_only")
    linux, windows = patch_parameters("mine", lane, dry_run=False)
    assert (names(linux), names(windows)) == (["a", "b"], ["w"])
    assert linux.classifications == ["Critical", "Security"]
    assert (windows.classifications, windows.hotpatch_only) == (["UpdateRollUp"], True)
    (only,) = lanes(MACHINES[2:], windows={"classifications": ["UpdateRollUp"]})
    (found,) = patch_parameters("mine", only, dry_run=False)
    assert found.classifications == ["UpdateRollUp"]


def test_a_run_has_the_machines_whose_clock_its_window_follows() -> None:
    zoned = lanes(schedule={"time_zone_from": "facts.zone"})
    found = {lane.zone: patch_parameters("mine", lane, dry_run=False)[0] for lane in zoned}
    assert {zone: names(each) for zone, each in found.items()} == {
        "Europe/Lisbon": ["a"],
        "Europe/Berlin": ["b", "w"],
    }
