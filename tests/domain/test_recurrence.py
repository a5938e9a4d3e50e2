"""Recurrences against implementations that are not ours: python-dateutil's rrule, and cronsim."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Any

import pytest
from cronsim import CronSim
from dateutil import rrule as other  # type: ignore[import-untyped]  # its types are not installed
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.durations import LAST_YEAR
from patchyard.domain.recurrence import Recurrence
from patchyard.domain.recurrence_text import WEEKDAYS, parse_recurrence
from tests.domain.strategies import problems_of, unhurried

YEARS = timedelta(days=20 * 365 + 5)
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
starts = st.datetimes(datetime(1999, 12, 25), datetime(2027, 3, 4)).map(
    lambda at: at.replace(second=0, microsecond=0)
)
intervals = st.integers(1, 35)
days_of_week = st.sets(st.sampled_from(DAYS), min_size=1, max_size=4)
month_days = st.sets(st.integers(1, 31) | st.integers(-31, -1), min_size=1, max_size=4)


def ours(text: str, start: datetime, until: datetime | None = None) -> list[datetime]:
    end = until or start + YEARS
    return list(takewhile(lambda at: at <= end, parse_recurrence(text).local(start)))


def theirs(text: str, start: datetime) -> list[datetime]:
    """Return what dateutil gives. It is told where to end: what never comes it seeks for long."""
    end = "" if "UNTIL" in text else f";UNTIL={start + YEARS:%Y%m%dT%H%M%S}"
    return list(other.rrulestr(f"{text}{end}", dtstart=start))


def numbers(drawn: set[int]) -> str:
    return ",".join(map(str, sorted(drawn)))


@st.composite
def weekdays(draw: st.DrawFn, unit: str, most: int) -> str:
    """Draw days of the week, counted or not."""
    counted = unit in {"MONTHLY", "YEARLY"} and draw(st.booleans())
    nth = st.integers(1, most) | st.integers(-most, -1) if counted else st.just("")
    return ",".join(f"{draw(nth)}{day}" for day in sorted(draw(days_of_week)))


@st.composite
def rrules(draw: st.DrawFn) -> str:
    """Draw any RRULE that is supported, as its text."""
    unit = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [
        f"FREQ={unit}",
        f"INTERVAL={draw(intervals if unit != 'YEARLY' else st.integers(1, 4))}",
    ]
    if months := draw(st.sets(st.integers(1, 12), max_size=5)):
        parts.append(f"BYMONTH={numbers(months)}")
    if draw(st.booleans()):
        # Dateutil breaks on a weekday that no month has so often.
        parts.append(f"BYDAY={draw(weekdays(unit, 5 if months or unit == 'MONTHLY' else 53))}")
    if unit != "WEEKLY" and draw(st.booleans()):
        parts.append(f"BYMONTHDAY={numbers(draw(month_days))}")
    # Of a week, dateutil counts places from the start on; RFC 5545 counts all of its days.
    if len(parts) > 2 and unit != "WEEKLY" and draw(st.booleans()):
        places = st.sets(st.integers(1, 4) | st.integers(-4, -1), min_size=1, max_size=2)
        parts.append(f"BYSETPOS={numbers(draw(places))}")
    elif draw(st.booleans()):
        parts.append(f"BYHOUR={numbers(draw(st.sets(st.integers(0, 23), min_size=1, max_size=2)))}")
        parts.append(
            f"BYMINUTE={numbers(draw(st.sets(st.integers(0, 59), min_size=1, max_size=2)))}"
        )
    return ";".join([*parts, f"WKST={draw(st.sampled_from(DAYS))}"])


@given(rrules(), starts)
@unhurried
def test_rules_give_what_dateutil_gives_over_twenty_years(text: str, start: datetime) -> None:
    assert ours(text, start) == theirs(text, start)


@given(st.integers(1, 99), starts)
@unhurried
def test_hours_are_those_of_dateutil(every: int, start: datetime) -> None:
    expected = list(islice(other.rrule(other.HOURLY, interval=every, dtstart=start), 200))
    assert list(islice(parse_recurrence(f"{every}Hours").local(start), 200)) == expected
    text = f"FREQ=HOURLY;INTERVAL={every}"
    assert list(islice(parse_recurrence(text).local(start), 200)) == expected


@given(rrules(), starts, st.integers(1, 40), st.integers(0, 4000))
@unhurried
def test_count_and_until_end_as_they_do_in_dateutil(
    text: str, start: datetime, count: int, days: int
) -> None:
    counted, expected = f"{text};COUNT={count}", theirs(text, start)
    if len(expected) >= count:
        expected = list(other.rrulestr(counted, dtstart=start))
    assert ours(counted, start) == expected
    until = f"{text};UNTIL={start + timedelta(days=days):%Y%m%dT%H%M%S}"
    assert ours(until, start) == theirs(until, start)


@given(rrules(), starts, st.integers(0, 5000))
@unhurried
def test_beginning_later_gives_the_same_times(text: str, start: datetime, days: int) -> None:
    since = start + timedelta(days=days)
    rule = parse_recurrence(text)
    end = start + YEARS
    whole = [at for at in takewhile(lambda at: at <= end, rule.local(start)) if at >= since]
    assert list(takewhile(lambda at: at <= end, rule.local(start, since))) == whole


# Azure's own strings


AZURE_DAYS = tuple(name.capitalize() for name in WEEKDAYS)


def azure(text: str, start: datetime, offset: int = 0, **rule: Any) -> None:
    """Hold Azure's string against the rule that dateutil is told, moved by so many days."""
    moved = timedelta(days=offset)
    # A rule with an offset begins before the start, for its days are moved afterwards.
    begin = start - timedelta(days=400)
    found = other.rrule(dtstart=begin, **rule).between(begin, start + YEARS - moved, inc=True)
    expected = [at + moved for at in found if at + moved >= start]
    assert [at for at in ours(text, start) if at <= start + YEARS] == expected


@given(
    st.sampled_from([*enumerate(("First", "Second", "Third", "Fourth"), 1), (-1, "Last")]),
    st.sampled_from(list(enumerate(AZURE_DAYS))),
    st.integers(-90, 90),
    starts,
)
@unhurried
def test_azures_monthly_weekdays_have_offsets_of_any_length(
    nth: tuple[int, str], day: tuple[int, str], offset: int, start: datetime
) -> None:
    text = f"Month {nth[1]} {day[1]} Offset{offset}"
    weekday = (other.MO, other.TU, other.WE, other.TH, other.FR, other.SA, other.SU)[day[0]]
    azure(text, start, offset, freq=other.MONTHLY, byweekday=weekday(nth[0]))


@given(st.integers(1, 35), days_of_week, starts)
@unhurried
def test_azures_weeks_count_from_the_week_of_the_start(
    every: int, days: set[str], start: datetime
) -> None:
    names = ",".join(AZURE_DAYS[DAYS.index(day)] for day in sorted(days))
    text = f"FREQ=WEEKLY;INTERVAL={every};BYDAY={','.join(sorted(days))}"
    assert ours(f"{every}Weeks {names}", start) == theirs(text, start)


@given(st.integers(1, 35), month_days, starts)
@unhurried
def test_azures_month_days_count_from_the_month_of_the_start(
    every: int, days: set[int], start: datetime
) -> None:
    names = ",".join(f"day{day}" for day in sorted(days))
    text = f"FREQ=MONTHLY;INTERVAL={every};BYMONTHDAY={numbers(days)}"
    assert ours(f"{every}Month {names}", start) == theirs(text, start)


@given(st.integers(-90, 90), starts)
@unhurried
def test_patch_tuesday_is_the_second_one_and_so_many_days_on(days: int, start: datetime) -> None:
    sign = "-" if days < 0 else "+"
    text = f"patch_tuesday {sign} {abs(days)} days"
    azure(text, start, days, freq=other.MONTHLY, byweekday=other.TU(2))


AS_WRITTEN = [
    ("Day", "FREQ=DAILY"),
    ("3Days", "FREQ=DAILY;INTERVAL=3"),
    ("20days", "FREQ=DAILY;INTERVAL=20"),
    ("Week", "FREQ=WEEKLY"),
    ("3Weeks", "FREQ=WEEKLY;INTERVAL=3"),
    ("Week Saturday,Sunday", "FREQ=WEEKLY;BYDAY=SA,SU"),
    ("1Week Monday", "FREQ=WEEKLY;BYDAY=MO"),
    ("3Weeks Saturday,Sunday", "FREQ=WEEKLY;INTERVAL=3;BYDAY=SA,SU"),
    ("Month", "FREQ=MONTHLY"),
    ("1Month day1,day15", "FREQ=MONTHLY;BYMONTHDAY=1,15"),
    ("Month day-1", "FREQ=MONTHLY;BYMONTHDAY=-1"),
    ("month LAST sunday", "FREQ=MONTHLY;BYDAY=-1SU"),
    ("2Months Third Friday", "FREQ=MONTHLY;INTERVAL=2;BYDAY=3FR"),
    ("patch_tuesday", "FREQ=MONTHLY;BYDAY=2TU"),
    ("Patch Tuesday", "FREQ=MONTHLY;BYDAY=2TU"),
    ("RRULE:FREQ=DAILY", "FREQ=DAILY"),
    ("6Hours", "FREQ=HOURLY;INTERVAL=6"),
]


@pytest.mark.parametrize(("text", "rule"), AS_WRITTEN)
def test_forms_mean_these_rules(text: str, rule: str) -> None:
    start = datetime(2026, 1, 31, 22, 30)
    assert ours(text, start, datetime(2030, 1, 1)) == ours(rule, start, datetime(2030, 1, 1))


def first(text: str, start: datetime, number: int = 3) -> list[str]:
    return [f"{at:%a %Y-%m-%d %H:%M}" for at in islice(parse_recurrence(text).local(start), number)]


def test_the_published_examples_fall_on_the_published_days() -> None:
    start = datetime(2026, 1, 1, 22, 0)
    assert first("Month Second Tuesday Offset4", start, 2) == [
        "Sat 2026-01-17 22:00",
        "Sat 2026-02-14 22:00",
    ]
    assert first("1Month Second Tuesday Offset3", start, 1) == ["Fri 2026-01-16 22:00"]
    assert first("Month Third Sunday Offset6", start, 1) == ["Sat 2026-01-24 22:00"]
    assert first("Month Last Sunday Offset-3", start, 1) == ["Thu 2026-01-22 22:00"]
    assert first("patch_tuesday + 2 weeks", start, 1) == ["Tue 2026-01-27 22:00"]


def test_the_first_is_the_first_recurrence_at_or_after_the_start() -> None:
    assert first("Month Second Tuesday", datetime(2026, 1, 13, 22), 1) == ["Tue 2026-01-13 22:00"]
    assert first("Month Second Tuesday", datetime(2026, 1, 14, 22), 1) == ["Tue 2026-02-10 22:00"]
    # An offset can bring the day of the month before.
    assert first("Month Second Tuesday Offset30", datetime(2026, 1, 2, 1), 1) == [
        "Thu 2026-01-08 01:00"
    ]
    # Cron has its own time of day; the start only says from when on.
    assert first("30 2 * * *", datetime(2026, 1, 1, 2, 31), 1) == ["Fri 2026-01-02 02:30"]


# Cron


@st.composite
def crons(draw: st.DrawFn) -> str:
    """Draw a cron expression in which only one kind of day is given."""

    def some(low: int, high: int) -> str:
        value = st.integers(low, high)
        one = value.map(str)
        pairs = st.sets(value, min_size=2, max_size=2)
        ranges = pairs.map(lambda pair: f"{min(pair)}-{max(pair)}")
        stepped = st.tuples(ranges, st.integers(1, 9)).map(lambda pair: f"{pair[0]}/{pair[1]}")
        every = st.integers(1, high // 2).map(lambda step: f"*/{step}")
        return ",".join(draw(st.lists(one | ranges | stepped | every, min_size=1, max_size=2)))

    month = draw(st.just("*") | st.sampled_from(["JAN", "mar,SEP", "4-6", "*/5", "12"]))
    days = draw(
        st.sampled_from(
            [
                *("* M *", "D M *", "L M *", "* M MON", "* M sat,SUN", "* M 7", "* M 0-2"),
                *("* M 5L", "* M TUE#2", "* M 1#1,3#3", "* M MON-FRI", "* M */3"),
            ]
        )
    )
    days = days.replace("M", month, 1) if days[2] == "M" else days
    return f"{some(0, 59)} {some(0, 23)} {days.replace('D', some(1, 31))}"


@given(crons(), starts)
@unhurried
def test_cron_gives_what_cronsim_gives(text: str, start: datetime) -> None:
    expected = list(islice(CronSim(text, start - timedelta(minutes=1)), 150))
    assert list(islice(parse_recurrence(text).local(start), 150)) == expected


def test_cron_with_both_kinds_of_days_is_refused_or_means_both() -> None:
    for text in ("0 2 8-14 * TUE", "0 2 1-7 * 6", "0 2 */2 * 1", "0 0 13 * FRI"):
        (problem,) = problems_of(lambda text=text: parse_recurrence(text))  # type: ignore[misc]
        assert "ordinary cron fires on either" in problem.message
    start = datetime(2026, 1, 1)
    assert ours("0 2 8-14 * and TUE", start) == theirs(
        "FREQ=MONTHLY;BYDAY=2TU;BYHOUR=2;BYMINUTE=0", start
    )
    assert ours("0 0 13 * and FRI", start) == theirs(
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;BYHOUR=0;BYMINUTE=0", start
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no recurrence"),
        ("whenever", "is no recurrence"),
        ("2Decades", "five fields"),
        ("0Days", "counts periods from 1 to 366"),
        ("Day Monday", "takes nothing after the days"),
        ("Week Mnday", "did you mean Monday?"),
        ("Month Secnd Tuesday", "did you mean Second?"),
        ("Month Second", "in no known form"),
        ("Month day0", "a day that is in no month"),
        ("Month day32", "a day that is in no month"),
        ("Month Second Tuesday Offset91", "more than 90 days away"),
        ("patch_tuesday + 20 weeks", "more than 90 days away"),
        ("FREQ=FORTNIGHTLY", "has no FREQ that can be used; known are: DAILY"),
        ("FREQ=MONTHLY;BYWEEKNO=3", "BYWEEKNO, which is not supported"),
        ("FREQ=MONTHLY;BYDAYS=TU", "did you mean BYDAY?"),
        ("FREQ=WEEKLY;BYDAY=2TU", "MONTHLY and YEARLY only"),
        ("FREQ=WEEKLY;BYMONTHDAY=2", "does not go with WEEKLY"),
        ("FREQ=HOURLY;BYDAY=TU", "does not go with HOURLY"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20300101", "has COUNT and UNTIL"),
        ("FREQ=DAILY;INTERVAL=0", "a number from 1 to 10,000"),
        ("FREQ=DAILY;UNTIL=20300230", "no date that can be read"),
        ("FREQ=DAILY;BYMINUTE=5", "BYMINUTE without BYHOUR"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1;BYHOUR=1,2", "BYSETPOS and several times"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,32", "a number in BYMONTHDAY that cannot stand there"),
        ("FREQ=DAILY;FREQ=DAILY", "must have FREQ once"),
        ("0 25 * * *", "has no hour that can be read; it goes from 0 to 23"),
        ("60 1 * * *", "has no minute"),
        ("0 1 0 * *", "has no day of the month"),
        ("0 1 * 13 *", "has no month"),
        ("0 1 * * 8", "has no day of the week"),
        ("0 1 * * MON#6", "has no day of the week"),
        ("0 1 20-10 * *", "ends before it begins"),
        ("0 1 * *", "five fields"),
        ("0 1 * * and MON", "`and` where one of the days is *"),
        ("@reboot", "five fields"),
    ],
)
def test_what_cannot_be_read_is_told_with_what_to_write(text: str, said: str) -> None:
    (problem,) = problems_of(lambda: parse_recurrence(text))
    assert said in problem.message
    assert problem.field == "recurrence"


@given(st.text(max_size=60) | st.from_regex(r"(Month|FREQ=|\*|patch_tuesday).{0,40}"))
@unhurried
def test_any_text_is_read_or_refused(text: str) -> None:
    found: list[Recurrence] = []
    problems = problems_of(lambda: found.append(parse_recurrence(text)))
    assert bool(problems) != bool(found)
    for rule in found:
        times: Iterator[datetime] = rule.local(datetime(2026, 1, 1))
        near = list(islice(times, 5))
        assert near == sorted(set(near))


def test_what_never_comes_ends() -> None:
    assert (
        list(parse_recurrence("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30").local(datetime(2026, 1, 1)))
        == []
    )
    *_, last = parse_recurrence("FREQ=YEARLY").local(datetime(2026, 1, 1))
    assert last.year == LAST_YEAR


def test_the_last_instant_of_a_rule_in_utc_is_kept() -> None:
    rule = parse_recurrence("FREQ=DAILY;UNTIL=20260105T120000Z")
    assert rule.last_instant == datetime(2026, 1, 5, 12, tzinfo=UTC)
    assert parse_recurrence("FREQ=DAILY;UNTIL=20260105").until == datetime(2026, 1, 5, 23, 59, 59)
