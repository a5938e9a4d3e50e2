"""Reaching: whether a run will get to a machine, by the last looks at it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import takewhile

from patchyard.domain.inventory import Machine
from patchyard.domain.looks import LastLook, starts
from patchyard.domain.preview import Case
from patchyard.domain.watch import GONE, Sighting, by_machine
from patchyard.domain.ways import InTheWay, Reason, Sight, moment


def last_looks(
    sightings: Iterable[Sighting], found_off: Mapping[str, datetime]
) -> dict[str, LastLook]:
    """Return the last looks of machines that were not seen at them, by name.

    Args:
        sightings: the looks that are remembered.
        found_off: when machines were last left out because they were off, by name.
    """
    looks = by_machine(sightings)
    found = {
        name: _last(looks.get(name, ()), found_off.get(name))
        for name in looks.keys() | found_off.keys()
    }
    return {name: look for name, look in found.items() if look is not None}


def _last(looks: Sequence[Sighting], off_at: datetime | None) -> LastLook | None:
    failed = list(takewhile(lambda each: each.fault, looks))
    seen_at = looks[len(failed)].at if len(failed) < len(looks) else None
    if off_at is not None and (not looks or off_at > looks[0].at):
        return LastLook(off_at=off_at, seen_at=seen_at)
    if not failed:
        return None
    return LastLook(
        fault=failed[0].fault, detail=failed[0].detail, since=failed[-1].at, seen_at=seen_at
    )


def reach(machine: Machine, case: Case, sight: Sight) -> Iterator[Reason]:
    """Tell what may keep a run from a machine. Who was seen at the last look has nothing."""
    look = case.looks.get(machine.name, LastLook())
    if look.off_at is not None:
        yield _off(machine, look.off_at, old=case.now - look.off_at > sight.stale_after)
    elif look.since is not None:
        yield _failed(look, look.since)
    if run := case.held.get(machine.name):
        told = f"{run} has it and is silent; others leave it alone until that is resumed"
        yield Reason(word=InTheWay.RUN_HAS_IT, detail=told)


def _off(machine: Machine, at: datetime, *, old: bool) -> Reason:
    """Tell of a machine that was off. Whether it still is, is unknown; after long, wholly."""
    told = f"it was off at {moment(at)}"
    if starts(machine):
        return Reason(word=InTheWay.TO_START, detail=f"{told}; a run starts it, and puts it back")
    if old or machine.power is None:
        return Reason(word=InTheWay.UNREACHABLE, detail=f"{told}, and whether it is now is unknown")
    return Reason(
        word=InTheWay.OFF, detail=f"{told}, and its policy leaves it out while it is (when_off)"
    )


def _failed(look: LastLook, since: datetime) -> Reason:
    """Tell of looks that failed, since when, and why the last one did."""
    seen = f"last seen {moment(look.seen_at)}" if look.seen_at else "never seen, as far as is known"
    return Reason(
        word=InTheWay.UNREACHABLE if look.fault in GONE else InTheWay.LOOK_FAILED,
        detail=f"since {moment(since)}, {seen}: {look.detail}",
    )
