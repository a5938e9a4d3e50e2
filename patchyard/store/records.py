"""What the store gives back: frozen values, tied to no session."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from patchyard.domain.outcome import Status

AvailabilityKind = Literal["down", "up"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run. An empty `owner` means that nobody drives it, an empty `plan_hash` no plan yet.

    `reopened` counts how often it had ended and went on.
    """

    id: str
    kind: str
    inventory: str
    scope: str
    parameters: dict[str, Any]
    status: Status
    started_at: datetime
    finished_at: datetime | None = None
    summary: str = ""
    plan_hash: str = ""
    owner: str = ""
    heartbeat_at: datetime | None = None
    owner_expires_at: datetime | None = None
    cancel_requested: bool = False
    flow_run_id: str = ""
    halted_because: str = ""
    reopened: int = 0

    @property
    def takes_back(self) -> str | None:
        """Id of the run that a rollback takes back; None where it is no rollback."""
        return str(self.parameters["run_id"]) if self.kind == "rollback" else None


@dataclass(frozen=True, slots=True)
class MachineRecord:
    """One machine in a run. `wave` is None where the plan gives it nothing."""

    run_id: str
    machine: str
    wave: int | None
    position: int
    status: Status
    reason: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with one machine in a run."""

    status: Status
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class InRun:
    """A machine that a run has at work, or left in a bad way and that was not seen since.

    `goes_on` says that the run has no end yet, `alive_at` when it last showed life.
    """

    machine: str
    run_id: str
    status: Status
    goes_on: bool
    alive_at: datetime = field(compare=False)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One act on one machine. `finished_at` is None while it may still be going on."""

    run_id: str
    machine: str
    seq: int
    key: str
    action: dict[str, Any]
    started_at: datetime
    finished_at: datetime | None = None
    result: dict[str, Any] | None = None

    @property
    def open(self) -> bool:
        """True until the act is recorded as ended."""
        return self.finished_at is None

    @property
    def ahead(self) -> bool:
        """True for a download ahead of the machine's run: work itself has not begun by it."""
        return self.action.get("kind") == "download"


@dataclass(frozen=True, slots=True)
class Lease:
    """A machine that is held for one run."""

    machine: str
    run_id: str
    owner: str
    acquired_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class HeldBy:
    """The answer to a run that asked for a machine which another run has.

    `expired` says that the other run has stopped proving that it lives. That frees nothing:
    it may have left work going on there.
    """

    run_id: str
    owner: str
    expires_at: datetime
    expired: bool


@dataclass(frozen=True, slots=True)
class AvailabilityEvent:
    """A machine went away or came back."""

    machine: str
    run_id: str
    kind: AvailabilityKind
    cause: str
    at: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PowerStart:
    """A machine that was off and that a run started. Without `off_at` it is not off again.

    `left_on` says why not, where that was decided.
    """

    machine: str
    ordered_at: datetime
    off_at: datetime | None
    left_on: str = ""


@dataclass(frozen=True, slots=True)
class WindowClaim:
    """A window that a run has taken for good."""

    inventory: str
    key: str
    run_id: str
    opens_at: datetime
    closes_at: datetime
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class ApprovalRecord:
    """What a person answered, to exactly which plan. `wave` 0 means all of it.

    `machines` are those it was narrowed to; all of the plan where it is empty.
    """

    run_id: str
    plan_hash: str
    wave: int
    decision: str
    approver: str
    asked_at: datetime
    answered_at: datetime
    note: str = ""
    machines: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class HookCall:
    """A hook of a run (wave 0) or of a wave. `code` is empty where it ended well.

    `leg` is how often the run had ended and gone on by then.
    """

    run_id: str
    leg: int
    when: str
    wave: int
    name: str
    attempts: int
    started_at: datetime
    finished_at: datetime | None = None
    code: str = ""
    detail: str = ""
    stops: bool = False

    @property
    def failed(self) -> bool:
        """True where it has ended, and not well."""
        return self.finished_at is not None and bool(self.code)


@dataclass(frozen=True, slots=True)
class NoticeRecord:
    """A notice: to whom, of what, and what came of it.

    `state` is claimed, sent or failed. `stops` says that a run may not go on without it.
    """

    key: str
    run_id: str
    inventory: str
    window: str
    moment: str
    to: str
    address: str
    attempts: int
    claimed_at: datetime
    ended_at: datetime | None = None
    state: str = "claimed"
    detail: str = ""
    stops: bool = False
