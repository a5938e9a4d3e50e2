"""The account of one machine: its record, retold as a report."""

from __future__ import annotations

from collections.abc import Mapping

from patchyard.domain.actions import (
    Action,
    Ask,
    Call,
    Download,
    Install,
    Keep,
    Look,
    Reboot,
    Repair,
    RestartServices,
    Undo,
    Verify,
)
from patchyard.domain.downloading import is_ahead, without_downloads
from patchyard.domain.health import Difference
from patchyard.domain.inventory import Machine
from patchyard.domain.outcome import InstallationState, RebootStatus, Status
from patchyard.domain.path import PathKind, choose_path, reboot_need
from patchyard.domain.plan import MachinePlan, PlannedUpdate, WhyNot
from patchyard.domain.record import MachineRun, RebootOutcome, Step
from patchyard.domain.report import MachineReport, StepReport, UpdateReport
from patchyard.domain.restore import RestorePoint
from patchyard.domain.updates import Assessment, Classification, Compliance, compliance
from patchyard.domain.value import Known

_EXPLICIT = frozenset({WhyNot.EXCLUDED, WhyNot.REQUIRES_EXCLUDED})


def account(
    machine: Machine,
    run: MachineRun,
    *,
    status: Status,
    reason: str,
    wave: int | None,
    classifications: frozenset[Classification],
    planned_from: Assessment | None,
) -> MachineReport:
    """Tell one machine's run. What was not seen is told as unknown.

    Args:
        machine: the inventory's machine.
        run: what was planned, and what is recorded of it.
        status: the verdict as recorded.
        reason: why, in words.
        wave: the machine's wave, counted from 1; None where it was in none.
        classifications: the classes that compliance is judged by.
        planned_from: the assessment that the plan was made from.
    """
    looks = _looks(run)
    before = looks[0] if looks else planned_from
    after = looks[-1] if looks else planned_from
    kind, why = _path(run, after)
    own = without_downloads(run).steps
    return MachineReport(
        name=machine.name,
        address=machine.address,
        platform=machine.platform,
        os=(after.os.pretty_name if after else ""),
        wave=wave,
        status=status,
        reason=reason,
        compliance_before=compliance(planned_from, classifications),
        compliance_after=_compliance_after(run, status, after, classifications),
        path=kind,
        path_reason=why,
        reboot=_reboot(run, after),
        undo=_undo(run, status),
        updates=tuple(_update(u, run, status, before, after) for u in run.plan.updates),
        left_out=run.plan.left_out,
        checks=_checks(run),
        steps=tuple(_step(step) for step in run.steps),
        findings=_findings(after),
        started_at=own[0].started_at if own else None,
        finished_at=own[-1].finished_at if own else None,
    )


def _looks(run: MachineRun) -> list[Assessment]:
    keys = [step.action.key for step in run.steps if isinstance(step.action, Look)]
    return [run.assessments[key] for key in keys if key in run.assessments]


def _compliance_after(
    run: MachineRun,
    status: Status,
    after: Assessment | None,
    classifications: frozenset[Classification],
) -> Compliance:
    """A machine that was lost, or whose last look failed, is not what it was when last seen."""
    if status in {Status.LOST_CONTACT, Status.UNREACHABLE}:
        return Compliance.UNKNOWN
    last = next((s for s in reversed(run.steps) if isinstance(s.action, Look)), None)
    if last is not None and last.action.key not in run.assessments:
        return Compliance.UNKNOWN
    return compliance(after, classifications)


def _update(
    update: PlannedUpdate,
    run: MachineRun,
    status: Status,
    before: Assessment | None,
    after: Assessment | None,
) -> UpdateReport:
    seen = after.packages.get(update.key, "") if after else ""
    return UpdateReport(
        name=update.name,
        architecture=update.architecture,
        before=(before.packages.get(update.key, "") if before else update.from_version),
        planned=update.to_version,
        after=seen,
        classification=update.classification,
        severity=update.severity,
        state=_installation(update, run, status, seen),
        title=update.title,
        detail=f"fixes {', '.join(update.fixes)}" if update.fixes else "",
    )


def _installation(
    update: PlannedUpdate, run: MachineRun, status: Status, seen: str
) -> InstallationState:
    if status in {Status.LOST_CONTACT, Status.UNREACHABLE} and _tried(run):
        return InstallationState.UNKNOWN
    if seen == update.to_version:
        return InstallationState.INSTALLED
    if _tried(run) and status != Status.ROLLED_BACK:
        return InstallationState.FAILED
    return InstallationState.PENDING


def _tried(run: MachineRun) -> bool:
    return any(isinstance(step.action, Install) for step in run.steps)


def _path(run: MachineRun, after: Assessment | None) -> tuple[str, str]:
    """Tell the path that was taken; where none was, the one that would be."""
    acts = [s.action for s in run.steps if isinstance(s.action, Reboot | RestartServices)]
    taken = next((a for a in acts if isinstance(a, Reboot)), acts[0] if acts else None)
    if isinstance(taken, Reboot):
        return str(PathKind.REBOOT), taken.reason
    if isinstance(taken, RestartServices):
        return str(PathKind.RESTART_SERVICES), taken.reason
    if after is None:
        return "", ""
    path = choose_path(after, run.reboot, changed=_tried(run), hotpatched=run.hotpatched)
    return str(path.kind), path.reason


def _reboot(run: MachineRun, after: Assessment | None) -> RebootStatus:
    last = next((s for s in reversed(run.steps) if isinstance(s.action, Reboot)), None)
    if last is not None:
        return _reboot_result(last)
    if after is None:
        return RebootStatus.UNKNOWN
    if after.reboot_required == Known.UNKNOWN and not _tried(run):
        return RebootStatus.UNKNOWN
    needs, _ = reboot_need(after)
    path = choose_path(after, run.reboot, changed=_tried(run))
    owed = path.kind in {PathKind.REBOOT, PathKind.REBOOT_OWED}
    if not owed and needs == Known.UNKNOWN:
        return RebootStatus.UNKNOWN
    return RebootStatus.REQUIRED if owed else RebootStatus.NOT_NEEDED


def _reboot_result(step: Step) -> RebootStatus:
    if step.finished_at is None:
        return RebootStatus.STARTED
    done = step.result is not None and step.result.reboot == RebootOutcome.REBOOTED
    return RebootStatus.COMPLETED if done else RebootStatus.FAILED


def _undo(run: MachineRun, status: Status) -> str:
    """Tell what is known of the way back."""
    if status == Status.ROLLED_BACK:
        return "done: earlier versions are back"
    if any(isinstance(step.action, Undo) for step in run.steps):
        return "begun, and not proven to be whole"
    kept = next((s for s in run.steps if isinstance(s.action, Keep)), None)
    if kept is None:
        return "not prepared" if run.plan.updates else ""
    if kept.result is None or kept.result.restore_point is None:
        return "not possible: no restore point"
    removes = isinstance(kept.action, Keep) and not kept.action.packages
    return (_removal if removes else _keeping)(kept.result.restore_point)


def _keeping(point: RestorePoint) -> str:
    """Tell a way back by earlier versions that are kept."""
    if point.missing:
        return f"not possible: {', '.join(item.key for item in point.missing)} could not be kept"
    return f"possible: {_counted(len(point.kept), 'package')} kept"


def _removal(point: RestorePoint) -> str:
    """Tell a way back by removing what has come, where nothing is kept."""
    if point.missing:
        told = ", ".join(f"{item.key.partition(':')[0]} ({item.problem})" for item in point.missing)
        return f"not possible: {told}"
    return f"possible: by removing {_counted(len(point.kept), 'update')}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _checks(run: MachineRun) -> tuple[Difference, ...]:
    """The comparison that decided: the first verification, which an undo then answers to."""
    for step in run.steps:
        if isinstance(step.action, Verify) and step.result is not None:
            return step.result.differences
    return ()


def _findings(after: Assessment | None) -> tuple[str, ...]:
    if after is None:
        return ()
    rivals = tuple(
        f"{rival.name} may install updates by itself{': ' if rival.detail else ''}{rival.detail}"
        for rival in after.rivals
        if rival.active != Known.NO
    )
    return (*after.incomplete_because, *rivals, *after.findings)


_TITLES: Mapping[type[object], str] = {
    Look: "Look",
    Ask: "Ask the checks",
    Keep: "Keep the earlier versions",
    Repair: "Repair the package database",
    Install: "Install",
    RestartServices: "Restart services",
    Reboot: "Reboot",
    Verify: "Verify health",
    Undo: "Undo",
    Call: "Hook",
    Download: "Download ahead",
}


def _step(step: Step) -> StepReport:
    return StepReport(
        key=step.action.key,
        title=_title(step.action),
        started_at=step.started_at,
        finished_at=step.finished_at,
        result=step.result.told if step.result else "not ended",
        ahead=is_ahead(step),
    )


def _title(action: Action) -> str:
    title = _TITLES[type(action)]
    match action:
        case Keep(packages=()):
            return f"Prepare the way back ({_counted(len(action.coming), 'update')})"
        case Keep() | Install() | Download():
            return f"{title} ({_counted(len(action.packages), 'package')})"
        case Undo():
            count = len(action.packages) or len(action.remove)
            return f"{title} ({_counted(count, 'package')})"
        case RestartServices():
            return f"{title}: {', '.join(action.services)}"
        case Call():
            return f"{title} {action.hook.when}: {action.hook.name}"
        case _:
            return title


def empty_plan(machine: str, refused: str) -> MachinePlan:
    """Return the plan of a machine that nothing could be planned for."""
    return MachinePlan(machine=machine, refused=refused)
