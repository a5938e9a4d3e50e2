"""Undoing: back to exactly the earlier versions, and judged again."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping

from patchyard.domain.actions import Action, Ask, Finish, Undo, Verify
from patchyard.domain.hooking import call_before
from patchyard.domain.judgement import regressions
from patchyard.domain.outcome import Status
from patchyard.domain.path import PathKind, RebootSetting
from patchyard.domain.procedure import (
    Ended,
    NoRoom,
    Procedure,
    look,
    look_repaired,
    preflight,
    reboot_now,
    result_of,
    stop_if_lost,
    stop_on_fault,
    take_effect,
)
from patchyard.domain.record import MachineRun, Step
from patchyard.domain.restore import PackageVersion, UndoTarget
from patchyard.domain.updates import Assessment

SHOWN = 5
"""Differences named in a reason; the report has them all."""


def undo(run: MachineRun, before: Assessment, after: Assessment, why: str) -> Procedure:
    """Go back to exactly what was there before this run, and be judged again."""
    planned = {update.key for update in run.plan.updates}
    for attempt in range(2):
        target, now = lasting(before, after, but=planned), lasting(after, before, but=planned)
        step = yield Undo(
            key=f"undo-{attempt}",
            folder=run.restore_folder,
            packages=_differing(target, now),
            remove=tuple(sorted(set(now) - set(target))),
            kept=run.kept,
        )
        stop_if_lost(step)
        after = yield from look(run, f"undone-{attempt}")
        after = yield from _reboot_if_it_waits(run, f"undone-{attempt}-reboot", after)
        target, now = lasting(before, after), lasting(after, before)
        if now == target and not after.database_problems:
            return (yield from _judge_undo(run, before, after, why))
    left = difference(target, now) or "; ".join(after.database_problems)
    reason = f"{why}; undo did not bring back: {left}"
    return Finish(status=Status.NEEDS_REPAIR, reason=reason)


def _reboot_if_it_waits(
    run: MachineRun, key: str, after: Assessment
) -> Generator[Action, Step, Assessment]:
    """Where what was undone is gone only after a reboot, reboot before it is judged."""
    if not after.reboot_first or run.reboot == RebootSetting.NEVER:
        return after
    why = "what was undone is gone after a reboot only"
    try:
        return (yield from reboot_now(run, key, after, why))
    except NoRoom as late:
        raise Ended(Finish(status=Status.NEEDS_REPAIR, reason=str(late))) from None


def _judge_undo(run: MachineRun, before: Assessment, after: Assessment, why: str) -> Procedure:
    owed, after = yield from take_effect(run, "undo-", before, after, changed=True)
    verdict = result_of((yield Verify(key="verify-undo")))
    if not verdict.healthy:
        reason = f"{why}; the earlier versions are back and it is still unhealthy: "
        return Finish(status=Status.NEEDS_REPAIR, reason=reason + regressions(verdict))
    note = f"; {owed.reason}" if owed.kind == PathKind.REBOOT_OWED else ""
    return Finish(status=Status.ROLLED_BACK, reason=why + note)


def undo_past(run: MachineRun, target: UndoTarget) -> Procedure:
    """Take an earlier run back, unless its packages were changed by something else since."""
    before = yield from preflight(run)
    moved = difference(
        target.installed, {key: before.packages.get(key, "") for key in target.installed}
    )
    if moved:
        reason = f"changed since that run, so undoing it would guess: {moved}"
        return Finish(status=Status.REFUSED, reason=reason)
    yield from call_before(run)
    stop_on_fault(run, (yield Ask(key="checks-before")))
    step = yield Undo(
        key="undo-0",
        folder=target.folder,
        packages=target.packages,
        remove=target.added,
        kept=target.kept,
    )
    stop_if_lost(step)
    after = yield from look_repaired(run, "undone-0")
    after = yield from _reboot_if_it_waits(run, "undone-0-reboot", after)
    wanted = dict(before.packages)
    wanted.update({package.key: package.version for package in target.packages})
    for key in target.added:
        wanted.pop(key, None)
    left = difference(_without(wanted, before, after), lasting(after, before))
    if left:
        reason = f"undo did not bring back: {left}"
        return Finish(status=Status.NEEDS_REPAIR, reason=reason)
    return (yield from _judge_undo(run, before, after, "taken back on request"))


def lasting(look: Assessment, other: Assessment, *, but: Iterable[str] = ()) -> dict[str, str]:
    """Return the packages of a look without those that come and go by themselves in either.

    `but` are keys that this run itself is about: they are its doing, whatever their class.
    """
    return _without(look.packages, look, other, but=but)


def _without(
    packages: Mapping[str, str], *looks: Assessment, but: Iterable[str] = ()
) -> dict[str, str]:
    moving = {key for look in looks for key in look.moving} - set(but)
    return {key: version for key, version in packages.items() if key not in moving}


def _differing(target: Mapping[str, str], now: Mapping[str, str]) -> tuple[PackageVersion, ...]:
    return tuple(
        PackageVersion.of(key, version)
        for key, version in sorted(target.items())
        if now.get(key) != version
    )


def difference(target: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Name the packages that are not at the wanted version, the first few."""
    keys = sorted(k for k in {*target, *now} if target.get(k, "") != now.get(k, ""))
    shown = [
        f"{k} is {now.get(k) or 'absent'}, not {target.get(k) or 'absent'}" for k in keys[:SHOWN]
    ]
    more = [f"and {len(keys) - SHOWN} more"] if len(keys) > SHOWN else []
    return "; ".join(shown + more)
