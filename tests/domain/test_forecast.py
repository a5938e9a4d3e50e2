"""When an open fix will be installed, and what stands in the way until then."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patchyard.domain.forecast import Forecast, Outlook, forecast
from patchyard.domain.freezes import Freeze
from patchyard.domain.inventory import Inventory, Machine, OsFamily
from patchyard.domain.maintenance import Maintenance, MaintenanceConfiguration
from patchyard.domain.plan import WhyNot
from patchyard.domain.preview import Case
from patchyard.domain.selection import SECURITY
from patchyard.domain.updates import Assessment, Classification, Standing, Update
from patchyard.domain.value import Known
from patchyard.domain.ways import NAMED, InTheWay, Sight
from patchyard.testing.assessments import assessment

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""A Monday."""

DAY = timedelta(days=1)
FIRST = datetime(2026, 3, 7, 22, tzinfo=UTC)
WEEKLY = "Week Saturday"


def made(name: str = "web", recurrence: str = WEEKLY, length: str = "4h", **fields: Any) -> Any:
    schedule = {
        "recurrence": recurrence,
        "start": "2026-01-01 22:00",
        "length": length,
        "time_zone": "UTC",
        **fields.pop("schedule", {}),
    }
    return MaintenanceConfiguration.model_validate(
        {"name": name, "scope": "all", "schedule": schedule, **fields}
    )


def update(name: str = "openssl", **fields: Any) -> Update:
    given = {"classification": Classification.SECURITY, "origin": "", "installed": "1", **fields}
    return Update(name=name, architecture="amd64", candidate="2", **given)


def seen(*updates: Update, **fields: Any) -> Assessment:
    return assessment("a", updates=updates, **{"taken_at": NOW - DAY, **fields})


def case(
    *configurations: Any, of: Assessment | None, freezes: tuple[Freeze, ...] = (), **machine: Any
) -> Case:
    only = Machine(name="a", address="a.example", **machine)
    inventory = Inventory(name="x", folder="/x", machines=(only,))
    by_name = {freeze.name: (freeze,) for freeze in freezes}
    assessments = {} if of is None else {"a": of}
    return Case(Maintenance(configurations, by_name), inventory, NOW, assessments)


def rows(of: Case, **sight: Any) -> tuple[Forecast, ...]:
    return tuple(forecast(of, Sight(**sight)))


def only(of: Case, **sight: Any) -> Forecast:
    (found,) = rows(of, **sight)
    return found


def words(row: Forecast) -> list[str]:
    return [str(reason.word) for reason in row.in_the_way]


def test_a_fix_that_a_configuration_takes_comes_in_its_next_window() -> None:
    row = only(case(made(), of=seen(update(cves=("CVE-2026-7",)))))
    assert (row.machine, row.update, row.candidate) == ("a", "openssl", "2")
    assert (row.outlook, row.at, row.window) == (Outlook.SCHEDULED, FIRST, "web@2026-03-07")
    assert (row.in_the_way, row.seen_at, row.cves) == ((), NOW - DAY, ("CVE-2026-7",))


def test_of_several_configurations_the_first_window_counts_that_takes_it() -> None:
    narrow = made("mondays", "Week Monday", linux={"exclude": ["openssl"]})
    row = only(case(made(), narrow, of=seen(update())))
    assert row.window == "web@2026-03-07"
    assert row.in_the_way == ()
    sooner = only(case(made(), made("daily", "Day"), of=seen(update())))
    assert sooner.window == "daily@2026-03-02"


def test_what_is_no_open_security_fix_has_no_row() -> None:
    others = (
        update("other", classification=Classification.OTHER),
        update("there", installed="2"),
        update("new", installed=""),
    )
    assert rows(case(made(), of=seen(*others))) == ()


@pytest.mark.parametrize(
    ("configuration", "fix", "word"),
    [
        ({"linux": {"exclude": ["open*"]}}, {}, WhyNot.EXCLUDED),
        ({"linux": {"classifications": ["Critical"]}}, {}, WhyNot.CLASSIFICATION),
        ({}, {"standing": Standing.HELD}, WhyNot.HELD),
        ({}, {"standing": Standing.PINNED}, WhyNot.PINNED),
        ({}, {"standing": Standing.PHASED}, WhyNot.PHASED),
    ],
)
def test_what_no_configuration_takes_is_blocked_with_the_reason(
    configuration: dict[str, Any], fix: dict[str, Any], word: WhyNot
) -> None:
    row = only(case(made(**configuration), of=seen(update(**fix))))
    assert (row.outlook, row.at, row.window) == (Outlook.BLOCKED, None, "")
    assert words(row) == [word]
    assert row.in_the_way[0].detail.startswith("web")


def test_a_machine_in_no_configuration_is_told_so() -> None:
    row = only(case(made(scope="b"), of=seen(update())))
    assert (row.outlook, words(row)) == (Outlook.BLOCKED, ["no_configuration"])
    assert words(only(case(made(kind="host"), of=seen(update())))) == ["no_configuration"]


def test_frozen_and_skipped_windows_are_passed_by_and_told() -> None:
    audit = Freeze.between("audit", date(2026, 3, 7), date(2026, 3, 7))
    skip = {"skip": [{"date": "2026-03-14", "reason": "quarter"}]}
    row = only(case(made(schedule=skip), of=seen(update()), freezes=(audit,)))
    assert (row.outlook, row.window) == (Outlook.SCHEDULED, "web@2026-03-21")
    assert [reason.text for reason in row.in_the_way] == [
        "frozen: web@2026-03-07, audit",
        "skipped: web@2026-03-14, skipped: quarter",
    ]


def test_where_all_windows_are_frozen_it_is_blocked_and_many_are_counted() -> None:
    year = Freeze.between("year", date(2026, 1, 1), date(2026, 12, 31))
    row = only(case(made(), of=seen(update()), freezes=(year,)))
    assert (row.outlook, row.at) == (Outlook.BLOCKED, None)
    assert words(row) == ["frozen"] * (NAMED + 1) + ["no_window"]
    assert row.in_the_way[NAMED].detail == "and 10 more"
    assert row.in_the_way[-1].detail == "web has none that opens within 90d"


def test_a_window_that_is_too_short_for_the_machine_is_told_and_never_counts() -> None:
    row = only(case(made(length="30m"), of=seen(update())), ahead=8 * DAY)
    assert (row.outlook, row.at) == (Outlook.BLOCKED, None)
    assert words(row) == ["window_too_short", "no_window"]


def test_the_rest_of_an_open_window_may_be_too_short_and_the_next_one_counts() -> None:
    row = only(case(made(recurrence="Day", length="15h"), of=seen(update())))
    assert row.window == "web@2026-03-01"  # open since yesterday night, for an hour more
    assert row.outlook == Outlook.SCHEDULED
    late = only(case(made(recurrence="Day", length="14h10m"), of=seen(update())))
    assert late.window == "web@2026-03-02"
    assert words(late) == ["window_too_short"]


def test_a_window_that_does_not_fit_all_of_its_machines_makes_it_unknown() -> None:
    many = tuple(Machine(name=f"m{n:03}", address="x", cluster="one") for n in range(30))
    of = Case(
        Maintenance((made(),), {}),
        Inventory(name="x", folder="/x", machines=many),
        NOW,
        {machine.name: seen(update()) for machine in many},
    )
    found = rows(of)
    assert {row.outlook for row in found} == {Outlook.UNKNOWN}
    assert {row.at for row in found} == {FIRST}
    assert "for all of its machines" in found[0].in_the_way[0].detail


@pytest.mark.parametrize("family", [OsFamily.DEBIAN, OsFamily.WINDOWS])
def test_a_window_that_a_run_has_is_passed_by(family: OsFamily) -> None:
    of = case(made(recurrence="Day", length="20h"), of=seen(update()), os_family=family)
    row = only(of, taken={"web@2026-03-01": "patch-1"})
    assert row.window == "web@2026-03-02"
    assert row.in_the_way[0].text == "window_taken: web@2026-03-01, run patch-1 has it"
    assert only(of, taken={"web@2026-02-28": "patch-1"}).window == "web@2026-03-01"


def test_an_approval_that_is_wanted_is_told_with_who_may() -> None:
    row = only(case(made(approval={"of": "run", "by": ["Ada"]}), of=seen(update())))
    assert (row.outlook, row.at) == (Outlook.WAITS, FIRST)
    assert [reason.text for reason in row.in_the_way] == ["approval: Ada must approve the plan"]


def test_a_ring_is_waited_for() -> None:
    row = only(case(made(ring={"after": "test"}), of=seen(update())))
    assert (row.outlook, row.at) == (Outlook.WAITS, FIRST)
    assert row.in_the_way[0].text == "ring: only if the machines of test run it well by then"


def test_a_machine_never_assessed_is_unknown_and_the_earliest_is_told() -> None:
    row = only(case(made(), of=None))
    assert (row.update, row.outlook, row.at) == ("", Outlook.UNKNOWN, FIRST)
    assert (words(row), row.seen_at) == (["not_assessed"], None)
    assert words(only(case(made(scope="b"), of=None))) == ["not_assessed", "no_configuration"]


def test_what_was_seen_long_ago_is_unknown_and_so_is_what_else_there_may_be() -> None:
    old = case(made(), of=seen(update(), taken_at=NOW - 8 * DAY))
    more, known = rows(old)
    assert (more.update, known.update) == ("", "openssl")
    assert {more.outlook, known.outlook} == {Outlook.UNKNOWN}
    assert known.at == FIRST
    assert words(more) == words(known) == ["stale"]
    assert [row.outlook for row in rows(old, stale_after=9 * DAY)] == [Outlook.SCHEDULED]


def test_an_incomplete_look_leaves_the_rest_unknown_but_not_what_it_saw() -> None:
    half = seen(update(), complete=Known.NO, incomplete_because=("no mirror",))
    more, known = rows(case(made(), of=half))
    assert (more.outlook, more.in_the_way[0].text) == (Outlook.UNKNOWN, "incomplete: no mirror")
    assert known.outlook == Outlook.SCHEDULED


# --- whatever there is ------------------------------------------------------------------------

CLASSES = st.sampled_from([*SECURITY, Classification.OTHER])
UPDATES = st.lists(
    st.builds(
        update,
        st.sampled_from(["openssl", "curl", "nginx", "bash"]),
        classification=CLASSES,
        standing=st.sampled_from([Standing.INSTALLABLE, Standing.HELD]),
        installed=st.sampled_from(["1", "2", ""]),
    ),
    unique_by=lambda each: each.key,
    max_size=4,
)
CONFIGURATIONS = st.lists(
    st.builds(
        made,
        st.sampled_from(["one", "two", "three"]),
        st.sampled_from([WEEKLY, "Day", "Month day20"]),
        st.sampled_from(["30m", "2h", "4h"]),
        scope=st.sampled_from(["all", "a", "b"]),
        linux=st.sampled_from([{}, {"exclude": ["curl"]}, {"classifications": ["Critical"]}]),
        approval=st.sampled_from([{}, {"of": "run"}]),
    ),
    unique_by=lambda each: each.name,
    max_size=3,
)
FREEZES = st.lists(
    st.integers(1, 28).map(lambda d: Freeze.between("f", date(2026, 3, d), date(2026, 3, d))),
    max_size=3,
).map(tuple)
AGES = st.integers(0, 14)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CONFIGURATIONS, UPDATES, FREEZES, AGES)
def test_every_open_fix_has_one_row_that_is_true_to_the_windows(
    configurations: list[Any], updates: list[Update], freezes: tuple[Freeze, ...], age: int
) -> None:
    merged = {"f": freezes}
    of = case(*configurations, of=seen(*updates, taken_at=NOW - age * DAY))
    of = Case(Maintenance(of.maintenance.configurations, merged), of.inventory, NOW, of.assessments)
    found = rows(of, ahead=60 * DAY)
    wanted = [
        each.key
        for each in sorted(updates, key=lambda each: each.key)
        if each.classification in SECURITY and each.installed == "1"
    ]
    assert [f"{row.update}:{row.architecture}" for row in found if row.update] == wanted
    opening = {
        window.key: window
        for lane in of.lanes
        if lane.machines
        for window in of.within(lane, 60 * DAY)
        if window.state == "open"
    }
    for row in found:
        # Whatever comes has an open window of a configuration that knows the machine.
        assert (row.at is None) == (row.window == "")
        if row.window:
            assert opening[row.window].start == row.at
        if row.outlook == Outlook.BLOCKED:
            assert row.in_the_way
            assert row.at is None
        if row.outlook in {Outlook.SCHEDULED, Outlook.WAITS}:
            assert row.at
            assert age <= 7
        assert (row.outlook == Outlook.WAITS) <= (InTheWay.APPROVAL in words(row))
        if age > 7:
            assert row.outlook == Outlook.UNKNOWN


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CONFIGURATIONS, UPDATES, FREEZES, st.integers(1, 28))
def test_one_more_freeze_brings_nothing_forward(
    configurations: list[Any], updates: list[Update], freezes: tuple[Freeze, ...], day: int
) -> None:
    base = case(*configurations, of=seen(*updates))
    more = (*freezes, Freeze.between("g", date(2026, 3, day), date(2026, 3, day)))

    def when(frozen: tuple[Freeze, ...]) -> list[datetime]:
        maintenance = Maintenance(base.maintenance.configurations, {"f": frozen})
        found = rows(Case(maintenance, base.inventory, NOW, base.assessments), ahead=60 * DAY)
        return [row.at or datetime.max.replace(tzinfo=UTC) for row in found]

    assert all(a <= b for a, b in zip(when(freezes), when(more), strict=True))
