"""Maintenance windows: one recurrence in one zone, materialised as instants with unique keys.

A local time becomes the first instant at which the wall clock reads that time or later. So what
falls into the gap when clocks go forward begins at the first valid instant, and what comes twice
when they go back means its first occurrence. Length is elapsed time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from heapq import merge
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

from patchyard.domain.durations import beginning, ending
from patchyard.domain.freezes import Freeze, frozen_times
from patchyard.domain.recurrence import Recurrence
from patchyard.domain.zones import SLACK, first_instant, how_read, zone_of


class State(StrEnum):
    """Whether anything may run in a window."""

    OPEN = "open"
    FROZEN = "frozen"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Window:
    """One window: `[start, end)` in UTC. `occurrence` is the local time that the rule gave it.

    `key` stays the same when a window is postponed or its time of day is changed, so that none
    fires twice. `note` says what a change of clocks or a person did to it.
    """

    configuration: str
    zone: str
    occurrence: datetime
    start: datetime
    end: datetime
    key: str
    state: State = State.OPEN
    reason: str = ""
    note: str = ""

    @property
    def length(self) -> timedelta:
        """How long it is, in elapsed time."""
        return self.end - self.start

    @property
    def local_start(self) -> datetime:
        """When it begins, on the wall clock of its zone."""
        return self.start.astimezone(zone_of(self.zone))

    def holds(self, at: datetime) -> bool:
        """Say whether something may run at an instant, as far as this window goes."""
        return self.state == State.OPEN and self.start <= at < self.end

    def left(self, now: datetime) -> timedelta:
        """Return how much of it is left; nothing outside of it."""
        return self.end - now if self.holds(now) else timedelta(0)

    def overlaps(self, other: Window) -> bool:
        """Say whether the two have an instant in common."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Change:
    """What a person decided about one occurrence: skip it, or (with `to`) begin it then."""

    on: date | datetime
    to: datetime | None = None
    reason: str = ""

    def means(self, occurrence: datetime) -> bool:
        """Say whether this is about an occurrence. A day means all of its occurrences."""
        moment = self.on
        return occurrence == moment if isinstance(moment, datetime) else occurrence.date() == moment


@dataclass(frozen=True, slots=True)
class Timetable:
    """All that decides when one configuration's windows are, in one zone after another.

    `start` and `expires` are local: windows begin at or after the one and before the other.
    """

    configuration: str
    recurrence: Recurrence
    start: datetime
    length: timedelta
    expires: date | datetime | None = None
    changes: tuple[Change, ...] = ()
    several_zones: bool = False

    def occurrences(self, since: datetime | None = None) -> Iterator[datetime]:
        """Return the local times of the windows in order."""
        times = self.recurrence.local(self.start, since)
        if self.expires is None:
            return times
        end = ending(self.expires)
        return takewhile(lambda at: at < end, times)

    def key(self, occurrence: datetime, zone: str) -> str:
        """Return the unique key of an occurrence: configuration, local date, and more if needed."""
        when = (
            f"{occurrence:%Y-%m-%dT%H:%M}"
            if self.recurrence.several_a_day
            else (f"{occurrence:%Y-%m-%d}")
        )
        where = f"[{zone}]" if self.several_zones else ""
        return f"{self.configuration}@{when}{where}"


@dataclass(slots=True)
class _Maker:
    """Makes the windows of a timetable in one zone."""

    table: Timetable
    zone: str
    info: ZoneInfo = field(init=False)

    def __post_init__(self) -> None:
        self.info = zone_of(self.zone)

    def window(self, occurrence: datetime) -> Window:
        """Make the window of an occurrence that nobody changed."""
        start = first_instant(occurrence, self.info)
        return Window(
            configuration=self.table.configuration,
            zone=self.zone,
            occurrence=occurrence,
            start=start,
            end=start + self.table.length,
            key=self.table.key(occurrence, self.zone),
            note=how_read(occurrence, self.info),
        )

    def changed(self, occurrence: datetime, change: Change) -> Window:
        """Make the window of an occurrence about which a person decided."""
        window = self.window(occurrence)
        if change.to is None:
            reason = f"skipped{f': {change.reason}' if change.reason else ''}"
            return replace(window, state=State.SKIPPED, reason=reason)
        start = first_instant(change.to, self.info)
        why = f", {change.reason}" if change.reason else ""
        note = f"postponed from {occurrence:%Y-%m-%d %H:%M}{why}"
        return replace(window, start=start, end=start + self.table.length, note=note)

    def regular(self, since: datetime) -> Iterator[Window]:
        """Return the windows that nobody postponed, from about `since` on."""
        begin = since.astimezone(UTC).replace(tzinfo=None) - SLACK - self.table.length
        last = self.table.recurrence.last_instant
        for occurrence in self.table.occurrences(begin):
            change = self._change(occurrence)
            if change is not None and change.to is not None:
                continue
            window = self.changed(occurrence, change) if change else self.window(occurrence)
            if last is not None and window.start > last:
                return
            yield window

    def postponed(self) -> list[Window]:
        """Return the windows that a person postponed, by their new start."""
        found = []
        for change in self.table.changes:
            if change.to is not None:
                found += [self.changed(at, change) for at in meant(self.table, change)]
        return sorted(found, key=lambda window: window.start)

    def _change(self, occurrence: datetime) -> Change | None:
        return next((c for c in self.table.changes if c.means(occurrence)), None)


def meant(table: Timetable, change: Change) -> list[datetime]:
    """Return the occurrences that a change is about; none where it names none."""
    begin = beginning(change.on)
    times = table.occurrences(begin)
    return [at for at in takewhile(lambda at: at <= ending(change.on), times) if change.means(at)]


def windows(
    table: Timetable, zone: str, since: datetime, freezes: Sequence[Freeze] = ()
) -> Iterator[Window]:
    """Return the windows that end after `since`, in the order in which they begin.

    Those that nothing may run in are among them, with the reason. Where several occurrences
    would begin at the same instant, for a zone has left out hours or a day, the last one is
    meant: its local time is the one that the clock then shows.
    """
    maker = _Maker(table, zone)
    regular = _without_doubles(maker.regular(since))
    both = merge(regular, maker.postponed(), key=lambda window: window.start)
    return (frozen(window, freezes) for window in both if window.end > since)


def _without_doubles(found: Iterable[Window]) -> Iterator[Window]:
    last: Window | None = None
    for window in found:
        if last is not None and last.start != window.start:
            yield last
        last = window
    if last is not None:
        yield last


def frozen(window: Window, freezes: Iterable[Freeze]) -> Window:
    """Close a window of which any instant is frozen: it is never cut short without a word."""
    if window.state != State.OPEN:
        return window
    found = frozen_times(freezes, window.zone, window.start, window.end)
    names = ", ".join(dict.fromkeys(interval.name for interval in found))
    return replace(window, state=State.FROZEN, reason=names) if found else window


def closest(table: Timetable, number: int) -> timedelta | None:
    """Return the shortest time between two of the first so many starts; None for fewer than two."""
    times = [at for _, at in zip(range(number), table.occurrences(), strict=False)]
    return min((later - earlier for earlier, later in pairwise(times)), default=None)
