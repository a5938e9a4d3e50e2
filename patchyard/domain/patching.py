"""Patching one machine, from the preflight to the verdict."""

from __future__ import annotations

from collections.abc import Generator

from patchyard.domain.actions import Action, Ask, Finish, Install, Keep, Look, Verify
from patchyard.domain.drift import still_to_install
from patchyard.domain.judgement import judge, regressions, unhealthy
from patchyard.domain.outcome import Status
from patchyard.domain.plan import PlannedUpdate
from patchyard.domain.planning import split
from patchyard.domain.procedure import (
    Ended,
    Procedure,
    look_repaired,
    preflight,
    result_of,
    seen_by,
    stop_on_fault,
    take_effect,
)
from patchyard.domain.record import MachineRun, Result, Step
from patchyard.domain.restore import PackageVersion
from patchyard.domain.undoing import undo
from patchyard.domain.updates import Assessment

SPLIT_LEVELS = 3
"""All at once, then tenths, then one by one."""


def patch_procedure(run: MachineRun) -> Procedure:
    """Install the plan, make it effective, verify, and undo it where it made the machine worse."""
    before = yield from preflight(run)
    wanted = still_to_install(run.plan, before.packages)
    answers = yield Ask(key="checks-before")
    stop_on_fault(answers, touched=False)
    undoable, why_not = True, ""
    if wanted:
        undoable, why_not = yield from _restore_point(run, before, wanted)
        after, trouble = yield from _install(run, before, wanted)
    else:
        after, trouble = before, ""
    changed = after.packages != before.packages
    owed, after = yield from take_effect(run, "", before, after, changed=changed)
    verdict = result_of((yield Verify(key="verify")))
    if not verdict.healthy:
        if not changed:
            raise Ended(unhealthy(verdict, "nothing was changed by this run"))
        if not undoable:
            raise Ended(unhealthy(verdict, f"it could not be undone: {why_not}"))
        return (yield from undo(run, before, after, regressions(verdict)))
    final = seen_by(run, (yield Look(key="verdict", refresh=True)), touched=changed)
    return judge(run, final, owed, trouble, verdict)


def _restore_point(
    run: MachineRun, before: Assessment, wanted: tuple[PlannedUpdate, ...]
) -> Generator[Action, Step, tuple[bool, str]]:
    """Keep the present versions. Answers whether undo is possible, and if not, why not."""
    if run.policy.undo == "never":
        return False, "the undo policy is never"
    packages = tuple(
        PackageVersion.of(update.key, before.packages[update.key])
        for update in wanted
        if update.key in before.packages
    )
    step = yield Keep(key="restore-point", folder=run.restore_folder, packages=packages)
    why_not = _not_kept(result_of(step))
    if why_not and run.policy.undo == "required":
        reason = f"the undo policy is required and undo is not possible: {why_not}"
        raise Ended(Finish(status=Status.REFUSED, reason=reason))
    return not why_not, why_not


def _not_kept(result: Result) -> str:
    if result.fault is not None:
        return result.fault.detail
    if result.restore_point is None:
        return "the restore point could not be read"
    return "; ".join(
        f"{kept.key} {kept.version}: {kept.problem}" for kept in result.restore_point.missing
    )


def _install(
    run: MachineRun, before: Assessment, wanted: tuple[PlannedUpdate, ...]
) -> Generator[Action, Step, tuple[Assessment, str]]:
    """Install all at once, then what failed in smaller parts. Answers what is there afterwards."""
    seen, trouble = before, ""
    for level in range(SPLIT_LEVELS):
        for index, batch in enumerate(split(wanted, level)):
            packages = tuple(
                PackageVersion(name=u.name, architecture=u.architecture, version=u.to_version)
                for u in batch
            )
            step = yield Install(key=f"install-{level}-{index}", packages=packages)
            stop_on_fault(step, touched=True)
            trouble = _trouble(result_of(step)) or trouble
        seen = yield from look_repaired(run, f"installed-{level}")
        wanted = still_to_install(run.plan, seen.packages)
        if not wanted:
            return seen, ""
    return seen, trouble


def _trouble(result: Result) -> str:
    if result.fault is not None:
        return result.fault.detail
    if result.transaction is None or result.transaction.exit_status == 0:
        return ""
    return result.transaction.detail or result.transaction.problem
