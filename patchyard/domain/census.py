"""The rollout as it is recorded, and its members counted by what they do now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from patchyard.domain.limits import Budget, Limits
from patchyard.domain.outcome import Status

DOWN = frozenset({Status.LOST_CONTACT, Status.NEEDS_REPAIR, Status.UNREACHABLE})
"""A machine in this state is missing from its failure domain, as one at work is."""

GOOD = frozenset(status for status in Status if status.good)
"""A machine in this state has what was planned."""

Lane = tuple[str, str]
"""A group of machines, and the part of it that a machine is in: one part is away at a time."""


@dataclass(frozen=True, slots=True)
class Needed:
    """How many of a group must be up, and who is that is not in the rollout."""

    least: int
    elsewhere: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Member:
    """A machine in a rollout: its wave, counted from 1, and the groups that rules hold for.

    `domains` are its failure domains, `lanes` its zone in its service and its update domain in
    its set, `quorums` the groups of which enough must be up. It comes in the orders of `before`
    first, and in those of `after` when all who come first have come to a good end. `run` is the
    other run by which it is away; empty where it is not.
    """

    name: str
    wave: int
    domains: tuple[str, ...] = ()
    lanes: tuple[Lane, ...] = ()
    quorums: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    region: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class InOtherRun:
    """A machine that is away by another run: at work there, or left in a bad way there.

    `comes_back` says that this run lives and works on it, so that waiting is an answer; no person
    can forgive that. `closed` are regions in which nothing begins meanwhile, as they stand in for
    its own.
    """

    member: Member
    comes_back: bool
    closed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rollout:
    """All that a decision needs. It is rebuilt from the record each time it is asked.

    `forgiven` are machines of which a person has said that they no longer count: neither in
    the budget, nor as missing from their failure domains, nor as unknown. `unapproved` are
    waves that a person has not said yes to yet. `absent` are machines in no wave that could not be
    reached: their failure domains may lack them. `unserved` are machines in no wave although
    something is to be done for them: a person left them out, or they could not be assessed.
    `pending` are machines that no longer fit into the run's window, `opens_at` and `closes_at` are
    its ends. `quorums` says how many of each group must be up. `done_well` are the good ends, for
    which those wait who come after others. `stop_because` is what a hook of the operator's own
    says against going on. `to_download` are machines whose updates can be fetched before the window
    opens. `in_other_runs` are machines that are away by other runs, whether or not they are in this
    one. `off` are machines that are off but while they are looked at or worked on. With
    `canary` nothing begins after the first wave unless one of its machines has come to a good end,
    whatever the budget says.
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
    unserved: tuple[Member, ...] = ()
    pending: frozenset[str] = frozenset()
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    quorums: Mapping[str, Needed] = field(default_factory=dict)
    done_well: frozenset[Status] = GOOD
    stop_because: str = ""
    to_download: frozenset[str] = frozenset()
    in_other_runs: tuple[InOtherRun, ...] = ()
    off: frozenset[str] = frozenset()
    canary: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError where a machine is in the rollout twice: it would be started twice."""
        if len({member.name for member in self.members}) != len(self.members):
            raise ValueError("a machine is in the rollout more than once")

    def status(self, name: str) -> Status:
        """Return a member's status; one without a record has not been started."""
        return self.statuses.get(name, Status.NOT_STARTED)


@dataclass(slots=True)
class Census:
    """The members by what they do now; those that have come to a good end are passed over."""

    rollout: Rollout
    waiting: list[Member] = field(default_factory=list)
    at_work: list[Member] = field(default_factory=list)
    unknown: list[Member] = field(default_factory=list)
    down: list[Member] = field(default_factory=list)
    charged: list[Status] = field(default_factory=list)

    @classmethod
    def of(cls, rollout: Rollout) -> Census:
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
        here = [*self.at_work, *self.down, *self.unknown, *self.absent]
        names = {member.name for member in here}
        others = (each.member for each in self.in_other_runs)
        return [*here, *(member for member in others if member.name not in names)]

    @property
    def in_other_runs(self) -> list[InOtherRun]:
        """Those that are away by other runs. What such a run has at work cannot be forgiven."""
        forgiven, every = self.rollout.forgiven, self.rollout.in_other_runs
        return [each for each in every if each.comes_back or each.member.name not in forgiven]

    @property
    def absent(self) -> list[Member]:
        """Those in no wave that were not reached."""
        forgiven = self.rollout.forgiven
        return [member for member in self.rollout.absent if member.name not in forgiven]
