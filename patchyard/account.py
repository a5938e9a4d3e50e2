"""The account of a run: its records, gathered into the report."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from patchyard.approving import answers_of, emergency_of, narrowed_away
from patchyard.domain.account import account
from patchyard.domain.admission import EXCEEDED
from patchyard.domain.inventory import Machine, OsFamily
from patchyard.domain.outcome import Status, together
from patchyard.domain.path import RebootSetting
from patchyard.domain.plan import MachinePlan, Plan
from patchyard.domain.record import MachineRun
from patchyard.domain.report import HookReport, MachineReport, NoticeReport, RunReport
from patchyard.domain.updates import Assessment, Classification, Compliance, compliance
from patchyard.domain.verdict import verdict
from patchyard.domain.watch import Finding
from patchyard.execution import recorded
from patchyard.fleet import BEFORE, machine_run
from patchyard.maintenance_parameters import bare_key
from patchyard.openings import Closed
from patchyard.powering import power_findings
from patchyard.runs import Run
from patchyard.store import MachineRecord

SECURITY = frozenset({Classification.CRITICAL, Classification.SECURITY})


def report_of(
    run: Run,
    *,
    plan: Plan | None,
    halted_because: str = "",
    drift: tuple[str, ...] = (),
    watch: tuple[Finding, ...] = (),
) -> RunReport:
    """Gather the report of an open run from its records, as they are now."""
    records = {record.machine: record for record in run.store.machines(run.id)}
    seen = run.store.assessments(run.id, BEFORE)
    dry_run = bool(run.record.parameters.get("dry_run", False))
    away = narrowed_away(run, plan) if plan else {}
    power = power_findings(run)
    machines = tuple(
        _with_finding(
            _machine(
                run, record, plan, seen.get(name), dry_run=dry_run, narrowed_by=away.get(name, "")
            ),
            power.get(name, ""),
        )
        for name, record in records.items()
    )
    waves = plan.waves if plan else ()
    planned = {name for wave in waves for name in wave}
    not_reached = tuple(
        name
        for name, record in records.items()
        if record.status == Status.NOT_STARTED
        and not dry_run
        and (name in planned or EXCEEDED in record.reason)
    )
    hooks, notices = _hooks(run), _notices(run)
    troubled = any(hook.failed for hook in hooks) or any(notice.failed for notice in notices)
    return RunReport(
        run_id=run.id,
        flow_run_id=run.record.flow_run_id,
        kind=run.record.kind,
        inventory=run.record.inventory,
        scope=run.record.scope,
        dry_run=dry_run,
        status=_status(machines, halted_because, not_reached, troubled=troubled),
        plan_hash=plan.hash if plan else "",
        halted_because=halted_because,
        resumed=run.resumed,
        started_at=run.record.started_at,
        finished_at=run.clock(),
        waves=waves,
        not_reached=not_reached,
        drift=drift,
        watch=watch,
        window=_window(run),
        promoted=plan.promoted if plan else None,
        approvals=answers_of(run),
        hooks=hooks,
        notices=notices,
        emergency=emergency_of(run),
        machines=machines,
    )


def _with_finding(machine: MachineReport, finding: str) -> MachineReport:
    if not finding:
        return machine
    return machine.model_copy(update={"findings": (finding, *machine.findings)})


def closed_report(run: Run, closed: Closed) -> RunReport:
    """Return the report of a run that was not let into its window: nothing was done."""
    return RunReport(
        run_id=run.id,
        flow_run_id=run.record.flow_run_id,
        kind=run.record.kind,
        inventory=run.record.inventory,
        scope=run.record.scope,
        status=Status.REFUSED,
        halted_because=f"{closed.word}: {closed.reason}",
        started_at=run.record.started_at,
        finished_at=run.clock(),
        machines=(),
        window=_window(run),
        emergency=emergency_of(run),
    )


def _window(run: Run) -> str:
    if run.window is None:
        return ""
    start, end = run.window.start.astimezone(UTC), run.window.end.astimezone(UTC)
    return f"{run.window.key}, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"


def _hooks(run: Run) -> tuple[HookReport, ...]:
    return tuple(
        HookReport(
            name=each.name,
            when=each.when,
            wave=each.wave,
            code=each.code,
            detail=each.detail,
            attempts=each.attempts,
            started_at=each.started_at,
            finished_at=each.finished_at,
        )
        for each in run.store.hooks(run.id)
        if each.name
    )


def _notices(run: Run) -> tuple[NoticeReport, ...]:
    """Return who was told of the run, and before it of its window. A dry run is told to nobody."""
    window = bare_key(run.window.key) if run.window else ""
    dry_run = bool(run.record.parameters.get("dry_run"))
    found = () if dry_run else run.store.notices(run.inventory.name, window, run.id)
    return tuple(
        NoticeReport(
            moment=each.moment,
            to=each.to,
            address=each.address,
            state=each.state,
            detail=each.detail,
            at=each.ended_at or each.claimed_at,
        )
        for each in found
    )


def _status(
    machines: tuple[MachineReport, ...],
    halted_because: str,
    not_reached: tuple[str, ...],
    *,
    troubled: bool = False,
) -> Status:
    if halted_because or not_reached:
        return Status.FAILED
    status = together(machine.status for machine in machines)
    warned = troubled and status == Status.SUCCEEDED
    return Status.COMPLETED_WITH_WARNINGS if warned else status


def _machine(
    run: Run,
    record: MachineRecord,
    plan: Plan | None,
    seen: Assessment | None,
    *,
    dry_run: bool,
    narrowed_by: str = "",
) -> MachineReport:
    machine = _machine_of(run, record.machine)
    if plan is None:
        bare = MachinePlan(machine=machine.name)
        work = MachineRun(run.id, bare, machine.policy, RebootSetting.IF_REQUIRED)
    else:
        work = recorded(run.workshop(), machine_run(run, machine))
    return account(
        machine,
        work,
        status=record.status,
        reason=_reason(record, dry_run=dry_run, narrowed_by=narrowed_by),
        wave=record.wave,
        classifications=classes_of(run, machine),
        planned_from=seen,
    )


def _machine_of(run: Run, name: str) -> Machine:
    """Return a machine; one that the inventory has no more has only its name."""
    return run.inventory.machine(name) or Machine(name=name, address="")


def _reason(record: MachineRecord, *, dry_run: bool, narrowed_by: str) -> str:
    if record.reason or record.status != Status.NOT_STARTED:
        return record.reason
    if narrowed_by:
        return f"not among what {narrowed_by} approved"
    return "planned" if dry_run else "not reached"


def classes_of(run: Run, machine: Machine) -> frozenset[Classification]:
    """Return the classes that a machine's compliance is judged by in this run."""
    given = run.record.parameters
    windows = given.get("windows") if machine.os_family == OsFamily.WINDOWS else None
    asked = (windows or given).get("classifications")
    return frozenset(Classification(name) for name in asked) if asked else SECURITY


def close(run: Run, report: RunReport) -> RunReport:
    """Record the end of the run with its report, and answer the report.

    Where another controller has the run by now, its end is for that one to record.
    """
    if run.lost.is_set():
        return report
    run.store.finish_run(
        run.id, report.status, verdict(report), run.clock(), report.model_dump(mode="json")
    )
    return report


def assessment_rows(run: Run) -> list[dict[str, Any]]:
    """Return the table of an assessment: one row a machine, those that need a person first."""
    seen = run.store.assessments(run.id, BEFORE)
    rows = [
        _assessment_row(run, record, seen.get(record.machine))
        for record in run.store.machines(run.id)
    ]
    order = [Compliance.UNKNOWN, Compliance.MISSING, Compliance.COMPLIANT]
    return sorted(rows, key=lambda row: (order.index(row["compliance"]), row["machine"]))


def _assessment_row(run: Run, record: MachineRecord, seen: Assessment | None) -> dict[str, Any]:
    judged = compliance(seen, classes_of(run, _machine_of(run, record.machine)))
    row: dict[str, Any] = {"machine": record.machine, "compliance": judged}
    if seen is None:
        return {**row, "os": "", "security": "", "other": "", "reboot": "", "note": record.reason}
    security = len(seen.of_class(SECURITY))
    return {
        **row,
        "os": seen.os.pretty_name,
        "security": security,
        "other": len(seen.updates) - security,
        "reboot": seen.reboot_required,
        "note": "; ".join(seen.incomplete_because),
    }


def wave_rows(run: Run, wave: int) -> list[dict[str, Any]]:
    """Return the table of one wave: one row a machine, with its verdict and the reason."""
    return [
        {"machine": record.machine, "status": record.status, "reason": record.reason}
        for record in run.store.machines(run.id)
        if record.wave == wave
    ]
