"""The report: what a run did and found, as a value that every rendering starts from."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from patchyard.domain.admission import EXCEEDED
from patchyard.domain.approval import Answered
from patchyard.domain.emergency import Emergency
from patchyard.domain.health import Difference
from patchyard.domain.outcome import InstallationState, RebootStatus, Status
from patchyard.domain.plan import LeftOut, WhyNot
from patchyard.domain.rings import Promotion
from patchyard.domain.updates import Classification, Compliance
from patchyard.domain.value import Value
from patchyard.domain.watch import Finding

_NOT_PLANNED = frozenset({InstallationState.EXCLUDED, InstallationState.NOT_SELECTED})
_QUIET = frozenset({Status.SUCCEEDED, Status.NOT_STARTED, Status.SKIPPED})
_UNSEEN_BY_DESIGN = frozenset({Status.NOT_STARTED, Status.SKIPPED})
_OWED = frozenset({RebootStatus.REQUIRED, RebootStatus.FAILED})


class UpdateReport(Value):
    """One update on one machine: what was wanted, what is there now.

    One with a title is told by it, and its versions are revisions, which say little by themselves.
    """

    name: str
    architecture: str
    before: str
    planned: str
    after: str
    classification: Classification
    severity: str = ""
    state: InstallationState
    detail: str = ""
    title: str = ""


class StepReport(Value):
    """One recorded act, with the times at which it began and ended (None: not ended).

    What was done ahead of the machine's run, such as a download, is none of its own time.
    """

    key: str
    title: str
    started_at: datetime
    finished_at: datetime | None = None
    result: str = ""
    ahead: bool = False

    @property
    def took(self) -> timedelta | None:
        """How long it took; None where it has not ended."""
        return self.finished_at - self.started_at if self.finished_at else None


class HookReport(Value):
    """A hook of the run (wave 0) or of one of its waves. Those of machines are among their steps.

    `code` is empty where it ended well; `attempts` above 1 tell that a crash hid how one ended.
    """

    name: str
    when: str
    wave: int = 0
    code: str = ""
    detail: str = ""
    attempts: int = 1
    started_at: datetime
    finished_at: datetime | None = None

    @property
    def failed(self) -> bool:
        """True where it has not ended, or not well."""
        return bool(self.code) or self.finished_at is None


class NoticeReport(Value):
    """Who was told of the run or its window, when, and what came of it.

    `state` is sent or failed; claimed where nobody saw whether it was given.
    """

    moment: str
    to: str
    address: str = ""
    state: str
    detail: str = ""
    at: datetime

    @property
    def failed(self) -> bool:
        """True where it is not known to have been given."""
        return self.state != "sent"


class MachineReport(Value):
    """Everything a person needs to know about one machine of a run."""

    name: str
    address: str = ""
    platform: str = ""
    os: str = ""
    wave: int | None = None
    status: Status
    reason: str
    compliance_before: Compliance = Compliance.UNKNOWN
    compliance_after: Compliance = Compliance.UNKNOWN
    path: str = ""
    path_reason: str = ""
    reboot: RebootStatus = RebootStatus.UNKNOWN
    undo: str = ""
    updates: tuple[UpdateReport, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    checks: tuple[Difference, ...] = ()
    steps: tuple[StepReport, ...] = ()
    findings: tuple[str, ...] = ()
    started_at: datetime | None = None
    finished_at: datetime | None = None

    def count(self, state: InstallationState) -> int:
        """Return how many updates ended in `state`."""
        return sum(update.state == state for update in self.updates)

    @property
    def planned(self) -> int:
        """How many updates the plan installs here."""
        return sum(update.state not in _NOT_PLANNED for update in self.updates)

    @property
    def installed(self) -> int:
        """How many updates are there now."""
        return self.count(InstallationState.INSTALLED)

    @property
    def took(self) -> timedelta | None:
        """How long the run was at work here; None where it did not begin or end."""
        if self.started_at is None or self.finished_at is None:
            return None
        return self.finished_at - self.started_at

    @property
    def regressed(self) -> tuple[Difference, ...]:
        """The checks that the change made worse."""
        return tuple(check for check in self.checks if check.regressed)

    @property
    def troubled(self) -> bool:
        """True where a person should look, whatever the run as a whole says."""
        return self.status not in _QUIET or self.reboot in _OWED or bool(self.regressed)

    @property
    def ledger(self) -> dict[WhyNot, tuple[LeftOut, ...]]:
        """The updates that were left out, by reason, in the vocabulary's order."""
        return {
            why: tuple(item for item in self.left_out if item.why == why)
            for why in WhyNot
            if any(item.why == why for item in self.left_out)
        }


class RunReport(Value):
    """The whole run. `status` is what the Prefect state is named after.

    `summary` is what the run itself adds in words; the verdict is judged from the machines.
    `waves` holds machine names in the order of the plan. `not_reached` names the machines on
    which nothing was begun; they stand in `machines` too. `approvals` are what people answered.
    `hooks` are those of the run and its waves, `notices` who was told of it.
    `emergency` is the evidence of a run that bypassed rules.
    `watch` is what has moved in the whole inventory; an assessment tells it.
    """

    run_id: str
    flow_run_id: str = ""
    kind: str
    inventory: str
    scope: str
    dry_run: bool = False
    status: Status
    summary: str = ""
    plan_hash: str = ""
    halted_because: str = ""
    resumed: bool = False
    started_at: datetime
    finished_at: datetime | None = None
    waves: tuple[tuple[str, ...], ...] = ()
    not_reached: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()
    watch: tuple[Finding, ...] = ()
    window: str = ""
    promoted: Promotion | None = None
    approvals: tuple[Answered, ...] = ()
    hooks: tuple[HookReport, ...] = ()
    notices: tuple[NoticeReport, ...] = ()
    emergency: Emergency | None = None
    machines: tuple[MachineReport, ...]
    files: dict[str, str] = {}

    @property
    def took(self) -> timedelta | None:
        """How long the run took; None where it has not ended."""
        return self.finished_at - self.started_at if self.finished_at else None

    @property
    def pending(self) -> tuple[MachineReport, ...]:
        """The machines that did not fit into the window; what they were to get is pending."""
        return tuple(
            machine
            for machine in self.machines
            if machine.status == Status.NOT_STARTED and EXCEEDED in machine.reason
        )

    @property
    def maintenance_window_exceeded(self) -> bool:
        """True where the window was too short for something: as with Azure, it is no status."""
        late = any(EXCEEDED in machine.reason for machine in self.machines)
        return late or EXCEEDED in self.halted_because

    @property
    def counts(self) -> dict[Status, int]:
        """How many machines have each status, in the vocabulary's order, without zeros."""
        return count_by_status(self.machines)

    @property
    def attention(self) -> tuple[MachineReport, ...]:
        """The machines a person should look at. One that was never reached is listed apart."""
        return tuple(machine for machine in self.machines if self._needs_attention(machine))

    def _needs_attention(self, machine: MachineReport) -> bool:
        unproven = machine.compliance_after == Compliance.UNKNOWN and not self.dry_run
        return machine.troubled or (unproven and machine.status not in _UNSEEN_BY_DESIGN)


def count_by_status(machines: Iterable[MachineReport]) -> dict[Status, int]:
    """Count machines by status, in the vocabulary's order, without zeros."""
    statuses = [machine.status for machine in machines]
    return {status: statuses.count(status) for status in Status if status in statuses}
