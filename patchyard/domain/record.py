"""What is recorded of one machine in one run: steps, their results, and what is to be done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from patchyard.domain.actions import CHANGES, Action, Keep
from patchyard.domain.around import Hook
from patchyard.domain.health import Answer, Difference
from patchyard.domain.inventory import Policy
from patchyard.domain.path import RebootSetting
from patchyard.domain.plan import MachinePlan, PlannedUpdate
from patchyard.domain.restore import Kept, RestorePoint, UndoTarget
from patchyard.domain.transaction import Transaction
from patchyard.domain.updates import Assessment
from patchyard.domain.value import Value


class Fault(Value):
    """Why an act could not be carried out or followed: the code of a MachineError, and words."""

    code: str
    detail: str


class RebootOutcome(StrEnum):
    """How a reboot ended. Only a changed, well-formed boot id counts as REBOOTED."""

    REBOOTED = "rebooted"
    NOT_REBOOTED = "not_rebooted"
    NOT_BACK = "not_back"


class Result(Value):
    """What an act led to. `fault` is set where it could not be carried out or followed."""

    fault: Fault | None = None
    transaction: Transaction | None = None
    restore_point: RestorePoint | None = None
    answers: tuple[Answer, ...] = ()
    differences: tuple[Difference, ...] = ()
    healthy: bool | None = None
    reboot: RebootOutcome | None = None
    detail: str = ""

    @property
    def failed(self) -> bool:
        """True where the act could not be carried out, or its transaction has not done it all."""
        return self.fault is not None or (
            self.transaction is not None and self.transaction.exit_status != 0
        )

    @property
    def told(self) -> str:
        """What came of the act, in words."""
        if self.fault is not None:
            return self.fault.detail
        if self.transaction is not None and self.transaction.exit_status != 0:
            return self.transaction.detail or str(self.transaction.problem)
        if self.healthy is not None:
            return "healthy" if self.healthy else "not healthy"
        return self.detail or "done"


class Step(Value):
    """One recorded act. It is recorded before it is done; `finished_at` is None until then."""

    action: Action
    started_at: datetime
    finished_at: datetime | None = None
    result: Result | None = None


class Room(Protocol):
    """What is left of a run's window for one machine."""

    def refuses(self, updates: Iterable[PlannedUpdate], now: datetime) -> str:
        """Say why installing these, and what may follow, does not fit; nothing where it does."""

    def refuses_start(self, updates: Iterable[PlannedUpdate], now: datetime) -> str:
        """Say the same of a machine that is off: it has to be started before."""

    def refuses_reboot(self, now: datetime) -> str:
        """Say why a reboot does not fit; nothing where it does."""


@dataclass(frozen=True)
class MachineRun:
    """One machine in one run: what is to be done, under which rules, and what is recorded.

    `assessments` holds what each `Look` saw, by the step's key. With `undo` set the run takes
    an earlier run back instead of installing `plan`. Where the run has a window, `room` answers
    whether something still fits into it. `hooks` are those of a machine that the run was begun
    with: a run that was begun without any is replayed without any.
    """

    run_id: str
    plan: MachinePlan
    policy: Policy
    reboot: RebootSetting
    steps: tuple[Step, ...] = ()
    assessments: Mapping[str, Assessment] = field(default_factory=dict)
    undo: UndoTarget | None = None
    room: Room | None = None
    hooks: tuple[Hook, ...] = ()

    @property
    def hotpatched(self) -> bool:
        """True where hotpatches are among what is to be installed."""
        return any(update.hotpatch for update in self.plan.updates)

    @property
    def changed(self) -> bool:
        """True where something on the machine was changed, or begun to be."""
        return any(isinstance(step.action, CHANGES) for step in self.steps)

    @property
    def open(self) -> bool:
        """True where an act was begun of which nobody saw the end."""
        return any(step.finished_at is None for step in self.steps)

    @property
    def kept(self) -> tuple[Kept, ...]:
        """What the restore point of this run says of each way back."""
        results = [s.result for s in self.steps if isinstance(s.action, Keep) and s.result]
        points = [r.restore_point for r in results if r.restore_point is not None]
        return points[0].kept if points else ()

    @property
    def restore_folder(self) -> str:
        """Where on the machine this run keeps the earlier versions."""
        return f"/var/lib/patchyard/restore/{self.run_id}"
