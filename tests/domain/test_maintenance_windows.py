from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import islice, takewhile
from typing import Any

import pytest
from dateutil import rrule as other  # type: ignore[import-untyped]  # its types are not installed
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.freezes import Freeze
from patchyard.domain.maintenance_windows import (
    Change,
    State,
    Timetable,
    Window,
    closest,
    meant,
    windows,
)
from patchyard.domain.recurrence_text import parse_recurrence
from patchyard.domain.zones import zone_of
from tests.domain.strategies import unhurried
from tests.domain.test_zones import ODD, searched

BERLIN = "Europe/Berlin"
HOUR = timedelta(hours=1)


def table(recurrence: str = "Day", start: str = "2026-01-01 22:00", **more: Any) -> Timetable:
    fields = {"length": 4 * HOUR, **more}
    return Timetable("web", parse_recurrence(recurrence), datetime.fromisoformat(start), **fields)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def some(
    of: Timetable, since: str, number: int, zone: str = BERLIN, *freezes: Freeze
) -> list[Window]:
    return list(islice(windows(of, zone, at(since), freezes), number))


RULES = (
    ("Day", {"freq": other.DAILY}),
    ("Week Saturday,Sunday", {"freq": other.WEEKLY, "byweekday": (other.SA, other.SU)}),
    ("Month Last Sunday", {"freq": other.MONTHLY, "byweekday": other.SU(-1)}),
    ("Month day1,day15", {"freq": other.MONTHLY, "bymonthday": (1, 15)}),
)


@given(
    st.sampled_from(ODD), st.sampled_from(RULES), st.integers(0, 24 * 60 - 1), st.integers(0, 19)
)
@unhurried
def test_windows_of_twenty_years_begin_when_the_clock_of_the_zone_shows_their_time(
    zone: str, rule: tuple[str, dict[str, Any]], minute: int, offset: int
) -> None:
    """Dateutil says which local times there are, and a plain search when the clock shows them."""
    text, told = rule
    start = datetime(2009, 6, 1) + timedelta(minutes=minute)
    since, until = at(f"{2010 + offset}-01-01"), at(f"{2011 + offset}-01-01")
    near = datetime(2009 + offset, 12, 28), datetime(2011 + offset, 1, 4)
    local = other.rrule(dtstart=start, **told).between(*near, inc=True)
    # Where several begin at the same instant, the one whose time the clock shows is meant.
    expected = {searched(each, zone_of(zone)): each for each in local}
    of = table(text, f"{start:%Y-%m-%d %H:%M}", length=HOUR)
    found = list(takewhile(lambda w: w.start < until, windows(of, zone, since)))
    in_year = {i: each for i, each in expected.items() if since - HOUR < i < until}
    assert {w.start: w.occurrence for w in found} == in_year
    assert [w.start for w in found] == sorted(w.start for w in found)
    assert {w.length for w in found} == {HOUR}
    assert max(Counter(w.key for w in found).values()) == 1


def test_the_key_is_the_local_date_and_the_time_where_there_are_several_a_day() -> None:
    (once,) = some(table(), "2026-03-10", 1)
    assert once.key == "web@2026-03-09"
    (hourly,) = some(table("6Hours"), "2026-03-10", 1)
    assert hourly.key == "web@2026-03-09T22:00"
    (twice,) = some(table("0 2,14 * * *"), "2026-03-10 06:00", 1)
    assert twice.key == "web@2026-03-10T14:00"
    (zoned,) = some(table(several_zones=True), "2026-03-10 03:00", 1)
    assert zoned.key == "web@2026-03-10[Europe/Berlin]"


def test_a_changed_time_of_day_leaves_the_key() -> None:
    earlier, later = table(start="2026-01-01 20:00"), table(start="2026-01-01 22:00")
    assert some(earlier, "2026-03-10 12:00", 1)[0].key == some(later, "2026-03-10 12:00", 1)[0].key


def test_length_is_elapsed_time_over_a_change_of_clocks() -> None:
    spring, autumn = (
        some(table(start="2026-01-01 00:30"), since, 1)[0]
        for since in ("2026-03-28 20:00", "2026-10-24 20:00")
    )
    for window, ends in ((spring, "2026-03-29 05:30"), (autumn, "2026-10-25 03:30")):
        assert window.length == 4 * HOUR
        local = window.end.astimezone(zone_of(BERLIN)).replace(tzinfo=None)
        assert local == datetime.fromisoformat(ends)


def test_a_gap_begins_at_the_first_valid_instant_and_an_overlap_at_the_first_occurrence() -> None:
    of = table(start="2026-01-01 02:30")
    (gap,) = some(of, "2026-03-29 00:00", 1)
    assert (gap.key, gap.start) == ("web@2026-03-29", at("2026-03-29 01:00"))
    assert gap.note == "2026-03-29 02:30 does not exist there; it begins at 2026-03-29 03:00"
    (twice,) = some(of, "2026-10-25 00:00", 1)
    assert twice.start == at("2026-10-25 00:30")
    assert twice.note == "02:30 comes twice that day; the first is meant"


def test_a_day_that_a_zone_left_out_has_no_second_window_at_the_same_instant() -> None:
    midnight = table("Day", "2011-12-01 00:00")
    found = some(midnight, "2011-12-28 12:00", 4, "Pacific/Apia")
    assert [w.key for w in found] == [
        f"web@2011-12-{day}" if day < 32 else "web@2012-01-01" for day in (28, 29, 31, 32)
    ]
    assert len({w.start for w in found}) == 4
    evening = some(table("Day", "2011-12-01 22:00"), "2011-12-30 09:00", 3, "Pacific/Apia")
    assert [w.start for w in evening] == [
        at("2011-12-30 08:00"),
        at("2011-12-30 10:00"),
        at("2011-12-31 08:00"),
    ]


def test_windows_that_have_not_ended_are_among_those_to_come() -> None:
    (window, _) = some(table(), "2026-03-11 00:59", 2)
    assert window.start == at("2026-03-10 21:00")
    assert window.holds(at("2026-03-11 00:59"))
    assert window.left(at("2026-03-11 00:59")) == timedelta(minutes=1)
    assert not window.holds(window.end)
    assert window.left(window.end) == timedelta(0)
    assert some(table(), "2026-03-11 01:00", 1)[0].start == at("2026-03-11 21:00")


def test_nothing_begins_at_or_after_the_end() -> None:
    since = "2026-01-04 12:00"
    day = some(table(expires=date(2026, 1, 5)), since, 9)
    assert [w.occurrence.day for w in day] == [4, 5]
    moment = some(table(expires=datetime(2026, 1, 5, 22)), since, 9)
    assert [w.occurrence.day for w in moment] == [4]
    rule = some(table("FREQ=DAILY;UNTIL=20260105T210000Z"), since, 9)
    assert [w.occurrence.day for w in rule] == [4, 5]


# What people decide


def test_a_skipped_window_stays_in_sight() -> None:
    of = table(changes=(Change(date(2026, 3, 10), reason="quarter close"),))
    found = some(of, "2026-03-10 12:00", 2)
    assert [(w.key, w.state, w.reason) for w in found] == [
        ("web@2026-03-10", State.SKIPPED, "skipped: quarter close"),
        ("web@2026-03-11", State.OPEN, ""),
    ]
    assert not found[0].holds(found[0].start)


def test_a_postponed_window_keeps_its_key_and_its_length() -> None:
    change = Change(date(2026, 3, 10), datetime(2026, 3, 12, 2), "audit")
    found = some(table(changes=(change,)), "2026-03-10 12:00", 4)
    assert [(w.key, f"{w.local_start:%d %H:%M}") for w in found] == [
        ("web@2026-03-11", "11 22:00"),
        ("web@2026-03-10", "12 02:00"),
        ("web@2026-03-12", "12 22:00"),
        ("web@2026-03-13", "13 22:00"),
    ]
    assert found[1].note == "postponed from 2026-03-10 22:00, audit"
    assert found[1].length == 4 * HOUR
    assert found[0].overlaps(found[1]) is False


def test_one_of_several_a_day_is_named_by_its_time() -> None:
    of = table("0 2,14 * * *", changes=(Change(datetime(2026, 3, 10, 14)),))
    found = some(of, "2026-03-10", 2)
    assert [w.state for w in found] == [State.OPEN, State.SKIPPED]
    assert meant(of, Change(date(2026, 3, 10))) == [
        datetime(2026, 3, 10, 2),
        datetime(2026, 3, 10, 14),
    ]
    assert meant(of, Change(datetime(2026, 3, 10, 3))) == []


def test_a_window_of_which_any_instant_is_frozen_does_not_open() -> None:
    edge = Freeze("audit", datetime(2026, 3, 11, 1, 59), timedelta(minutes=1), BERLIN)
    (closed, is_open) = some(table(), "2026-03-10 12:00", 2, BERLIN, edge)
    assert (closed.state, closed.reason, is_open.state) == (State.FROZEN, "audit", State.OPEN)
    after = Freeze("audit", datetime(2026, 3, 11, 2, 0), timedelta(hours=1), BERLIN)
    assert some(table(), "2026-03-10 12:00", 1, BERLIN, after)[0].state == State.OPEN


def test_a_window_that_was_postponed_into_a_freeze_is_frozen() -> None:
    change = Change(date(2026, 3, 10), datetime(2026, 3, 12, 2))
    freeze = Freeze.between("audit", date(2026, 3, 12), date(2026, 3, 12))
    found = some(table(changes=(change,)), "2026-03-11 12:00", 3, BERLIN, freeze)
    assert [(w.key, w.state) for w in found] == [
        ("web@2026-03-11", State.FROZEN),
        ("web@2026-03-10", State.FROZEN),
        ("web@2026-03-12", State.FROZEN),
    ]


def test_how_close_windows_are() -> None:
    assert closest(table("Week Saturday,Sunday"), 20) == timedelta(days=1)
    assert closest(table("6Hours"), 20) == timedelta(hours=6)
    assert closest(table("FREQ=DAILY;COUNT=1"), 20) is None


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "Pacific/Honolulu", "Pacific/Kiritimati"])
def test_no_window_is_missed_at_the_edge_of_the_world(zone: str) -> None:
    (window,) = some(table("Day", "2026-01-01 22:00"), "2026-06-01 12:00", 1, zone)
    assert at("2026-06-01 12:00") < window.end <= at("2026-06-02 16:00")
