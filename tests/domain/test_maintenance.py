from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from pydantic import ValidationError

from patchyard.domain.freezes import Freeze
from patchyard.domain.inventory import CheckSpec, Inventory, Machine, OsFamily, Policy
from patchyard.domain.limits import Budget, Limits
from patchyard.domain.maintenance import Maintenance, MaintenanceConfiguration
from patchyard.domain.maintenance_windows import State
from patchyard.domain.scope import parse
from patchyard.domain.updates import Classification
from tests.domain.strategies import problems_of

SCHEDULE = {
    "recurrence": "patch_tuesday + 4 days",
    "start": "2026-01-01 22:00",
    "length": "3h55m",
    "time_zone": "Europe/Berlin",
}


def configuration(**fields: Any) -> MaintenanceConfiguration:
    given = {"name": "web", "scope": "all", "schedule": SCHEDULE, **fields}
    return MaintenanceConfiguration.model_validate(given)


def scheduled(**fields: Any) -> MaintenanceConfiguration:
    return configuration(schedule={**SCHEDULE, **fields})


def machine(name: str, **fields: Any) -> Machine:
    return Machine(name=name, address=f"{name}.example", **fields)


def said(fields: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        configuration(**fields)
    return "; ".join(
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in caught.value.errors()
    )


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"recurrence": "0 2 8-14 * TUE"}, "schedule.recurrence: Value error, has a day of the"),
        ({"time_zone": "Berlin"}, "schedule.time_zone: Value error, is no time zone"),
        ({"time_zone_from": "timezone"}, "is nothing that machines have"),
        ({"start": "2026-01-01"}, "schedule.start: Value error, needs a time of day"),
        ({"start": "tomorrow"}, "schedule.start: Value error, is no local time"),
        ({"start": 20260101}, "schedule.start: Value error, is no local time"),
        ({"start": "0001-01-01 00:00"}, "schedule.start: Value error, is too far away"),
        ({"start": "9999-12-31 22:00"}, "schedule.start: Value error, is too far away"),
        ({"length": 4}, "schedule.length: Value error, needs a unit"),
        ({"length": "4x"}, "schedule.length: Value error, is no duration"),
        ({"length": "0m"}, "has a length that no window can have"),
        ({"length": "8d"}, "has a length that no window can have"),
        ({"expires": "2025-12-31"}, "expires before it starts"),
        ({"recurrence": "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30"}, "never comes about"),
        ({"expires": "2026-01-05"}, "never comes about"),
        ({"recurrence": "3Hours"}, "windows of 3h55m that begin 3h apart"),
        ({"recurrence": "*/5 * * * *"}, "windows of 3h55m that begin 5m apart"),
        (
            {"skip": [{"date": "2026-03-13"}]},
            "a day that has no window; the next one is 2026-03-14",
        ),
        (
            {"postpone": [{"date": "2026-03-14", "to": "2026-03-13 22:00"}]},
            "is postponed to before it would begin",
        ),
        (
            {
                "skip": [{"date": "2026-03-14"}],
                "postpone": [{"date": "2026-03-14", "to": "2026-03-16 22:00"}],
            },
            "one window twice",
        ),
        (
            {
                "recurrence": "0 2,14 * * *",
                "postpone": [{"date": "2026-03-14", "to": "2026-03-15 22:00"}],
            },
            "a day that has several windows",
        ),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(schedule: dict[str, Any], expected: str) -> None:
    assert expected in said({"schedule": {**SCHEDULE, **schedule}})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"scope": "tags.role = web"}, "scope: Value error"),
        ({"kind": "host", "schedule": {**SCHEDULE, "length": "1h"}}, "too short for host"),
        ({"kind": "os_image"}, "write a length of 5h or more"),
        ({"kind": "extension"}, "write a length of 5h or more"),
        ({"waves": []}, "has no waves"),
        ({"waves": ["lots"]}, "cannot be cut into waves: waves[0]"),
        ({"linux": {"classifications": []}}, "linux: Value error, asks for no update"),
        ({"linux": {"classifications": ["UpdateRollUp"]}}, "linux.classifications.0"),
        ({"windows": {"classifications": ["Other"]}}, "windows.classifications.0"),
        ({"linux": {"exclude": ["curl=7*"]}}, "names a version, which only an include can"),
        ({"freezes": "some"}, "must be all, or a list"),
        ({"hooks": [{"name": "a", "when": "before", "of": "run"}]}, "needs one of command"),
        (
            {"hooks": [{"name": "a", "when": "before", "of": "run", "script": "x"}]},
            "for hooks of a machine only",
        ),
        (
            {"hooks": [{"name": "a", "when": "after", "of": "run", "webhook": "https://u:p@h/"}]},
            "is no place to call",
        ),
        ({"notices": [{"at": [], "to": "event"}]}, "is never given"),
        ({"notices": [{"at": ["soon"], "to": "event"}]}, "is no moment"),
        ({"notices": [{"at": ["24h"], "to": "email"}]}, "needs an address"),
        ({"notices": [{"at": ["24h"], "to": "webhook", "address": "x"}]}, "is no place to call"),
        ({"notices": [{"at": ["1h"], "to": "event", "address": "x"}]}, "takes no address"),
    ],
)
def test_what_does_not_fit_together_is_refused(fields: dict[str, Any], expected: str) -> None:
    assert expected in said(fields)


@pytest.mark.parametrize("end", ["9999-12-31", "9999-12-31 23:59:59", "9999-12-31T23:59"])
def test_azures_end_that_never_comes_is_one(end: str) -> None:
    made = scheduled(expires=end).schedule.timetable("web")
    assert next(made.occurrences(datetime(2190, 1, 1))).year == 2190


def test_it_gives_what_plan_and_rollout_take() -> None:
    made = configuration(
        linux={"classifications": ["security", "OTHER"], "include": ["curl=7*"]},
        windows={"classifications": ["UpdateRollup"], "exclude": ["KB5034441"]},
        path="hotpatch_only",
        budget={"max_failures": 2, "max_failure_percent": 5},
        soak="30m",
        slots=3,
        domain_limit=2,
    )
    linux, windows = made.selection(OsFamily.SUSE), made.selection(OsFamily.WINDOWS)
    assert linux.classifications == {Classification.SECURITY, Classification.OTHER}
    assert (linux.include, linux.hotpatch_only) == (("curl=7*",), False)
    assert windows.classifications == {Classification.UPDATE_ROLL_UP}
    assert (windows.exclude, windows.hotpatch_only) == (("KB5034441",), True)
    assert made.failure_budget() == Budget(2, 5)
    assert made.limits() == Limits(slots=3, per_domain=2, soak=timedelta(minutes=30))


@pytest.mark.parametrize(
    ("own", "asked", "expected"),
    [
        ("preferred", None, "preferred"),
        ("preferred", "required", "required"),
        ("required", "never", "required"),
        ("never", "preferred", "preferred"),
        ("never", None, "never"),
    ],
)
def test_the_stricter_undo_policy_holds(own: Any, asked: Any, expected: str) -> None:
    made = configuration(undo=asked, checks=[CheckSpec(kind="disk"), CheckSpec(kind="dns")])
    found = made.under(machine("a", policy=Policy(undo=own), checks=(CheckSpec(kind="disk"),)))
    assert found.policy.undo == expected
    assert [check.kind for check in found.checks] == ["disk", "dns"]


def test_the_checks_of_a_configuration_have_each_machines_values_in_them() -> None:
    tcp = CheckSpec(kind="tcp", options={"host": "{address}", "ports": ["{name}", 1]})
    (check,) = configuration(checks=[tcp]).under(machine("a")).checks
    assert check.options == {"host": "a.example", "ports": ["a", 1]}


# Zones of machines


FLEET = Inventory(
    name="x",
    folder="/x",
    machines=(
        machine("a", facts={"time_zone": "Europe/Lisbon"}),
        machine("b", facts={"time_zone": "Europe/Berlin"}),
        machine("c"),
    ),
)


def test_machines_follow_their_own_clock_where_they_name_one() -> None:
    made = scheduled(time_zone_from="facts.time_zone")
    zones = made.by_zone(made.machines(FLEET))
    assert {zone: [m.name for m in of] for zone, of in zones.items()} == {
        "Europe/Lisbon": ["a"],
        "Europe/Berlin": ["b", "c"],
    }
    for zone, machines in zones.items():
        assert parse(made.scope_in(zone)).select(FLEET.machines) == machines
    starts = {
        zone: next(Maintenance((made,)).windows(made, zone, datetime(2026, 3, 1, tzinfo=UTC)))
        for zone in zones
    }
    assert starts["Europe/Lisbon"].start - starts["Europe/Berlin"].start == timedelta(hours=1)
    assert starts["Europe/Lisbon"].key != starts["Europe/Berlin"].key


def test_all_machines_whose_zone_there_is_not_are_told() -> None:
    made = scheduled(time_zone_from="facts.time_zone")
    wrong = [
        machine("d", facts={"time_zone": "Mars"}),
        machine("e", facts={"time_zone": ["A", "B"]}),
    ]
    problems = problems_of(lambda: made.by_zone([*FLEET.machines, *wrong]))
    assert [each.field for each in problems] == ["d: facts.time_zone", "e: facts.time_zone"]
    assert "names several zones" in problems[1].message


# Freezes


def test_all_freezes_hold_unless_some_are_named() -> None:
    day = datetime(2026, 3, 14)
    freezes = {
        "audit": (Freeze("audit", day, timedelta(days=1)),),
        "party": (Freeze("party", datetime(2026, 4, 18), timedelta(days=1)),),
    }
    for named, expected in (
        ("all", [State.FROZEN, State.FROZEN]),
        (["party"], [State.OPEN, State.FROZEN]),
        ([], [State.OPEN, State.OPEN]),
    ):
        made = configuration(freezes=named)
        found = Maintenance((made,), freezes)
        near = islice(found.windows(made, "Europe/Berlin", datetime(2026, 3, 1, tzinfo=UTC)), 2)
        assert [window.state for window in near] == expected
