"""Proving: from when on a ring may install a fix, by the windows and machines of the ring before.

It is a forecast: that the ring before runs the fix well is what it hopes for, and says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from patchyard.domain.durations import write_duration
from patchyard.domain.maintenance import MaintenanceConfiguration
from patchyard.domain.maintenance_windows import State, Window
from patchyard.domain.preview import Case, Lane
from patchyard.domain.rings import Proof, Ring
from patchyard.domain.selection import select
from patchyard.domain.updates import Update
from patchyard.domain.ways import Bound, Sight, moment

_UNSEEN = ("", "")
"""Stands for whatever a machine has that was never seen."""


@dataclass(frozen=True)
class Rings:
    """The rings of an inventory, and what each of them has proven by now."""

    case: Case
    sight: Sight
    _gets: dict[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    _bounds: dict[tuple[str, str, str], Bound | None] = field(default_factory=dict)

    @cached_property
    def _lanes(self) -> Mapping[str, tuple[Lane, ...]]:
        names = {lane.configuration.name for lane in self.case.lanes}
        return {
            name: tuple(lane for lane in self.case.lanes if lane.configuration.name == name)
            for name in names
        }

    def bound(self, configuration: MaintenanceConfiguration, update: Update) -> Bound | None:
        """Return what a configuration's ring waits for before it installs a fix, if anything."""
        if configuration.ring is None:
            return None
        of = (configuration.name, *_pair(update))
        if of not in self._bounds:
            self._bounds[of] = self._bound(configuration, configuration.ring, update)
        return self._bounds[of]

    def _bound(
        self, configuration: MaintenanceConfiguration, ring: Ring, update: Update
    ) -> Bound | None:
        proof, wanted = self.case.proofs.get(configuration.name, Proof()), _pair(update)
        if proof.good and proof.releases(*wanted):
            return None
        if ring.otherwise == "ask" and proof.releases(*wanted):
            return Bound(f"{proof.told}; a person is asked", self.case.now)
        if proof.since and proof.soaks(*wanted) and proof.since + ring.soak > self.case.now:
            return _soaks(ring, proof.since)
        return self._first(ring, update, proof)

    def _first(self, ring: Ring, update: Update, proof: Proof) -> Bound:
        """Return the wait for a fix that the ring before has to get first."""
        if not self._lanes.get(ring.after):
            return Bound(f"only if the machines of {ring.after} run it well by then")
        if not self._may_get(ring.after, update):
            return Bound(f"no machine of {ring.after} gets it, so it is never proven", never=True)
        return self._next(ring, update, proof)

    def _may_get(self, name: str, update: Update) -> bool:
        """Say whether any machine of a configuration has a fix, or may get it."""
        if name not in self._gets:
            lanes = self._lanes[name]
            self._gets[name] = frozenset(pair for lane in lanes for pair in self._of_lane(lane))
        return not self._gets[name].isdisjoint({_pair(update), _UNSEEN})

    def _of_lane(self, lane: Lane) -> Iterator[tuple[str, str]]:
        """Return what the machines of a lane have or are to get, as far as they were seen."""
        for machine in lane.machines:
            seen = self.case.assessments.get(machine.name)
            if seen is None:
                yield _UNSEEN
                continue
            taken, _ = select(seen, lane.configuration.selection(machine.os_family))
            yield from ((each.key, each.to_version) for each in taken)
            yield from seen.packages.items()

    def _next(self, ring: Ring, update: Update, proof: Proof) -> Bound:
        """Return what the next window of the ring before comes to, which may wait itself."""
        lanes = self._lanes[ring.after]
        before = self.bound(lanes[0].configuration, update)
        if before is not None and before.never:
            return Bound(f"{ring.after} never gets it: {before.told}", never=True)
        found = min(self._windows(lanes, before), key=lambda window: window.end, default=None)
        if found is None:
            far = write_duration(self.sight.ahead)
            told = f"{ring.after}, which must prove it, has no window for it within {far}"
            return Bound(told, never=True)
        # Where an earlier release is there, a person is not asked for a newer one before its time.
        asks = ring.otherwise == "ask" and not proof.release
        return Bound(
            _told(ring, found, proof, asks=asks), found.end if asks else found.end + ring.soak
        )

    def _windows(self, lanes: Iterable[Lane], before: Bound | None) -> Iterator[Window]:
        """Return the windows of the ring before that no run has and that are not too early."""
        for lane in lanes:
            for window in self.case.within(lane, self.sight.ahead):
                taken = window.key in self.sight.taken
                early = before is not None and not before.lets(window, self.case.now)
                if window.state == State.OPEN and lane.machines and not (taken or early):
                    yield window
                    break


def _pair(update: Update) -> tuple[str, str]:
    return update.key, update.candidate


def _soaks(ring: Ring, since: datetime) -> Bound:
    """Return the wait for a fix that the ring before has already."""
    until = since + ring.soak
    told = f"{ring.after} has it since {moment(since)}, and must run it well until {moment(until)}"
    return Bound(told, until)


def _told(ring: Ring, window: Window, proof: Proof, *, asks: bool) -> str:
    bad = f" ({proof.told})" if proof.bad else ""
    first = f"{ring.after} must run it well first{bad}: its window {window.key} ends"
    soaked = f"{write_duration(ring.soak)} of soak later it is {moment(window.end + ring.soak)}"
    asked = ", and until then a person is asked" if asks else ""
    return f"{first} {moment(window.end)}; {soaked}{asked}"
