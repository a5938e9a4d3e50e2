"""Freezes: when nothing may run. They are written by hand, or come from a calendar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile

from patchyard.domain.durations import beginning, ending
from patchyard.domain.recurrence import Recurrence
from patchyard.domain.zones import SLACK, first_instant, zone_of


@dataclass(frozen=True, slots=True)
class Frozen:
    """An interval `[start, end)` in UTC in which nothing may run, and what it is called."""

    start: datetime
    end: datetime
    name: str


@dataclass(frozen=True, slots=True)
class Freeze:
    """A time in which nothing may run, once or again and again.

    `start` is local; without a `zone` it is in the zone of whoever asks, as a holiday is. A
    freeze ends `length` later by the wall clock or in elapsed time, whichever is later.
    """

    name: str
    start: datetime
    length: timedelta
    zone: str = ""
    recurrence: Recurrence | None = None
    left_out: frozenset[datetime] = frozenset()
    also: tuple[datetime, ...] = ()

    @classmethod
    def between(
        cls, name: str, start: date | datetime, end: date | datetime, zone: str = ""
    ) -> Freeze:
        """Make a freeze of two local times; a day as the end is frozen whole."""
        begin = beginning(start)
        return cls(name, begin, ending(end) - begin, zone)

    def within(self, zone: str, since: datetime, until: datetime) -> Iterator[Frozen]:
        """Return the intervals that have something in common with `[since, until)`."""
        begin = since.astimezone(UTC).replace(tzinfo=None) - SLACK - self.length
        end = until.astimezone(UTC).replace(tzinfo=None) + SLACK
        for local in self._starts(begin, end):
            found = self._interval(local, self.zone or zone)
            if found.start < until and since < found.end and not self._ended(found.start):
                yield found

    def _starts(self, begin: datetime, end: datetime) -> list[datetime]:
        found = {self.start, *self.also}
        if self.recurrence is not None:
            found |= set(takewhile(lambda at: at < end, self.recurrence.local(self.start, begin)))
        return sorted(at for at in found if begin <= at < end and at not in self.left_out)

    def _ended(self, start: datetime) -> bool:
        last = self.recurrence.last_instant if self.recurrence else None
        return last is not None and start > last

    def _interval(self, local: datetime, zone: str) -> Frozen:
        info = zone_of(zone)
        start = first_instant(local, info)
        end = max(first_instant(local + self.length, info), start + self.length)
        return Frozen(start, end, self.name)


def frozen_times(
    freezes: Iterable[Freeze], zone: str, since: datetime, until: datetime
) -> tuple[Frozen, ...]:
    """Return all frozen intervals of a time, in the order in which they begin."""
    found = (interval for freeze in freezes for interval in freeze.within(zone, since, until))
    return tuple(sorted(found, key=lambda interval: (interval.start, interval.end)))
