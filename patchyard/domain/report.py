"""The report: what a run did and found, as a value that every rendering starts from."""

from __future__ import annotations

from datetime import datetime

from patchyard.domain.health import Difference
from patchyard.domain.outcome import InstallationState, RebootStatus, Status
from patchyard.domain.plan import LeftOut
from patchyard.domain.updates import Classification, Compliance
from patchyard.domain.value import Value


class UpdateReport(Value):
    """One update on one machine: what was wanted, what is there now."""

    name: str
    architecture: str
    before: str
    planned: str
    after: str
    classification: Classification
    state: InstallationState
    detail: str = ""


class StepReport(Value):
    """One recorded act, with the times at which it began and ended (None: not ended)."""

    key: str
    title: str
    started_at: datetime
    finished_at: datetime | None = None
    result: str = ""


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


class RunReport(Value):
    """The whole run. `status` is what the Prefect state is named after."""

    run_id: str
    kind: str
    inventory: str
    scope: str
    dry_run: bool = False
    status: Status
    summary: str
    plan_hash: str = ""
    halted_because: str = ""
    resumed: bool = False
    started_at: datetime
    finished_at: datetime | None = None
    waves: tuple[tuple[str, ...], ...] = ()
    not_reached: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()
    machines: tuple[MachineReport, ...]
    files: dict[str, str] = {}
