"""From an open run's assessments to its frozen plan, and from its records to the rollout."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from patchyard.advised import advised
from patchyard.approving import narrowed_away, waiting_waves
from patchyard.domain.census import GOOD
from patchyard.domain.drift import DriftKind, drift, not_promoted
from patchyard.domain.inventory import OsFamily
from patchyard.domain.limits import per_domain
from patchyard.domain.outcome import Status
from patchyard.domain.path import PathKind, RebootSetting, allowed, choose_path
from patchyard.domain.plan import LeftOut, MachinePlan, Plan
from patchyard.domain.planning import make_plan
from patchyard.domain.rollout import Budget, Limits, Rollout
from patchyard.domain.scope import parse
from patchyard.domain.selection import Selection
from patchyard.domain.updates import Assessment, Compliance, compliance
from patchyard.fleet import BEFORE
from patchyard.grouping import Others, check_rules, groups_of, machine_of, waves_of
from patchyard.other_runs import OtherRuns
from patchyard.parameters import PatchParameters, RollbackParameters
from patchyard.powering import off_again
from patchyard.promoting import promote
from patchyard.runs import Run


def select_machines(run: Run) -> list[str]:
    """Return the names in scope, recorded with the run the first time.

    Raises:
        ConfigurationError: the scope cannot be read, or the availability rules cannot hold.
    """
    known = [record.machine for record in run.store.machines(run.id)]
    if known:
        return known
    machines = parse(run.record.scope).select(run.inventory.machines)
    check_rules(run, machines)
    names = [machine.name for machine in machines]
    run.store.add_machines(run.id, [(name, None, i) for i, name in enumerate(names)])
    return names


def plan_of(run: Run) -> Plan | None:
    """Return the plan that is frozen for the run; None where there is none yet."""
    return run.store.find_plan(run.id)


def plan_run(run: Run, parameters: PatchParameters) -> Plan:
    """Freeze the plan of a run from its assessments, and record each machine's part in it."""
    promoted, versions = promote(run, *run.ring) if run.ring else (None, None)
    names = select_machines(run)
    selections = _selections(run, names, parameters, versions)
    seen = advised(run.store.assessments(run.id, BEFORE), parameters.fixes)
    assessments = {name: seen.get(name) for name in names}
    bare = make_plan(run.inventory.name, run.record.scope, assessments, selections, ())
    todo = [run.machine(p.machine) for p in bare.machines if _work(run, p, seen, parameters)]
    waves = waves_of(run, todo, parameters.waves)
    plan = bare.model_copy(update={"waves": waves, "promoted": promoted})
    run.store.set_plan(run.id, plan)
    _record(run, plan, seen, selections)
    return plan


def _selections(
    run: Run,
    names: Iterable[str],
    parameters: PatchParameters,
    promoted: tuple[tuple[str, str], ...] | None,
) -> dict[str, Selection]:
    """Return what each machine gets, by the family of its system."""
    by_family = {
        family: parameters.selection(family).model_copy(update={"promoted": promoted})
        for family in OsFamily
    }
    return {name: by_family[machine_of(run, name).os_family] for name in names}


def _work(
    run: Run, plan: MachinePlan, seen: dict[str, Assessment], parameters: PatchParameters
) -> bool:
    """Say whether anything is to be done: updates, or a reboot or restart that is owed."""
    assessment = seen.get(plan.machine)
    if plan.refused or assessment is None:
        return False
    if plan.updates:
        return True
    setting = allowed(
        RebootSetting(run.machine(plan.machine).policy.reboot or parameters.reboot),
        (update.hotpatch for update in assessment.updates),
        only_hotpatches=parameters.hotpatch_only,
    )
    path = choose_path(assessment, setting, changed=False)
    return path.kind in {PathKind.REBOOT, PathKind.RESTART_SERVICES}


def _record(
    run: Run,
    plan: Plan,
    seen: dict[str, Assessment],
    selections: Mapping[str, Selection],
) -> None:
    waves = {name: number for number, wave in enumerate(plan.waves, 1) for name in wave}
    at = run.clock()
    run.store.place_machines(run.id, waves)
    for part in plan.machines:
        name = part.machine
        if name in waves:
            run.store.set_machine(run.id, name, Status.NOT_STARTED, "", at)
        elif name in seen:
            status, reason = _nothing_to_do(seen[name], part, selections[name])
            run.store.set_machine(run.id, name, status, reason, at)


def _nothing_to_do(seen: Assessment, part: MachinePlan, selection: Selection) -> tuple[Status, str]:
    """Judge a machine that gets nothing. Only a complete look proves that nothing is missing."""
    classifications = selection.classifications
    judged = compliance(seen, classifications)
    if _all_fixed(seen, selection):
        return Status.SUCCEEDED, f"nothing to do: {', '.join(selection.fixes)} fixed already"
    if judged == Compliance.COMPLIANT and (missing := _unproven(seen, selection.fixes)):
        reason = (
            f"no update that is there is known to fix {missing}; whether it is fixed is unknown"
        )
        return Status.COMPLETED_WITH_WARNINGS, reason
    if judged == Compliance.COMPLIANT:
        return Status.SUCCEEDED, "nothing to do"
    if judged == Compliance.UNKNOWN:
        because = "; ".join(seen.incomplete_because)
        return Status.COMPLETED_WITH_WARNINGS, f"whether updates are missing is unknown: {because}"
    left = [item for item in part.left_out if item.classification in classifications]
    named = ", ".join(f"{item.name} ({_why(item)})" for item in left[:5])
    return Status.COMPLETED_WITH_WARNINGS, f"nothing installable; left out: {named}"


def _all_fixed(seen: Assessment, selection: Selection) -> bool:
    """True where fixes are all that was asked for, and what is installed proves every one."""
    only_fixes = bool(selection.fixes) and not selection.include
    return only_fixes and not _unproven(seen, selection.fixes)


def _unproven(seen: Assessment, fixes: Iterable[str]) -> str:
    """Return what was to be fixed and nothing proves to be.

    Proven is an article of Windows that is installed, and what the table of advisories says of the
    installed versions.
    """
    there = {key.partition(":")[0].upper() for key in seen.packages}
    proven = {*(each for each in there if each.startswith("KB")), *seen.fixed}
    return ", ".join(each for each in fixes if each.upper() not in proven)


class RecordedRollout:
    """The rollout of an open run, rebuilt from what is recorded each time it is asked.

    What the record cannot change, such as who is in which wave, is worked out once: a large run
    asks thousands of times.
    """

    def __init__(
        self, run: Run, plan: Plan, parameters: PatchParameters | RollbackParameters
    ) -> None:
        self._run = run
        away = narrowed_away(run, plan)
        self._unapproved = waiting_waves(run, plan)
        groups = groups_of(run)
        self._members = tuple(
            groups.member(machine_of(run, name), number)
            for number, wave in enumerate(plan.waves, start=1)
            for name in wave
            if name not in away
        )
        placed = {member.name for member in self._members}
        others = Others.of(run, placed, away)
        self._absent = tuple(groups.member(each, 0) for each in others.absent)
        self._unserved = tuple(groups.member(each, 0) for each in others.unserved)
        here = {*placed, *(machine.name for machine in others.machines)}
        self._others = OtherRuns(run, groups, [machine_of(run, n) for n in here], others.idle)
        self._done_well = GOOD | {Status.ROLLED_BACK} if run.record.kind == "rollback" else GOOD
        self._budget = _budget(parameters)
        self._limits = _limits(parameters)
        self._forgiven = frozenset(getattr(parameters, "forgive", ()))
        self._window = run.window

    def now(self) -> Rollout:
        """Return the rollout as it is recorded now, and what other runs keep away from it."""
        away = self._others.look()
        standings = self._run.store.standings(self._run.id)
        ended: dict[int, datetime] = {}
        for member in self._members:
            at = standings[member.name].finished_at
            if at is not None:
                ended[member.wave] = max(ended.get(member.wave, at), at)
        return Rollout(
            members=self._members,
            statuses={m.name: standings[m.name].status for m in self._members},
            wave_finished_at=ended,
            budget=self._budget,
            limits=self._limits,
            cancel_requested=self._run.cancelled(),
            forgiven=self._forgiven,
            absent=self._absent,
            unserved=self._unserved,
            quorums=self._others.needed,
            in_other_runs=away,
            off=off_again(self._run),
            done_well=self._done_well,
            unapproved=self._unapproved,
            pending=frozenset(self._run.pending),
            opens_at=self._window.start if self._window else None,
            closes_at=self._window.end if self._window else None,
            stop_because="; ".join(self._run.stops.values()),
            to_download=frozenset(self._run.to_download),
            canary=self._run.record.kind == "emergency",
        )

    def start(self, names: Collection[str]) -> bool:
        """Record that work on machines begins, before it does.

        False where another run has begun or lost a machine since the last question: ask anew.
        """
        return self._others.start(names)


def _why(item: LeftOut) -> str:
    return f"{item.why}: {item.detail}" if item.detail else str(item.why)


def _budget(parameters: PatchParameters | RollbackParameters) -> Budget:
    if isinstance(parameters, PatchParameters):
        return Budget(
            max_failures=parameters.max_failures,
            max_failure_percent=parameters.max_failure_percent,
        )
    return Budget(max_failures=None, max_failure_percent=None)


def _limits(parameters: PatchParameters | RollbackParameters) -> Limits:
    if isinstance(parameters, PatchParameters):
        return Limits(
            slots=parameters.slots,
            per_domain=per_domain(parameters.domain_limit),
            soak=timedelta(minutes=parameters.soak_minutes),
        )
    return Limits(slots=parameters.slots)


def interrupted(run: Run) -> list[str]:
    """Return the machines whose record says that they are at work."""
    at_work = Status.IN_PROGRESS
    return [r.machine for r in run.store.machines(run.id) if r.status == at_work]


def note_downloads(run: Run, plan: Plan) -> None:
    """Note whose updates can be fetched before the run's window opens; none where it has none."""
    if run.preparing:
        planned = {part.machine for part in plan.machines if part.updates}
        placed = {name for wave in plan.waves for name in wave}
        run.to_download = (planned & placed) - run.store.downloaded(run.id)


def drift_of(run: Run, plan: Plan) -> tuple[str, ...]:
    """Tell what the repositories or others moved between the plan and the last look."""
    seen = run.store.last_assessments(run.id)
    return not_promoted(plan) + tuple(
        f"{part.machine}: {change.text}"
        for part in plan.machines
        if part.machine in seen
        for change in drift(part, seen[part.machine])
        if change.kind != DriftKind.ALREADY_INSTALLED
    )
