"""The rollout's state machine: which machines to start, when to wait, when to stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from patchyard.domain.admission import EXCEEDED
from patchyard.domain.census import Census, InOtherRun, Member, Needed, Rollout
from patchyard.domain.limits import Budget, Limits, Share
from patchyard.domain.outcome import Status
from patchyard.domain.vacancies import names, rules_of, startable, why_held

__all__ = [
    "AskApproval",
    "Budget",
    "Done",
    "Fetch",
    "Halt",
    "InOtherRun",
    "Limits",
    "Member",
    "Needed",
    "Rollout",
    "Share",
    "Start",
    "Step",
    "WaitForMachines",
    "WaitForRuns",
    "WaitUntil",
    "next_step",
]


@dataclass(frozen=True, slots=True)
class Start:
    """Start these machines now."""

    machines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Nothing may start before this time."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class WaitForMachines:
    """Nothing may start before a machine at work has come to an end."""

    reason: str


@dataclass(frozen=True, slots=True)
class WaitForRuns:
    """Nothing may start before other runs have brought machines to an end."""

    reason: str


@dataclass(frozen=True, slots=True)
class AskApproval:
    """Nothing may start before a person has said yes to this wave."""

    wave: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """The window has not opened yet. Until then these machines may download what they will get."""

    machines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Halt:
    """Nothing more is started. Machines at work are left whole; the others were not reached."""

    reason: str
    not_reached: tuple[str, ...]
    at_work: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """Every member has come to an end."""


Step = Start | WaitUntil | WaitForMachines | WaitForRuns | AskApproval | Fetch | Halt | Done


def next_step(rollout: Rollout, now: datetime) -> Step:
    """Say what comes next for a rollout."""
    seen = Census.of(rollout)
    if not seen.waiting:
        return _at_the_end(seen)
    stopped = _stopped(rollout, seen) or _closed(seen, now)
    if stopped:
        return _halt(seen, stopped)
    wave = min(member.wave for member in seen.waiting)
    earlier = [member for member in (*seen.at_work, *seen.unknown) if member.wave < wave]
    if earlier and seen.at_work:
        return WaitForMachines(f"wave {wave} waits for {names(earlier)}")
    if earlier:
        return _halt(seen, f"what became of {names(earlier)} is unknown")
    if unproven := _unproven(rollout, wave):
        return _halt(seen, f"{unproven}, so wave {wave} is unproven")
    return _within_wave(rollout, seen, wave, now)


def _within_wave(rollout: Rollout, seen: Census, wave: int, now: datetime) -> Step:
    """Say what comes next where all waves before this one have come to an end."""
    before = _before_wave(rollout, seen, wave, now)
    if before is not None:
        return before
    waiting = [member for member in seen.waiting if member.wave == wave]
    rules = rules_of(seen)
    found = startable(rules, waiting, rollout.limits.slots - len(seen.at_work))
    if found:
        return Start(found)
    if seen.at_work:
        wait = "waits" if len(waiting) == 1 else "wait"
        return WaitForMachines(f"{_number(waiting)} of wave {wave} {wait} for room")
    why = why_held(rules, waiting) or f"there are {rollout.limits.slots} slots"
    return WaitForRuns(why) if _held_by_runs(seen, waiting) else _halt(seen, why)


def _held_by_runs(seen: Census, waiting: Sequence[Member]) -> bool:
    """True where a machine could start if those that other runs have at work were back."""
    rollout = seen.rollout
    stay = tuple(each for each in rollout.in_other_runs if not each.comes_back)
    if len(stay) == len(rollout.in_other_runs):
        return False
    without = Census.of(replace(rollout, in_other_runs=stay))
    return bool(startable(rules_of(without), waiting, rollout.limits.slots))


def _before_wave(rollout: Rollout, seen: Census, wave: int, now: datetime) -> Step | None:
    """Say what is waited for before machines of a wave may start; None where they may."""
    soaked = _soaked_at(rollout, wave)
    if isinstance(soaked, str):
        return _halt(seen, soaked)
    if soaked is not None and soaked > now:
        if rollout.closes_at is not None and soaked >= rollout.closes_at:
            return _halt(seen, f"{EXCEEDED}: the soak time before wave {wave} outlasts the window")
        return WaitUntil(soaked, f"wave {wave} waits for the soak time to end")
    if wave in rollout.unapproved:
        return AskApproval(wave)
    if rollout.opens_at is not None and rollout.opens_at > now:
        early = "the window has not opened yet"
        ready = _to_download(rollout, seen)
        return Fetch(ready) if ready else WaitUntil(rollout.opens_at, early)
    return None


def _to_download(rollout: Rollout, seen: Census) -> tuple[str, ...]:
    """Return whose updates may be fetched now: nothing goes to a machine without a yes."""
    return tuple(
        member.name
        for member in seen.waiting
        if member.name in rollout.to_download and member.wave not in rollout.unapproved
    )


def _halt(seen: Census, reason: str) -> Halt:
    """Stop here."""
    not_reached = tuple(member.name for member in seen.waiting)
    return Halt(reason, not_reached, tuple(member.name for member in seen.at_work))


def _at_the_end(seen: Census) -> Step:
    if seen.at_work:
        return WaitForMachines("the last machines are at work")
    if seen.unknown:
        return _halt(seen, f"what became of {names(seen.unknown)} is unknown")
    return Done()


def _stopped(rollout: Rollout, seen: Census) -> str:
    if rollout.cancel_requested:
        return "cancelled"
    if rollout.stop_because:
        return rollout.stop_because
    charged = len(seen.charged)
    broken = rollout.budget.broken_by(charged, len(rollout.members))
    if not broken:
        return ""
    unreachable = seen.charged.count(Status.UNREACHABLE)
    apart = f", {unreachable} of them unreachable," if unreachable else ""
    failed = f"{charged} machine{'' if charged == 1 else 's'}{apart} failed"
    return f"the failure budget is gone: {failed}, {broken}"


def _closed(seen: Census, now: datetime) -> str:
    """Say that the window is over, and which other run was waited for until then."""
    closes_at = seen.rollout.closes_at
    if closes_at is None or closes_at > now:
        return ""
    wave = min(member.wave for member in seen.waiting)
    waiting = [member for member in seen.waiting if member.wave == wave]
    why = why_held(rules_of(seen), waiting) if seen.in_other_runs else ""
    return "; ".join(part for part in (f"{EXCEEDED}: the window is over", why) if part)


def _unproven(rollout: Rollout, wave: int) -> str:
    """Say which earlier wave has proven nothing; empty where that keeps no wave from beginning."""
    if untried := _untried(rollout, wave):
        return f"{EXCEEDED}: nothing of wave {untried} fitted"
    if rollout.canary and wave > 1 and not _tried_well(rollout):
        return "nothing of wave 1 has come to a good end"
    return ""


def _untried(rollout: Rollout, wave: int) -> int:
    """Return an earlier wave of which no machine fitted: nothing has proven what comes after it."""
    if not rollout.pending:
        return 0
    sizes = Counter(member.wave for member in rollout.members if member.wave < wave)
    out = Counter(m.wave for m in rollout.members if m.name in rollout.pending)
    return next((number for number, size in sorted(sizes.items()) if out[number] == size), 0)


def _tried_well(rollout: Rollout) -> bool:
    """Say whether a machine of the first wave has come to a good end, or is forgiven.

    One machine alone tries nothing out for others.
    """
    if len(rollout.members) == 1:
        return True
    first = (member.name for member in rollout.members if member.wave == 1)
    return any(
        rollout.status(name) in rollout.done_well or name in rollout.forgiven for name in first
    )


def _soaked_at(rollout: Rollout, wave: int) -> datetime | str | None:
    """Return when the soak time before a wave is over, or why that cannot be known."""
    before = {member.wave for member in rollout.members if member.wave < wave}
    if not before or not rollout.limits.soak:
        return None
    last = max(before)
    if last not in rollout.wave_finished_at:
        return f"when wave {last} ended is not recorded, so its soak time cannot be told"
    ends = (at for number, at in rollout.wave_finished_at.items() if number < wave)
    return max(ends) + rollout.limits.soak


def _number(members: Sequence[Member]) -> str:
    return f"{len(members)} machine{'' if len(members) == 1 else 's'}"
