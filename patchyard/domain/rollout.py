"""The rollout's state machine: which machines to start, when to wait, when to stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from patchyard.domain.outcome import Status

DOWN = frozenset({Status.LOST_CONTACT, Status.NEEDS_REPAIR})
"""A machine in this state is missing from its failure domain, as one at work is."""


@dataclass(frozen=True, slots=True)
class Member:
    """A machine in a rollout: its wave, counted from 1, and its failure domains."""

    name: str
    wave: int
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Budget:
    """How many machines may fail in the whole run; more than that, and it stops.

    Both limits count; None is no limit. The percent is of all members.
    """

    max_failures: int | None = None
    max_failure_percent: float | None = None

    def broken_by(self, failures: int, members: int) -> str:
        """Say which limit is exceeded; empty where none is."""
        if self.max_failures is not None and failures > self.max_failures:
            return f"{failures} machines failed, more than {self.max_failures}"
        percent = self.max_failure_percent
        if percent is not None and members and failures > members * percent / 100:
            return f"{failures} of {members} machines failed, more than {percent:g} %"
        return ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many machines are at work at once, in all and in one failure domain."""

    slots: int = 10
    per_domain: int = 1
    soak: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Rollout:
    """All that a decision needs. It is rebuilt from the record each time it is asked."""

    members: tuple[Member, ...]
    statuses: Mapping[str, Status]
    wave_finished_at: Mapping[int, datetime] = field(default_factory=dict)
    budget: Budget = Budget()
    limits: Limits = Limits()
    cancel_requested: bool = False
    forgiven: frozenset[str] = frozenset()

    def status(self, name: str) -> Status:
        """Return a member's status; one without a record has not been started."""
        return self.statuses.get(name, Status.NOT_STARTED)


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
class Halt:
    """Nothing more is started. Machines at work are left whole; the others were not reached."""

    reason: str
    not_reached: tuple[str, ...]
    at_work: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """Every member has come to an end."""


Step = Start | WaitUntil | WaitForMachines | Halt | Done


def next_step(rollout: Rollout, now: datetime) -> Step:
    """Say what comes next for a rollout."""
    waiting = [m for m in rollout.members if rollout.status(m.name) == Status.NOT_STARTED]
    at_work = [m for m in rollout.members if rollout.status(m.name) == Status.IN_PROGRESS]
    if not waiting:
        return WaitForMachines("the last machines are at work") if at_work else Done()
    stopped = _stopped(rollout)
    if stopped:
        return _halt(stopped, waiting, at_work)
    wave = min(member.wave for member in waiting)
    if any(member.wave < wave for member in at_work):
        return WaitForMachines(f"wave {wave - 1} is at work")
    soaked = _soaked_at(rollout, wave)
    if soaked is not None and soaked > now:
        return WaitUntil(soaked, f"wave {wave} waits for the soak time to end")
    found = _startable(rollout, [m for m in waiting if m.wave == wave], at_work)
    if found:
        return Start(found)
    if at_work:
        return WaitForMachines("no slot is free")
    return _halt("a failure domain lacks machines that are down", waiting, at_work)


def _stopped(rollout: Rollout) -> str:
    if rollout.cancel_requested:
        return "cancelled"
    charged = sum(
        rollout.status(m.name).charged and m.name not in rollout.forgiven for m in rollout.members
    )
    broken = rollout.budget.broken_by(charged, len(rollout.members))
    return f"the failure budget is gone: {broken}" if broken else ""


def _halt(reason: str, waiting: list[Member], at_work: list[Member]) -> Halt:
    return Halt(reason, tuple(m.name for m in waiting), tuple(m.name for m in at_work))


def _soaked_at(rollout: Rollout, wave: int) -> datetime | None:
    """Return when the soak time after the waves before this one is over."""
    if any(
        m.wave == wave and rollout.status(m.name) != Status.NOT_STARTED for m in rollout.members
    ):
        return None
    ends = [at for number, at in rollout.wave_finished_at.items() if number < wave]
    return max(ends) + rollout.limits.soak if ends else None


def _startable(rollout: Rollout, waiting: list[Member], at_work: list[Member]) -> tuple[str, ...]:
    """Fill the free slots, in order, without exceeding the limit of any failure domain."""
    down = [
        m
        for m in rollout.members
        if rollout.status(m.name) in DOWN and m.name not in rollout.forgiven
    ]
    busy = Counter(domain for member in [*at_work, *down] for domain in member.domains)
    free = rollout.limits.slots - len(at_work)
    chosen: list[str] = []
    for member in waiting:
        if len(chosen) >= free:
            break
        if all(busy[domain] < rollout.limits.per_domain for domain in member.domains):
            chosen.append(member.name)
            busy.update(member.domains)
    return tuple(chosen)
