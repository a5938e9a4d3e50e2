from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from patchyard.booking import bookings
from patchyard.domain.availability import Availability, Quorum
from patchyard.domain.inventory import Inventory, Machine, OsFamily
from patchyard.domain.maintenance import Maintenance, MaintenanceConfiguration
from patchyard.domain.preview import Case, Lane
from patchyard.domain.scope import parse
from patchyard.maintenance_parameters import patch_parameters
from patchyard.parameters import OnWindows, PatchParameters, WindowParameters
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
        windows={"classifications": ["UpdateRollUp"], "include": ["KB*=1"], "exclude": ["KB2"]},
        path="hotpatch_only",
        reboot="never",
        waves=["2", "rest"],
        soak="90 min",
        slots=4,
        domain_limit="20%",
        availability={"quorum": [{"of": "a", "at_least": 1}], "zones": "together"},
        budget={"max_failures": 1, "max_failure_percent": 5},
    )
    assert patch_parameters("mine", lane, dry_run=False) == PatchParameters(
        inventory="mine",
        scope="a or b or w",
        dry_run=False,
        classifications=["Security"],
        include=["curl"],
        exclude=["nginx*"],
        windows=OnWindows(classifications=["UpdateRollUp"], include=["KB*=1"], exclude=["KB2"]),
        hotpatch_only=True,
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
    found = patch_parameters("mine", lane, dry_run=False, window=opening)
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


@pytest.mark.parametrize("soak", ["8 days", "169h"])
def test_a_soak_that_no_window_could_hold_is_refused(soak: str) -> None:
    with pytest.raises(ValidationError, match="write a soak of 0m to 7d"):
        lanes(soak=soak)


def test_one_run_serves_all_systems_whatever_they_get() -> None:
    (same,), (other,) = lanes(), lanes(windows={"classifications": ["UpdateRollUp"]})
    alike = patch_parameters("mine", same, dry_run=True)
    differing = patch_parameters("mine", other, dry_run=True)
    assert (names(alike), names(differing)) == (["a", "b", "w"], ["a", "b", "w"])
    assert (alike.windows, alike.dry_run) == (None, True)
    assert differing.windows == OnWindows(classifications=["UpdateRollUp"])
    # A machine may join between the booking and the run: what each kind gets is said either way.
    for only in (MACHINES[:2], MACHINES[2:]):
        (lane,) = lanes(only, windows={"classifications": ["UpdateRollUp"]})
        assert patch_parameters("mine", lane, dry_run=True) == differing


@pytest.mark.parametrize("family", OsFamily)
@pytest.mark.parametrize("path", ["least_impact", "hotpatch_only"])
@pytest.mark.parametrize("windows", [{}, {"classifications": ["Tools"], "exclude": ["KB*"]}])
def test_a_run_gives_each_system_what_its_configuration_says(
    windows: dict[str, Any], path: str, family: OsFamily
) -> None:
    (lane,) = lanes(windows=windows, path=path)
    asked = patch_parameters("mine", lane, dry_run=False).selection(family)
    written = lane.configuration.selection(family)
    # Where no system has hotpatches, to ask for nothing else asks for nothing.
    hot = path == "hotpatch_only"
    assert asked == written.model_copy(update={"hotpatch_only": hot})
    assert written.hotpatch_only == (hot and family == OsFamily.WINDOWS)


def test_a_window_has_one_booking_whatever_its_systems_get(tmp_path: Path) -> None:
    (tmp_path / "machines.yaml").write_text(
        "machines:\n  a: {address: 127.66.0.1}\n  w: {address: 127.66.0.2, os_family: windows}\n"
    )
    (tmp_path / "maintenance.yaml").write_text(
        "configurations:\n  x:\n    scope: all\n"
        "    schedule: {recurrence: Day, start: 2026-01-01 22:00, length: 2h, time_zone: UTC}\n"
        "    windows: {classifications: [UpdateRollUp]}\n"
    )
    (found,) = bookings(str(tmp_path), NOON, timedelta(hours=20), dry_run=False)
    assert found.window.key == "x@2026-03-10"
    assert found.parameters.window is not None
    assert found.parameters.window.key == "x@2026-03-10"
    assert found.parameters.windows == OnWindows(classifications=["UpdateRollUp"])


@pytest.mark.parametrize(("field", "mask"), [("include", "a b"), ("exclude", "KB1=2")])
def test_a_mask_for_windows_that_cannot_be_used_is_told_with_its_place(
    field: str, mask: str
) -> None:
    with pytest.raises(ValidationError, match=f"windows.{field}") as told:
        PatchParameters.model_validate({"inventory": "mine", "windows": {field: [mask]}})
    assert repr(mask) in str(told.value)


def test_a_run_has_the_machines_whose_clock_its_window_follows() -> None:
    zoned = lanes(schedule={"time_zone_from": "facts.zone"})
    found = {lane.zone: patch_parameters("mine", lane, dry_run=False) for lane in zoned}
    assert {zone: names(each) for zone, each in found.items()} == {
        "Europe/Lisbon": ["a"],
        "Europe/Berlin": ["b", "w"],
    }
