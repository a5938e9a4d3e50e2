"""Forecast: when each open security fix will be installed on each machine, and what is in the way.

It is the why-not ledger over time: what is left out by every configuration has its reason, and what
is taken has its window, and all that lies between it and now. What was not seen is unknown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from patchyard.domain.advisories import advisories_of, cves_of
from patchyard.domain.inventory import Machine
from patchyard.domain.maintenance import ScopeKind
from patchyard.domain.maintenance_windows import Window
from patchyard.domain.preview import Case
from patchyard.domain.proving import Rings
from patchyard.domain.reaching import reach
from patchyard.domain.selection import SECURITY, select
from patchyard.domain.updates import Assessment, Classification, Update
from patchyard.domain.value import Known, Value
from patchyard.domain.ways import InTheWay, Reason, Road, Sight, Way, few


class Outlook(StrEnum):
    """What will become of a fix."""

    SCHEDULED = "scheduled"
    WAITS = "waits"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


class Forecast(Value):
    """What will become of one open fix on one machine.

    A row without an `update` stands for what the machine may lack unseen. `at` is the start of the
    window that takes it; of what is unknown, the earliest there is. `cves` and `advisories` are
    None where nobody tells them.
    """

    machine: str
    update: str = ""
    architecture: str = ""
    installed: str = ""
    candidate: str = ""
    title: str = ""
    classification: Classification | None = None
    severity: str = ""
    advisories: tuple[str, ...] | None = None
    cves: tuple[str, ...] | None = None
    outlook: Outlook
    at: datetime | None = None
    window: str = ""
    in_the_way: tuple[Reason, ...] = ()
    seen_at: datetime | None = None


def forecast(case: Case, sight: Sight) -> Iterator[Forecast]:
    """Tell each machine's open fixes, in the order of the inventory. A machine without has none.

    A machine that was never seen, not lately, or not wholly has one row more, for what it may lack.
    """
    roads: dict[str, list[Road]] = defaultdict(list)
    rings = Rings(case, sight)
    for lane in case.lanes:
        if lane.configuration.kind == ScopeKind.GUEST:
            road = Road(case, lane, sight)
            for name in lane.names:
                roads[name].append(road)
    for machine in case.inventory.machines:
        yield from _Outlooks(case, sight, machine, roads[machine.name], rings).rows()


@dataclass(frozen=True)
class _Outlooks:
    """The rows of one machine."""

    case: Case
    sight: Sight
    machine: Machine
    roads: list[Road]
    rings: Rings

    @cached_property
    def seen(self) -> Assessment | None:
        return self.case.assessments.get(self.machine.name)

    @cached_property
    def ways(self) -> list[Way]:
        return [road.way(self.machine) for road in self.roads]

    @cached_property
    def reach(self) -> tuple[Reason, ...]:
        return tuple(reach(self.machine, self.case, self.sight))

    def rows(self) -> Iterator[Forecast]:
        unseen = tuple(self._unseen())
        if unseen:
            yield self._unseen_row(unseen)
        if self.seen is None:
            return
        ledgers = [self._ledger(self.seen, road) for road in self.roads]
        for update in sorted(self.seen.updates, key=lambda each: each.key):
            if _is_open(update):
                yield self._row(self.seen, update, [ledger.get(update.key) for ledger in ledgers])

    def _unseen(self) -> Iterator[Reason]:
        """Tell why what the machine lacks is not, or not wholly, known."""
        seen = self.seen
        if seen is None:
            yield Reason(word=InTheWay.NOT_ASSESSED)
            return
        yield from self._stale(seen)
        if seen.complete != Known.YES:
            yield Reason(word=InTheWay.INCOMPLETE, detail="; ".join(seen.incomplete_because))

    def _stale(self, seen: Assessment) -> Iterator[Reason]:
        if self.case.now - seen.taken_at > self.sight.stale_after:
            yield Reason(word=InTheWay.STALE, detail=f"last seen {seen.taken_at:%Y-%m-%d}")

    def _unseen_row(self, unseen: tuple[Reason, ...]) -> Forecast:
        found = self._first(self.ways)
        before = self._before(self.ways, found) if self.roads else (_stranger(),)
        return Forecast(
            machine=self.machine.name,
            outlook=Outlook.UNKNOWN,
            at=found.start if found else None,
            window=found.key if found else "",
            in_the_way=few((*unseen, *self.reach, *before)),
            seen_at=self.seen.taken_at if self.seen else None,
        )

    def _ledger(self, seen: Assessment, road: Road) -> dict[str, Reason]:
        """Return why a configuration leaves updates out, by their keys."""
        selection = road.lane.configuration.selection(self.machine.os_family)
        _, left = select(seen, selection)
        name = road.lane.configuration.name
        return {
            f"{each.name}:{each.architecture}": Reason(
                word=each.why, detail=f"{name}: {each.detail}" if each.detail else name
            )
            for each in left
        }

    def _row(self, seen: Assessment, update: Update, left: list[Reason | None]) -> Forecast:
        taking = [
            self._bound(way, update)
            for way, reason in zip(self.ways, left, strict=True)
            if reason is None
        ]
        found = self._first(taking)
        way = next((each for each in taking if found and each.window == found), None)
        reasons = [*self._before(taking, found), *(way.after() if way else ())]
        if found is None:
            reasons += [reason for reason in left if reason]
        if not self.roads:
            reasons = [_stranger()]
        in_the_way = few((*self._stale(seen), *self.reach, *reasons))
        return Forecast(
            machine=self.machine.name,
            update=update.name,
            architecture=update.architecture,
            installed=update.installed,
            candidate=update.candidate,
            title=update.title,
            classification=update.classification,
            severity=update.severity,
            advisories=advisories_of(update),
            cves=cves_of(update),
            outlook=_outlook(found, way, in_the_way),
            at=found.start if found else None,
            window=found.key if found else "",
            in_the_way=in_the_way,
            seen_at=seen.taken_at,
        )

    def _bound(self, way: Way, update: Update) -> Way:
        """Return the way of one fix, which the configuration's ring may have to wait for."""
        bound = self.rings.bound(way.road.lane.configuration, update)
        return way if bound is None else way.road.way(self.machine, bound)

    def _first(self, ways: list[Way]) -> Window | None:
        every = [way.window for way in ways if way.window]
        return min(every, key=lambda window: (window.start, window.key), default=None)

    def _before(self, ways: list[Way], found: Window | None) -> tuple[Reason, ...]:
        """Return what stands before a window in time; all that there is where none was found."""
        every = sorted(((at, reason.text, reason) for way in ways for at, reason in way.passed))
        return tuple(reason for at, _, reason in every if found is None or at < found.start)


def _is_open(update: Update) -> bool:
    """True for a security fix that is wanted for itself and is not there."""
    wanted = bool(update.installed) or update.by_itself
    return update.classification in SECURITY and wanted and update.installed != update.candidate


_UNSURE = frozenset({InTheWay.UNREACHABLE, InTheWay.LOOK_FAILED, InTheWay.RUN_HAS_IT})
"""What makes it unknown whether a window comes to its machine, or what it finds there."""


def _outlook(found: Window | None, way: Way | None, reasons: tuple[Reason, ...]) -> Outlook:
    words = {reason.word for reason in reasons}
    if found is not None and InTheWay.OFF in words:
        return Outlook.SKIPPED
    if InTheWay.STALE in words:
        return Outlook.UNKNOWN
    if found is None or way is None:
        return Outlook.BLOCKED
    if way.road.crowded or words & _UNSURE:
        return Outlook.UNKNOWN
    return Outlook.WAITS if way.waits else Outlook.SCHEDULED


def _stranger() -> Reason:
    return Reason(word=InTheWay.NO_CONFIGURATION)
