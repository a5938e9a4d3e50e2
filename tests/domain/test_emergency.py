"""What stands in the way of an emergency, and what it is let past."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import chain, combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from patchyard.domain.availability import Availability
from patchyard.domain.emergency import (
    Bypass,
    Emergency,
    Scene,
    declare,
    ends,
    soak,
    under_all,
)
from patchyard.domain.freezes import Freeze
from patchyard.domain.inventory import Inventory, Machine, Policy
from patchyard.domain.keeping import (
    availability,
    budget,
    domain_limit,
    excluded,
    hooks,
    slots,
)
from patchyard.domain.limits import Budget
from patchyard.domain.maintenance import Maintenance, MaintenanceConfiguration
from patchyard.errors import ConfigurationError
from patchyard.parameters import EmergencyParameters

NOON = datetime(2026, 3, 11, 12, tzinfo=UTC)
"""A Wednesday."""

ALL = frozenset(Bypass)
AUDIT = Freeze.between("audit", date(2026, 3, 11), date(2026, 3, 11), "UTC")
LATER = Freeze.between("books", datetime(2026, 3, 11, 15), datetime(2026, 3, 12), "UTC")
HOUR = timedelta(hours=1)


def made(name: str, start: str = "22:00", scope: str = "all", **fields: Any) -> Any:
    schedule = {
        "recurrence": "Day",
        "start": f"2026-01-01 {start}",
        "length": "4h",
        "time_zone": "UTC",
    }
    return MaintenanceConfiguration.model_validate(
        {"name": name, "scope": scope, "schedule": schedule, **fields}
    )


def scene(*configurations: Any, freezes: tuple[Freeze, ...] = (), at: datetime = NOON) -> Scene:
    machines = tuple(Machine(name=name, address=f"{name}.example") for name in ("a", "b"))
    inventory = Inventory(name="x", folder="/x", machines=machines)
    by_name = {freeze.name: (freeze,) for freeze in freezes}
    return Scene(Maintenance(configurations, by_name), inventory, machines, at)


def declared(of: Scene, *bypass: Bypass) -> Emergency:
    return declare(of, reason="it burns", requested_by="Lea", bypass=bypass)


def test_outside_of_a_window_it_is_refused_by_the_names_of_configuration_and_next_window() -> None:
    found = declared(scene(made("web")))
    assert found.refused == (
        "windows: web (next window web@2026-03-11 from 2026-03-11 22:00 UTC), not bypassed, on a, b"
    )
    assert declared(scene(made("web")), Bypass.WINDOWS).refused == ""


def test_in_an_open_window_nothing_stands_in_the_way_and_its_end_is_the_runs() -> None:
    inside = scene(made("web", "11:00"))
    assert declared(inside).obstacles == ()
    assert ends(inside, frozenset()) == NOON + 3 * HOUR
    assert ends(inside, {Bypass.WINDOWS}) is None


def test_one_open_window_of_several_configurations_is_enough() -> None:
    both = scene(made("night"), made("noon", "12:00", scope="a"))
    (obstacle,) = declared(both).obstacles
    assert (obstacle.name, obstacle.machines) == ("night", ("b",))


def test_a_frozen_window_is_open_only_where_freezes_are_bypassed() -> None:
    frozen = scene(made("web", "11:00"), freezes=(AUDIT,))
    assert [each.rule for each in declared(frozen).obstacles] == ["freezes", "windows"]
    through = declared(frozen, Bypass.FREEZES)
    assert [each.text for each in through.obstacles] == [
        "freezes: audit (2026-03-11 00:00 to 2026-03-12 00:00 UTC), bypassed, on a, b"
    ]
    assert through.refused == ""


def test_a_freeze_that_a_configuration_does_not_have_does_not_hold_for_its_machines() -> None:
    some = scene(made("web", "11:00", scope="a", freezes=[]), freezes=(AUDIT,))
    (obstacle,) = declared(some).obstacles
    # No configuration knows b, and so every freeze holds for it; a window it needs none.
    assert (obstacle.rule, obstacle.machines) == ("freezes", ("b",))


def test_a_freeze_that_begins_later_ends_the_run_unless_it_is_bypassed() -> None:
    soon = scene(made("web"), freezes=(LATER,))
    assert declared(soon, Bypass.WINDOWS).refused == ""
    assert ends(soon, {Bypass.WINDOWS}) == NOON + 3 * HOUR
    assert ends(soon, ALL) is None


def test_soak_is_kept_the_longest_of_all_unless_it_is_bypassed_and_never_refuses() -> None:
    slow = scene(made("web", "11:00", soak="1h"), made("all", "11:00", soak="2h"))
    assert soak(slow, frozenset()) == 2 * HOUR
    assert soak(slow, {Bypass.SOAK}) == timedelta(0)
    assert [each.text for each in declared(slow).obstacles] == [
        "soak: web (1h between waves), not bypassed, on a, b",
        "soak: all (2h between waves), not bypassed, on a, b",
    ]
    assert declared(slow).refused == ""


def test_a_ring_refuses_what_it_has_not_proven_unless_soak_is_bypassed() -> None:
    production = scene(made("web", "11:00", ring={"after": "test"}))
    assert declared(production).refused == (
        "soak: web (only what ring test has proven), not bypassed, on a, b"
    )
    assert declared(production, Bypass.SOAK).refused == ""


def test_windows_of_other_kinds_than_guests_do_not_count() -> None:
    host = scene(made("metal", "11:00", kind="host"))
    assert declared(host).obstacles == ()


def test_machines_run_under_the_checks_and_strictest_undo_of_all_that_know_them() -> None:
    of = scene(
        made("a", scope="a", checks=[{"kind": "default_route"}], undo="required"),
        made("all", checks=[{"kind": "failed_units"}], undo="never"),
    )
    changed = under_all(of.maintenance, of.inventory)
    a, b = changed.machines
    assert [check.kind for check in a.checks] == ["default_route", "failed_units"]
    assert [check.kind for check in b.checks] == ["failed_units"]
    assert (a.policy.undo, b.policy.undo) == ("required", Policy().undo)


SUBSETS = [
    frozenset(some) for some in chain.from_iterable(combinations(Bypass, n) for n in range(4))
]


@given(
    st.sampled_from(SUBSETS),
    st.sampled_from(SUBSETS),
    st.integers(0, 47),
    st.sampled_from([(), (AUDIT,), (LATER,), (AUDIT, LATER)]),
)
def test_bypassing_more_never_refuses_more_and_everything_refuses_nothing(
    some: frozenset[Bypass], more: frozenset[Bypass], hours: int, freezes: tuple[Freeze, ...]
) -> None:
    of = scene(made("web", soak="1h"), made("b", "11:00", scope="b"), freezes=freezes,
               at=NOON + hours * HOUR)  # fmt: skip
    fewer, all_of = declared(of, *some), declared(of, *(some | more))
    if not fewer.refused:
        assert not all_of.refused
    assert declared(of, *ALL).refused == ""
    # What is bypassed is named as such, and nothing else is.
    assert all(each.bypassed == (each.rule in some) for each in fewer.obstacles)
    assert fewer.bypass == tuple(rule for rule in Bypass if rule in some)
    end = ends(of, some)
    assert end is None or end > of.now


def parameters(**fields: Any) -> EmergencyParameters:
    return EmergencyParameters.model_validate(
        {"inventory": "x", "requested_by": "Lea", "reason": "it burns", **fields}
    )


def test_nothing_is_bypassed_and_nothing_is_changed_without_a_word() -> None:
    given = parameters()
    assert given.bypassed == frozenset()
    assert given.dry_run
    assert given.approval == "run"


@pytest.mark.parametrize("waves", [["1", "rest"], ["50%", "rest"], ["10%", "rest"]])
def test_a_canary_comes_first(waves: list[str]) -> None:
    assert parameters(waves=waves).waves == waves


@pytest.mark.parametrize(
    "wrong",
    [
        {"waves": ["rest"]},
        {"waves": ["100%"]},
        {"waves": ["51%", "rest"]},
        {"waves": ["500", "rest"]},
        {"bypass": ["checks"]},
        {"bypass": ["all"]},
        {"reason": ""},
        {"requested_by": ""},
        {"approval": "none"},
        {"fixes": ["CVE 1"]},
        {"max_failures": -1},
    ],
)
def test_what_an_emergency_keeps_cannot_be_given_away(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        parameters(**wrong)


def test_a_reason_and_a_name_must_be_there() -> None:
    for missing in ("reason", "requested_by"):
        with pytest.raises(ValidationError, match=missing):
            parameters(**{missing: None})


def test_the_strictest_budget_holds() -> None:
    of = scene(made("a", scope="a", budget={"max_failures": 0}), made("b", scope="b"))
    assert budget(of, Budget(3, 50)) == Budget(0, 10)
    assert budget(of, Budget(None, 5)) == Budget(0, 5)
    assert budget(scene(), Budget(None, 50)) == Budget(None, 50)


def test_what_the_configurations_exclude_on_such_systems_is_told_once() -> None:
    of = scene(
        made("one", linux={"exclude": ["docker*"]}, windows={"exclude": ["KB1"]}),
        made("two", linux={"exclude": ["docker*", "nginx"]}),
    )
    assert excluded(of) == ("docker*", "nginx")


def test_a_machine_that_its_configuration_never_reboots_is_not_rebooted() -> None:
    of = scene(made("web", reboot="never"))
    own = Machine(name="c", address="c", policy=Policy(reboot="if_required"))
    inventory = Inventory(name="x", folder="/x", machines=(*of.machines, own))
    changed = under_all(of.maintenance, inventory)
    assert [each.policy.reboot for each in changed.machines] == ["never", "never", "if_required"]


def test_availability_rules_of_all_hold_the_strictest_of_each() -> None:
    of = scene(
        made("one", availability={"zones": "together", "regions": "one_by_one",
                                  "quorum": [{"of": "a", "at_least": 1}]}),
        made("two", availability={"apart": [{"of": "all"}]}),
    )  # fmt: skip
    kept = availability(of)
    assert (kept.regions, kept.zones) == ("one_by_one", "one_at_a_time")
    assert ([each.of for each in kept.quorum], [each.of for each in kept.apart]) == (
        ["a"],
        ["all"],
    )
    assert availability(scene()) == Availability()


def test_limits_are_the_least_and_a_share_is_one_at_a_time() -> None:
    of = scene(made("one", slots=3, domain_limit=2))
    assert (slots(of, 10), slots(of, 1)) == (3, 1)
    assert (domain_limit(of, 5), domain_limit(of, 1)) == (2, 1)
    assert domain_limit(scene(made("one", domain_limit="20%")), 5) == 1
    assert (slots(scene(), 10), domain_limit(scene(), 5)) == (10, 5)


DRAIN = {"name": "drain", "when": "before", "of": "machine", "command": ["true"]}


def test_hooks_are_kept_and_are_refused_where_other_machines_have_others() -> None:
    both = scene(made("one", hooks=[DRAIN]))
    assert [each.name for each in hooks(both)] == ["drain"]
    assert hooks(scene()) == ()
    with pytest.raises(ConfigurationError, match="start an emergency for the scope of each"):
        hooks(scene(made("one", scope="a", hooks=[DRAIN])))
    with pytest.raises(ConfigurationError, match="hooks of one, two"):
        hooks(scene(made("one", hooks=[DRAIN]), made("two")))


def test_services_that_are_named_differently_cannot_be_one() -> None:
    of = scene(made("one", availability={"service": "tags.app"}), made("two"))
    with pytest.raises(ConfigurationError, match="a service of one, two"):
        availability(of)
