"""Patching one machine, from the preflight to the verdict."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from patchyard.domain.actions import Action, Ask, Finish, Install, Keep, Verify
from patchyard.domain.drift import still_to_install
from patchyard.domain.health import Answer
from patchyard.domain.hooking import call_before
from patchyard.domain.judgement import judge, regressions, unhealthy
from patchyard.domain.outcome import Status
from patchyard.domain.path import RebootSetting
from patchyard.domain.plan import PlannedUpdate
from patchyard.domain.planning import split
from patchyard.domain.procedure import (
    Ended,
    NoRoom,
    Procedure,
    exceeded,
    look,
    look_repaired,
    preflight,
    reboot_now,
    result_of,
    stop_if_lost,
    stop_on_fault,
    take_effect,
)
from patchyard.domain.record import MachineRun, Result, Step
from patchyard.domain.restore import PackageVersion
from patchyard.domain.transaction import InstallProblem
from patchyard.domain.undoing import lasting, undo
from patchyard.domain.updates import Assessment

SPLIT_LEVELS = 3
"""All at once, then tenths, then one by one."""

ROUNDS = 4
"""Rounds of installing with a reboot between them, where what is left waits for one.

Google's OS Config allows five reboots a task: three between rounds, one before and one after them.
"""


def patch_procedure(run: MachineRun) -> Procedure:
    """Install the plan, make it effective, verify, and undo it where it made the machine worse."""
    before = yield from preflight(run)
    yield from call_before(run)
    before = yield from _reboot_that_comes_first(run, before)
    wanted = still_to_install(run.plan, before.packages)
    answers = yield Ask(key="checks-before")
    stop_on_fault(run, answers)
    _stop_if_blind(result_of(answers).answers)
    undoable, why_not = True, ""
    if wanted:
        undoable, why_not = yield from _restore_point(run, before, wanted)
        after, trouble = yield from _install(run, wanted)
    else:
        after, trouble = before, Trouble()
    planned = [update.key for update in run.plan.updates]
    changed = lasting(after, before, but=planned) != lasting(before, after, but=planned)
    owed, after = yield from take_effect(run, "", before, after, changed=changed)
    verdict = result_of((yield Verify(key="verify")))
    if not verdict.healthy:
        if not changed:
            raise Ended(unhealthy(verdict, "no update was installed by this run"))
        if not undoable:
            raise Ended(unhealthy(verdict, f"it could not be undone: {why_not}"))
        return (yield from undo(run, before, after, regressions(verdict)))
    final = yield from look(run, "verdict", refresh=True)
    return judge(run, final, owed, trouble.words, verdict, cancelled=trouble.cancelled)


def _stop_if_blind(answers: tuple[Answer, ...]) -> None:
    """End where checks are declared and none could be asked: harm would not be seen afterwards."""
    if answers and not any(answer.known for answer in answers):
        first = answers[0]
        reason = f"no health check could be asked before: {first.check}: {first.detail}"
        raise Ended(Finish(status=Status.REFUSED, reason=reason))


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
    step = yield Keep(
        key="restore-point",
        folder=run.restore_folder,
        packages=packages,
        coming=tuple(PackageVersion.of(update.key, update.to_version) for update in wanted),
    )
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


def _reboot_that_comes_first(
    run: MachineRun, before: Assessment
) -> Generator[Action, Step, Assessment]:
    """Some systems take no update before a reboot that is owed (azure.md 1.6: early reboot)."""
    if not before.reboot_first:
        return before
    reason = f"a reboot is owed and must come first: {'; '.join(before.reboot_reasons)}"
    if run.reboot == RebootSetting.NEVER:
        raise Ended(Finish(status=Status.REFUSED, reason=f"{reason}; the reboot setting is never"))
    try:
        after = yield from reboot_now(run, "early-reboot", before, reason)
    except NoRoom as late:
        raise Ended(Finish(status=Status.NOT_STARTED, reason=str(late))) from None
    if after.reboot_first:
        still = f"{reason}; it is still owed after a reboot"
        raise Ended(Finish(status=Status.FAILED, reason=still))
    return after


def _install(
    run: MachineRun, wanted: tuple[PlannedUpdate, ...]
) -> Generator[Action, Step, tuple[Assessment, Trouble]]:
    """Install in rounds. Answers what is there afterwards, and what went wrong."""
    prefix = ""
    for number in range(1, ROUNDS + 1):
        after, trouble = yield from _round(run, prefix, wanted)
        waiting = still_to_install(run.plan, after.packages)
        if trouble.cancelled:
            break
        again = waiting and after.reboot_first and run.reboot != RebootSetting.NEVER
        if not again or number == ROUNDS:
            break
        prefix = f"round-{number}-"
        reason = f"{len(waiting)} updates wait for it"
        try:
            after = yield from reboot_now(run, f"{prefix}reboot", after, reason)
        except NoRoom as late:
            return after, Trouble(str(late), cancelled=True)
        missing = still_to_install(run.plan, after.packages)
        # What the reboot has taken back is not put on again: that would go round and round.
        wanted = tuple(update for update in missing if update in waiting)
        if not wanted:
            break
    return after, trouble


@dataclass(frozen=True, slots=True)
class Trouble:
    """What went wrong with installing, in words; and whether somebody wanted nothing further."""

    words: str = ""
    cancelled: bool = False


def _round(
    run: MachineRun, prefix: str, wanted: tuple[PlannedUpdate, ...]
) -> Generator[Action, Step, tuple[Assessment, Trouble]]:
    """Install all at once, then what failed in smaller parts. Answers what is there afterwards."""
    trouble = Trouble()
    for level in range(SPLIT_LEVELS):
        for index, batch in enumerate(split(wanted, level)):
            packages = tuple(
                PackageVersion(name=u.name, architecture=u.architecture, version=u.to_version)
                for u in batch
            )
            step = yield Install(key=f"{prefix}install-{level}-{index}", packages=packages)
            _stop_if_it_is_the_first_and_late(step)
            stop_if_lost(step)
            trouble = _trouble(step, trouble)
            if trouble.cancelled:
                break
        seen = yield from look_repaired(run, f"{prefix}installed-{level}")
        left = still_to_install(run.plan, seen.packages)
        wanted = tuple(update for update in wanted if update in left)
        if not wanted:
            return seen, Trouble()
        if seen.reboot_first or trouble.cancelled:
            break
    return seen, trouble


def _stop_if_it_is_the_first_and_late(step: Step) -> None:
    """End where nothing was installed and nothing fits any more: all of it stays pending."""
    late = exceeded(step)
    if late is not None and step.action.key == "install-0-0":
        raise Ended(Finish(status=Status.NOT_STARTED, reason=late))


def _trouble(step: Step, before: Trouble) -> Trouble:
    late, result = exceeded(step), result_of(step)
    if late is not None:
        return Trouble(f"{before.words}; {late}" if before.words else late, cancelled=True)
    if result.fault is not None:
        return Trouble(result.fault.detail)
    if result.transaction is None or result.transaction.exit_status == 0:
        return before
    problem = result.transaction.problem
    return Trouble(result.transaction.detail or problem, problem == InstallProblem.CANCELLED)
