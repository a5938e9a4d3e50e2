"""Recurrence: when something comes again, as local dates and times in their order.

This is the one form into which all ways of writing it are read (`recurrence_text`). Local times
have no zone here: `maintenance_windows` makes instants of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from itertools import count, islice, takewhile

from patchyard.domain.durations import LAST_YEAR

WEEK = 7


class Unit(Enum):
    """The periods whose days are looked at together."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Weekday:
    """A day of the week, Monday being 0; with `nth`, the nth or (below 0) the nth last one."""

    day: int
    nth: int | None = None


@dataclass(frozen=True, slots=True)
class Days:
    """Which days: of every so-manieth period those that fit all that is given, `offset` days on.

    Empty is no condition. `month_days` and `positions` below 0 count from the end. A `Weekday`
    with a number counts within the month, and within the year where the period is a year and no
    months are given. Periods count from the one that holds the start.
    """

    unit: Unit
    every: int = 1
    months: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    weekdays: frozenset[Weekday] = frozenset()
    positions: frozenset[int] = frozenset()
    week_start: int = 0
    offset: int = 0

    def since(self, first: date, anchor: date) -> Iterator[date]:
        """Return the days from `first` on, in order; `anchor` is the day of the start."""
        base = first - timedelta(days=self.offset)
        for index in self._periods(base, anchor):
            days = _of_period(self.unit, index, self.week_start)
            fitting = [day for day in days if self._fits(day)]
            for day in self._chosen(fitting):
                moved = day + timedelta(days=self.offset)
                if moved >= first:
                    yield moved

    def _periods(self, base: date, anchor: date) -> Iterator[int]:
        """Return the numbers of the periods that count, from the one that holds `base` on."""
        begin = _index(self.unit, base, self.week_start)
        phase = (_index(self.unit, anchor, self.week_start) - begin) % self.every
        end = _index(self.unit, date(LAST_YEAR, 12, 31), self.week_start)
        return iter(range(begin + phase, end + 1, self.every))

    def _fits(self, day: date) -> bool:
        if self.months and day.month not in self.months:
            return False
        if self.month_days and self.month_days.isdisjoint(_month_days(day)):
            return False
        return not self.weekdays or any(self._is(day, weekday) for weekday in self.weekdays)

    def _is(self, day: date, weekday: Weekday) -> bool:
        if day.weekday() != weekday.day:
            return False
        if weekday.nth is None:
            return True
        whole_year = self.unit == Unit.YEAR and not self.months
        passed, left = _within_year(day) if whole_year else _within_month(day)
        return weekday.nth in {passed // WEEK + 1, -(left // WEEK + 1)}

    def _chosen(self, days: list[date]) -> list[date]:
        if not self.positions:
            return days
        places = {place - 1 if place > 0 else len(days) + place for place in self.positions}
        return [day for place, day in enumerate(days) if place in places]


def _index(unit: Unit, day: date, week_start: int) -> int:
    """Return the number of the period that holds a day."""
    match unit:
        case Unit.DAY:
            return day.toordinal()
        case Unit.WEEK:
            return (day.toordinal() - 1 - week_start) // WEEK
        case Unit.MONTH:
            return day.year * 12 + day.month - 1
        case Unit.YEAR:
            return day.year


def _of_period(unit: Unit, index: int, week_start: int) -> Iterable[date]:
    """Return the days of a period."""
    match unit:
        case Unit.DAY:
            begin = end = index
        case Unit.WEEK:
            begin = index * WEEK + 1 + week_start
            end = begin + WEEK - 1
        case Unit.MONTH:
            begin, end = _first_of_month(index), _first_of_month(index + 1) - 1
        case Unit.YEAR:
            begin, end = date(index, 1, 1).toordinal(), date(index, 12, 31).toordinal()
    return (date.fromordinal(number) for number in range(begin, end + 1))


def _first_of_month(index: int) -> int:
    return date(index // 12, index % 12 + 1, 1).toordinal()


def _month_days(day: date) -> set[int]:
    return {day.day, -_within_month(day)[1] - 1}


def _within_month(day: date) -> tuple[int, int]:
    """Return how many days of the month come before and after a day."""
    last = _first_of_month(day.year * 12 + day.month) - 1
    return day.day - 1, last - day.toordinal()


def _within_year(day: date) -> tuple[int, int]:
    number = day.toordinal()
    return number - date(day.year, 1, 1).toordinal(), date(day.year, 12, 31).toordinal() - number


@dataclass(frozen=True, slots=True)
class Hours:
    """Every so many hours of the wall clock, from the start on."""

    every: int

    def since(self, first: datetime, anchor: datetime) -> Iterator[datetime]:
        """Return the times from `first` on, in order, none before the start."""
        step = timedelta(hours=self.every)
        begin = max(0, -((anchor - first) // step))
        times = (anchor + number * step for number in count(begin))
        return takewhile(lambda at: at.year <= LAST_YEAR, times)


@dataclass(frozen=True, slots=True)
class Recurrence:
    """When something comes again. Without `times` it is the start's time of day.

    It ends after `count` times, or with `until`: the last local time that may come, or the last
    instant where it has a zone. `note` tells a person how it was understood.
    """

    rule: Days | Hours
    times: tuple[time, ...] = ()
    count: int | None = None
    until: datetime | None = None
    note: str = ""

    @property
    def several_a_day(self) -> bool:
        """True where more than one may come on one local date."""
        return isinstance(self.rule, Hours) or len(self.times) > 1

    @property
    def last_instant(self) -> datetime | None:
        """The instant after which nothing comes; None where there is none or it is local."""
        aware = self.until is not None and self.until.tzinfo is not None
        return self.until.astimezone(UTC) if aware and self.until else None

    def local(self, start: datetime, since: datetime | None = None) -> Iterator[datetime]:
        """Return the local times in order: those at or after the start, and at or after `since`.

        The first is the first that fits at or after the start, not the start itself.
        """
        begin = start if since is None or self.count is not None else max(start, since)
        times = self._ended(self._from(begin, start))
        return (at for at in times if since is None or at >= since)

    def _from(self, begin: datetime, start: datetime) -> Iterator[datetime]:
        rule = bound(self.rule, start.date())
        if isinstance(rule, Hours):
            yield from rule.since(begin, start)
            return
        times = sorted(self.times) or [start.time()]
        for day in rule.since(begin.date(), start.date()):
            moments = (datetime.combine(day, at) for at in times)
            yield from (moment for moment in moments if moment >= begin)

    def _ended(self, times: Iterator[datetime]) -> Iterator[datetime]:
        until = self.until
        if until is not None and until.tzinfo is None:
            times = takewhile(lambda at: at <= until, times)
        return times if self.count is None else islice(times, self.count)


def bound(rule: Days | Hours, start: date) -> Days | Hours:
    """Fill in what a rule leaves to the start: its weekday, its day of the month, its day."""
    if isinstance(rule, Hours) or rule.weekdays or rule.month_days or rule.unit == Unit.DAY:
        return rule
    if rule.unit == Unit.WEEK:
        return replace(rule, weekdays=frozenset({Weekday(start.weekday())}))
    if rule.unit == Unit.YEAR and not rule.months:
        rule = replace(rule, months=frozenset({start.month}))
    return replace(rule, month_days=frozenset({start.day}))
