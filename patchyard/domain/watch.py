"""Drift watch: where a fleet has moved away from what its inventory and its configurations say.

A finding is no error: it is what a person should know before the next window.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise, takewhile

from patchyard.domain.conflicts import overlaps
from patchyard.domain.counting import names
from patchyard.domain.inventory import Inventory
from patchyard.domain.maintenance import ScopeKind
from patchyard.domain.preview import Case
from patchyard.domain.updates import Assessment
from patchyard.domain.value import Known, Value

GONE = frozenset({"unreachable", "timed_out"})
"""Faults of a machine that does not answer. One that refuses a log-in is there."""

REJECTED = "host_key_rejected"
"""The fault of a machine that shows another host key than the known one."""


class Kind(StrEnum):
    """What kind of thing was found."""

    OVERLAP = "overlap"
    NO_SCOPE = "no_scope"
    RIVAL = "rival"
    VANISHED = "vanished"
    RECREATED = "recreated"
    TWIN = "twin"
    UNREADABLE = "unreadable"


class Finding(Value):
    """One thing that a person should know: what kind, in words, and which machines."""

    kind: Kind
    text: str
    machines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sighting:
    """One attempt to look at a machine. Without a fault it was seen.

    `machine_id` is what its operating system calls this installation, `host_key` the kind and
    fingerprint of the SSH key that it showed; empty where it has none or did not tell.
    """

    machine: str
    at: datetime
    fault: str = ""
    detail: str = ""
    machine_id: str = ""
    host_key: str = ""


@dataclass(frozen=True)
class Watched:
    """All that is looked through. Sightings are newest first; without a case, windows are not.

    `unreachable` is after how many attempts without an answer a machine counts as vanished,
    `ahead` how far windows are looked at, `recent` how long a change of identity is told.
    """

    inventory: Inventory
    now: datetime
    sightings: Mapping[str, Sequence[Sighting]] = field(default_factory=dict)
    assessments: Mapping[str, Assessment] = field(default_factory=dict)
    case: Case | None = None
    unreachable: int = 3
    ahead: timedelta = timedelta(days=90)
    recent: timedelta = timedelta(days=30)

    def of_inventory(self) -> Iterator[tuple[str, Sequence[Sighting]]]:
        """Return the sightings of the machines that the inventory has."""
        for machine in self.inventory.machines:
            yield machine.name, self.sightings.get(machine.name, ())


def watch(watched: Watched) -> tuple[Finding, ...]:
    """Return what has moved, by kind."""
    found = (
        *_of_windows(watched),
        *_rivals(watched),
        *_vanished(watched),
        *_recreated(watched),
        *_twins(watched),
    )
    order = list(Kind)
    return tuple(sorted(found, key=lambda each: order.index(each.kind)))


def _of_windows(watched: Watched) -> Iterator[Finding]:
    case = watched.case
    if case is None:
        return
    for conflict in overlaps(case, watched.ahead):
        yield Finding(kind=Kind.OVERLAP, text=conflict.text)
    guests = (lane for lane in case.lanes if lane.configuration.kind == ScopeKind.GUEST)
    covered = frozenset[str]().union(*(lane.names for lane in guests))
    every = [machine.name for machine in watched.inventory.machines]
    if left := tuple(name for name in every if name not in covered):
        text = f"in the scope of no maintenance configuration: {names(left)}"
        yield Finding(kind=Kind.NO_SCOPE, text=text, machines=left)


def _rivals(watched: Watched) -> Iterator[Finding]:
    """Tell what else installs updates, by its name. What may be on is told as such."""
    on: dict[tuple[str, Known], list[str]] = defaultdict(list)
    for machine in watched.inventory.machines:
        seen = watched.assessments.get(machine.name)
        for rival in seen.rivals if seen else ():
            if rival.active != Known.NO:
                on[rival.name, rival.active].append(machine.name)
    for (rival_name, active), machines in sorted(on.items()):
        does = "installs" if active == Known.YES else "may install"
        text = f"{rival_name} {does} updates by itself on {names(machines)}"
        yield Finding(kind=Kind.RIVAL, text=text, machines=tuple(machines))


def _vanished(watched: Watched) -> Iterator[Finding]:
    for name, sightings in watched.of_inventory():
        silent = list(takewhile(lambda each: each.fault in GONE, sightings))
        if len(silent) < watched.unreachable:
            continue
        before = next((each for each in sightings[len(silent) :] if not each.fault), None)
        last = f"last seen {_moment(before.at)}" if before else "it was not seen before that"
        text = (
            f"{name} did not answer to {len(silent)} assessments in a row, "
            f"the first of them {_moment(silent[-1].at)}; {last}"
        )
        yield Finding(kind=Kind.VANISHED, text=text, machines=(name,))


def _recreated(watched: Watched) -> Iterator[Finding]:
    since = watched.now - watched.recent
    for name, sightings in watched.of_inventory():
        for said in (_rejected(sightings), _another(sightings, since)):
            if said:
                yield Finding(kind=Kind.RECREATED, text=f"{name} {said}", machines=(name,))


def _rejected(sightings: Sequence[Sighting]) -> str:
    """Tell a machine that was let in before and now shows a host key that is not the known one."""
    if not sightings or sightings[0].fault != REJECTED:
        return ""
    before = next((each for each in sightings if not each.fault), None)
    if before is None:
        return ""
    return f"is not known any more, last seen {_moment(before.at)}: {sightings[0].detail}"


def _another(sightings: Sequence[Sighting], since: datetime) -> str:
    """Tell the last change of what a machine is, where that is not long ago."""
    seen = [each for each in sightings if not each.fault]
    for after, before in pairwise(seen):
        if after.at < since:
            break
        if changed := _changed(before, after):
            return (
                f"has another {' and another '.join(changed)} since {_moment(after.at)} "
                f"(before that seen {_moment(before.at)})"
            )
    return ""


def _changed(before: Sighting, after: Sighting) -> list[str]:
    """Name what differs. What one of both did not tell is unknown, and no difference."""
    found = []
    if before.machine_id and after.machine_id and before.machine_id != after.machine_id:
        found.append("machine-id")
    if _key_differs(before.host_key, after.host_key):
        found.append("host key")
    return found


def _key_differs(before: str, after: str) -> bool:
    """Say whether two keys of one kind differ: a machine has one of each kind."""
    if not before or not after or before.partition(" ")[0] != after.partition(" ")[0]:
        return False
    return before != after


def _twins(watched: Watched) -> Iterator[Finding]:
    """Tell machines that say that they are one: copies of each other, or one listed twice."""
    of: dict[str, list[str]] = defaultdict(list)
    for name, sightings in watched.of_inventory():
        last = next((each.machine_id for each in sightings if each.machine_id), "")
        if last:
            of[last].append(name)
    for machines in of.values():
        if len(machines) > 1:
            text = f"{names(machines)} have one machine-id: copies, or one machine listed twice"
            yield Finding(kind=Kind.TWIN, text=text, machines=tuple(machines))


def by_machine(sightings: Iterable[Sighting]) -> dict[str, list[Sighting]]:
    """Sort sightings by machine, the newest of each first."""
    found: dict[str, list[Sighting]] = defaultdict(list)
    for each in sorted(sightings, key=lambda one: one.at, reverse=True):
        found[each.machine].append(each)
    return dict(found)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
