"""The rollout's state machine: which machines to start, when to wait, when to stop."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

from patchyard.domain.admission import EXCEEDED
from patchyard.domain.limits import Budget, Limits, Share
from patchyard.domain.outcome import Status

__all__ = [
    "AskApproval",
    "Budget",
    "Done",
    "Halt",
    "Limits",
    "Member",
    "Rollout",
    "Share",
    "Start",
    "Step",
    "WaitForMachines",
    "WaitUntil",
    "next_step",
]

DOWN = frozenset({Status.LOST_CONTACT, Status.NEEDS_REPAIR, Status.UNREACHABLE})
"""A machine in this state is missing from its failure domain, as one at work is."""

NAMED = 3
"""Machines or domains that a reason names before it only counts them."""


@dataclass(frozen=True, slots=True)
class Member:
    """A machine in a rollout: its wave, counted from 1, and its failure domains."""

    name: str
    wave: int
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rollout:
    """All that a decision needs. It is rebuilt from the record each time it is asked.

    `forgiven` are machines of which a person has said that they no longer count: neither in
    the budget, nor as missing from their failure domains, nor as unknown. `unapproved` are
    waves that a person has not said yes to yet. `absent` are machines in no wave that could not be
    reached: their failure domains may lack them. `pending` are machines that no longer fit into the
    run's window, `opens_at` and `closes_at` are its ends. `stop_because` is what a hook of the
    operator's own says against going on.
    """

    members: tuple[Member, ...]
    statuses: Mapping[str, Status]
    wave_finished_at: Mapping[int, datetime] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    limits: Limits = field(default_factory=Limits)
    cancel_requested: bool = False
    forgiven: frozenset[str] = frozenset()
    unapproved: frozenset[int] = frozenset()
    absent: tuple[Member, ...] = ()
    pending: frozenset[str] = frozenset()
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    stop_because: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError where a machine is in the rollout twice: it would be started twice."""
        if len({member.name for member in self.members}) != len(self.members):
            raise ValueError("a machine is in the rollout more than once")

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
class AskApproval:
    """Nothing may start before a person has said yes to this wave."""

    wave: int


@dataclass(frozen=True, slots=True)
class Halt:
    """Nothing more is started. Machines at work are left whole; the others were not reached."""

    reason: str
    not_reached: tuple[str, ...]
    at_work: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """Every member has come to an end."""


Step = Start | WaitUntil | WaitForMachines | AskApproval | Halt | Done


def next_step(rollout: Rollout, now: datetime) -> Step:
    """Say what comes next for a rollout."""
    seen = _Census.of(rollout)
    if not seen.waiting:
        return _at_the_end(seen)
    stopped = _stopped(rollout, seen) or _closed(rollout, now)
    if stopped:
        return seen.halt(stopped)
    wave = min(member.wave for member in seen.waiting)
    earlier = [member for member in (*seen.at_work, *seen.unknown) if member.wave < wave]
    if earlier and seen.at_work:
        return WaitForMachines(f"wave {wave} waits for {_names(earlier)}")
    if earlier:
        return seen.halt(f"what became of {_names(earlier)} is unknown")
    if untried := _untried(rollout, wave):
        return seen.halt(
            f"{EXCEEDED}: nothing of wave {untried} fitted, so wave {wave} is unproven"
        )
    return _within_wave(rollout, seen, wave, now)


def _within_wave(rollout: Rollout, seen: _Census, wave: int, now: datetime) -> Step:
    """Say what comes next where all waves before this one have come to an end."""
    before = _before_wave(rollout, seen, wave, now)
    if before is not None:
        return before
    waiting = [member for member in seen.waiting if member.wave == wave]
    found = _startable(seen, waiting)
    if found:
        return Start(found)
    if seen.at_work:
        wait = "waits" if len(waiting) == 1 else "wait"
        return WaitForMachines(f"{_number(waiting)} of wave {wave} {wait} for room")
    return seen.halt(_why_stuck(seen, waiting))


def _before_wave(rollout: Rollout, seen: _Census, wave: int, now: datetime) -> Step | None:
    """Say what is waited for before machines of a wave may start; None where they may."""
    soaked = _soaked_at(rollout, wave)
    if isinstance(soaked, str):
        return seen.halt(soaked)
    if soaked is not None and soaked > now:
        if rollout.closes_at is not None and soaked >= rollout.closes_at:
            return seen.halt(f"{EXCEEDED}: the soak time before wave {wave} outlasts the window")
        return WaitUntil(soaked, f"wave {wave} waits for the soak time to end")
    if wave in rollout.unapproved:
        return AskApproval(wave)
    if rollout.opens_at is not None and rollout.opens_at > now:
        return WaitUntil(rollout.opens_at, "the window has not opened yet")
    return None


@dataclass(slots=True)
class _Census:
    """The members by what they do now; those that have come to a good end are passed over."""

    rollout: Rollout
    waiting: list[Member] = field(default_factory=list)
    at_work: list[Member] = field(default_factory=list)
    unknown: list[Member] = field(default_factory=list)
    down: list[Member] = field(default_factory=list)
    charged: list[Status] = field(default_factory=list)

    @classmethod
    def of(cls, rollout: Rollout) -> _Census:
        """Count. Most members wait or have succeeded, so these are told apart first."""
        seen = cls(rollout)
        statuses, waiting, pending = rollout.statuses, seen.waiting, rollout.pending
        for member in rollout.members:
            status = statuses.get(member.name, Status.NOT_STARTED)
            if status == Status.NOT_STARTED:
                if member.name not in pending:
                    waiting.append(member)
            elif status != Status.SUCCEEDED:
                seen._add(member, status)
        return seen

    def _add(self, member: Member, status: Status) -> None:
        if status == Status.IN_PROGRESS:
            self.at_work.append(member)
        elif member.name not in self.rollout.forgiven:
            if status in DOWN:
                self.down.append(member)
            elif status == Status.UNKNOWN:
                self.unknown.append(member)
            if status.charged:
                self.charged.append(status)

    @property
    def away(self) -> list[Member]:
        """Those that their failure domains lack now. Unknown is not taken for present."""
        return [*self.at_work, *self.down, *self.unknown, *self.absent]

    @property
    def absent(self) -> list[Member]:
        """Those in no wave that were not reached."""
        forgiven = self.rollout.forgiven
        return [member for member in self.rollout.absent if member.name not in forgiven]

    @property
    def room(self) -> Mapping[str, int]:
        """How many members of each failure domain may be away at once."""
        everybody = (*self.rollout.members, *self.rollout.absent)
        sizes = Counter(chain.from_iterable(member.domains for member in everybody))
        within = {size: self.rollout.limits.within(size) for size in set(sizes.values())}
        return {domain: within[size] for domain, size in sizes.items()}

    def halt(self, reason: str) -> Halt:
        """Stop here."""
        not_reached = tuple(member.name for member in self.waiting)
        return Halt(reason, not_reached, tuple(member.name for member in self.at_work))


def _at_the_end(seen: _Census) -> Step:
    if seen.at_work:
        return WaitForMachines("the last machines are at work")
    if seen.unknown:
        return seen.halt(f"what became of {_names(seen.unknown)} is unknown")
    return Done()


def _stopped(rollout: Rollout, seen: _Census) -> str:
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


def _closed(rollout: Rollout, now: datetime) -> str:
    over = rollout.closes_at is not None and rollout.closes_at <= now
    return f"{EXCEEDED}: the window is over" if over else ""


def _untried(rollout: Rollout, wave: int) -> int:
    """Return an earlier wave of which no machine fitted: nothing has proven what comes after it."""
    if not rollout.pending:
        return 0
    sizes = Counter(member.wave for member in rollout.members if member.wave < wave)
    out = Counter(m.wave for m in rollout.members if m.name in rollout.pending)
    return next((number for number, size in sorted(sizes.items()) if out[number] == size), 0)


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


def _startable(seen: _Census, waiting: list[Member]) -> tuple[str, ...]:
    """Fill the free slots, in order, without exceeding the limit of any failure domain."""
    busy = Counter(domain for member in seen.away for domain in member.domains)
    room = seen.room
    free = seen.rollout.limits.slots - len(seen.at_work)
    chosen: list[str] = []
    for member in waiting:
        if len(chosen) >= free:
            break
        if all(busy[domain] < room[domain] for domain in member.domains):
            chosen.append(member.name)
            busy.update(member.domains)
    return tuple(chosen)


def _why_stuck(seen: _Census, waiting: list[Member]) -> str:
    """Say why nothing can start although nothing is at work."""
    lacking: dict[str, list[Member]] = defaultdict(list)
    for member in seen.away:
        for domain in member.domains:
            lacking[domain].append(member)
    wanted = dict.fromkeys(domain for member in waiting for domain in member.domains)
    room = seen.room
    full = [domain for domain in wanted if len(lacking[domain]) >= room[domain]]
    if not full:
        return f"there are {seen.rollout.limits.slots} slots"
    told = "; ".join(f"{domain} lacks {_names(lacking[domain])}" for domain in full[:NAMED])
    more = f"; and {len(full) - NAMED} more" if len(full) > NAMED else ""
    return f"no failure domain has room: {told}{more}"


def _names(members: Iterable[Member]) -> str:
    names = sorted(member.name for member in members)
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _number(members: list[Member]) -> str:
    return f"{len(members)} machine{'' if len(members) == 1 else 's'}"
