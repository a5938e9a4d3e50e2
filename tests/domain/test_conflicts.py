from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from patchyard.domain.admission import History, Sample
from patchyard.domain.conflicts import Conflict, conflicts
from patchyard.domain.expecting import expect
from patchyard.domain.freezes import Freeze
from patchyard.domain.inventory import Inventory, Machine, OsFamily, Policy
from patchyard.domain.maintenance import Maintenance, MaintenanceConfiguration
from patchyard.domain.preview import Case, notes, openings
from patchyard.domain.updates import Assessment, Classification, Update
from patchyard.domain.value import Known
from patchyard.testing.assessments import NOON, assessment

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS = timedelta(days=1)
ZONE = "Europe/Berlin"


def machine(name: str, **fields: Any) -> Machine:
    return Machine(name=name, address=f"{name}.example", **fields)


def made(
    name: str, recurrence: str, start: str, length: str = "4h", scope: str = "all", **fields: Any
) -> MaintenanceConfiguration:
    schedule = {
        "recurrence": recurrence,
        "start": f"2026-01-01 {start}",
        "length": length,
        "time_zone": ZONE,
        **fields.pop("schedule", {}),
    }
    given = {"name": name, "scope": scope, "schedule": schedule, **fields}
    return MaintenanceConfiguration.model_validate(given)


def case(
    *configurations: MaintenanceConfiguration,
    machines: tuple[Machine, ...] = (machine("a"), machine("b")),
    freezes: tuple[Freeze, ...] = (),
    **more: Any,
) -> Case:
    inventory = Inventory(name="x", folder="/x", machines=machines)
    return Case(Maintenance(configurations, {"f": freezes}), inventory, NOW, **more)


def found(of: Case, kind: str, ahead: int = 30, uncovered: int = 30) -> list[str]:
    every: tuple[Conflict, ...] = conflicts(of, ahead * DAYS, uncovered * DAYS)
    return [each.text for each in every if each.kind == kind]


def updates(*names: str, **fields: Any) -> tuple[Update, ...]:
    given = {"classification": Classification.SECURITY, "origin": "", **fields}
    return tuple(
        Update(name=name, architecture="amd64", installed="1", candidate="2", **given)
        for name in names
    )


# Overlaps


def test_two_configurations_on_one_machine_at_one_time_are_told_once_with_how_often() -> None:
    weekly = made("weekly", "Week Saturday", "22:00", scope="a")
    daily = made("daily", "Day", "01:00")
    (text,) = found(case(weekly, daily), "overlap")
    assert text == (
        "daily and weekly overlap on a, 4 times; first weekly@2026-03-07 and daily@2026-03-08 "
        "from 2026-03-08 00:00 UTC"
    )


@pytest.mark.parametrize(
    ("other", "freezes"),
    [
        (made("daily", "Day", "01:00", scope="b"), ()),
        (made("daily", "Day", "02:00"), ()),
        (made("daily", "Week Monday", "01:00"), ()),
        (
            made("daily", "Day", "01:00"),
            (Freeze("f", datetime(2026, 3, 1), timedelta(days=60)),),
        ),
    ],
)
def test_windows_that_share_no_machine_or_no_time_or_are_frozen_do_not_overlap(
    other: MaintenanceConfiguration, freezes: tuple[Freeze, ...]
) -> None:
    weekly = made("weekly", "Week Saturday", "22:00", scope="a")
    assert found(case(weekly, other, freezes=freezes), "overlap") == []


def test_a_window_that_was_postponed_onto_the_next_is_told() -> None:
    moved = {"postpone": [{"date": "2026-03-07", "to": "2026-03-14 23:00"}]}
    (text,) = found(case(made("w", "Week Saturday", "22:00", schedule=moved)), "overlap")
    assert text.startswith("w overlaps itself on a, b; first w@2026-03-14 and w@2026-03-07")


# Machines without a window


def test_machines_that_no_window_comes_to_are_told_with_the_reason() -> None:
    machines = tuple(machine(name) for name in ("a", "b", "c", "d"))
    frozen = (Freeze("f", datetime(2026, 3, 1), timedelta(days=40)),)
    of = case(
        made("far", "FREQ=YEARLY;BYMONTH=12", "01:00", scope="a"),
        made("shut", "Week Monday", "01:00", scope="b"),
        made("fine", "Week Monday", "01:00", scope="c", freezes=[]),
        machines=machines,
        freezes=frozen,
    )
    assert found(of, "no_window") == [
        "no window for 30d: a (far has none so soon)",
        "no window for 30d: b (shut@2026-03-02 is frozen, shut@2026-03-09 is frozen)",
        "no window for 30d: d (is in no configuration)",
    ]
    assert "b (" not in "".join(found(of, "no_window", uncovered=60))


def test_a_window_of_another_kind_serves_no_guest() -> None:
    host = made("host", "Week Monday", "01:00", kind="host")
    assert found(case(host), "no_window") == ["no window for 30d: a, b (is in no configuration)"]


# Windows that are too short


def test_a_window_shorter_than_its_waves_and_soaks_is_told() -> None:
    fleet = tuple(machine(f"m{n}") for n in range(4))
    seen = {m.name: assessment(m.name, updates=updates("p", "q", "r")) for m in fleet}
    # In each wave 15 minutes of install and 15 of reboot; 30 minutes once to go back.
    short = made("short", "Week Monday", "01:00", "2h29m", waves=["1", "1", "rest"], soak="15m")
    assert found(case(short, machines=fleet, assessments=seen), "too_short") == [
        (
            "short needs about 2h30m for 4 machines in 3 waves and 2 x 15m of soak; "
            "its windows are 2h29m long"
        )
    ]
    enough = made("enough", "Week Monday", "01:00", "2h30m", waves=["1", "1", "rest"], soak="15m")
    assert found(case(enough, machines=fleet, assessments=seen), "too_short") == []


def test_slots_and_failure_domains_make_a_wave_longer() -> None:
    fleet = tuple(machine(f"m{n}", availability_set="s") for n in range(4))
    seen = {m.name: assessment(m.name, updates=updates("p", "q", "r")) for m in fleet}

    def needs(**fields: Any) -> str:
        one = made("w", "Week Monday", "01:00", "1m", waves=["rest"], **fields)
        return found(case(one, machines=fleet, assessments=seen), "too_short")[0].split(" for ")[0]

    assert needs(domain_limit=4) == "w needs about 1h"
    assert needs(domain_limit=2) == "w needs about 1h30m"
    assert needs(domain_limit=1) == "w needs about 2h30m"
    assert needs(domain_limit=4, slots=1) == "w needs about 2h30m"


def test_machines_that_were_never_seen_count_with_the_least_and_idle_ones_not_at_all() -> None:
    short = made("w", "Week Monday", "01:00", "10m", waves=["rest"])
    seen = {"a": assessment("a")}
    assert found(case(short, assessments=seen), "too_short") == [
        (
            "w needs about 40m for 1 machine (at least: 1 never assessed) in 1 wave; "
            "its windows are 10m long"
        )
    ]
    both = {name: assessment(name) for name in ("a", "b")}
    assert found(case(short, assessments=both), "too_short") == []


def test_a_machines_own_history_counts() -> None:
    quick = Sample(3, frozenset({Classification.SECURITY}), timedelta(minutes=1))
    history = History((quick,) * 5, (quick,) * 5, (timedelta(minutes=2),) * 5)
    seen = {n: assessment(n, updates=updates("p", "q", "r")) for n in ("a", "b")}
    short = made("w", "Week Monday", "01:00", "10m", waves=["rest"])
    histories = {"a": history, "b": history}
    assert found(case(short, assessments=seen, histories=histories), "too_short") == []
    assert found(case(short, assessments=seen), "too_short") != []


def test_a_scope_without_machines_is_told() -> None:
    nobody = made("nobody", "Day", "01:00", scope="tags.role == none")
    assert found(case(nobody), "no_machine") == ["nobody has no machine in its scope"]


# What is expected


WINDOWS = {"os_family": OsFamily.WINDOWS}


@pytest.mark.parametrize(
    ("fields", "seen", "policy", "expected"),
    [
        ({}, None, None, (None, Known.UNKNOWN)),
        ({"reboot": "never"}, None, None, (None, Known.NO)),
        ({}, {}, None, (0, Known.NO)),
        ({}, {"updates": updates("openssl")}, None, (1, Known.UNKNOWN)),
        ({}, {"updates": updates("linux-image-amd64")}, None, (1, Known.YES)),
        ({}, {"updates": updates("linux-image-amd64")}, "never", (1, Known.NO)),
        ({"reboot": "always"}, {}, None, (0, Known.YES)),
        ({}, {"reboot_required": Known.YES}, None, (0, Known.YES)),
        ({}, {"updates": updates("KB1", hotpatch="calendar")}, None, (1, Known.NO)),
        ({}, {"updates": updates("KB1", hotpatch="")}, None, (1, Known.UNKNOWN)),
        (
            {"linux": {"exclude": ["open*"]}},
            {"updates": updates("openssl")},
            None,
            (0, Known.NO),
        ),
    ],
)
def test_what_is_expected_comes_from_the_last_look_and_unknown_stays_unknown(
    fields: dict[str, Any],
    seen: dict[str, Any] | None,
    policy: Any,
    expected: tuple[int | None, Known],
) -> None:
    one = made("w", "Day", "01:00", **fields)
    known: dict[str, Assessment] = {} if seen is None else {"a": assessment("a", **seen)}
    result = expect(one, machine("a", policy=Policy(reboot=policy)), known, {})
    assert (result.updates, result.reboot) == expected
    assert result.seen_at == (None if seen is None else NOON)


def test_the_windows_of_all_configurations_come_in_order_and_each_machine_is_told_once() -> None:
    daily = made("daily", "Day", "01:00", scope="a")
    weekly = made("weekly", "Week Monday", "22:00")
    shown = openings(case(daily, weekly, assessments={"b": assessment("b")}), 2)
    assert [
        (each.window.key, [m.name for m in each.machines], [e.machine.name for e in each.expected])
        for each in shown
    ] == [
        ("daily@2026-03-02", ["a"], ["a"]),
        ("weekly@2026-03-02", ["a", "b"], ["b"]),
        ("daily@2026-03-03", ["a"], []),
        ("weekly@2026-03-09", ["a", "b"], []),
    ]


def test_a_frozen_window_brings_nothing_and_the_next_one_does() -> None:
    frozen = (Freeze("f", datetime(2026, 3, 2), timedelta(hours=2)),)
    first, second = openings(case(made("d", "Day", "01:00"), freezes=frozen), 2)
    assert (first.window.reason, first.expected) == ("f", ())
    assert len(second.expected) == 2


def test_what_nothing_acts_on_yet_is_told() -> None:
    hook = {"name": "x", "when": "before", "of": "run", "command": "x"}
    one = made("w", "Day", "02:30", "2h", hooks=[hook], approval={"of": "run"}, scope="a, b, ghost")
    told = list(notes(case(one)))[1:]
    assert told == [
        "w: no machine is named ghost",
        (
            "w@2026-03-29, Europe/Berlin: 2026-03-29 02:30 does not exist there; "
            "it begins at 2026-03-29 03:00"
        ),
    ]
