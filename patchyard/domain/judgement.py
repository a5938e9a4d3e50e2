"""The verdict on one machine: from a fresh look and the checks, never from an installer's word."""

from __future__ import annotations

from patchyard.domain.actions import Finish
from patchyard.domain.drift import still_to_install
from patchyard.domain.outcome import Status
from patchyard.domain.path import Path, PathKind
from patchyard.domain.plan import PlannedUpdate
from patchyard.domain.record import MachineRun, Result
from patchyard.domain.updates import BUILD, Assessment
from patchyard.domain.value import Known

PENDING = "installed_reboot_pending"
"""What a hotpatch is called whose effect without a reboot is not proven in every point."""


def judge(
    run: MachineRun,
    final: Assessment,
    owed: Path,
    trouble: str,
    health: Result,
    *,
    cancelled: bool = False,
) -> Finish:
    """Judge a machine that was worked on and is healthy, from its last look.

    Args:
        run: what was to be done.
        final: the look after everything.
        owed: the path that is left after the one that was taken.
        trouble: what a package transaction said when it failed.
        health: the result of the verification.
        cancelled: whether somebody wanted nothing further while it was worked on.
    """
    missing = still_to_install(run.plan, final.packages)
    if missing:
        status = Status.CANCELLED if cancelled else Status.FAILED
        return Finish(status=status, reason=_why_missing(run, missing, trouble))
    hot = any(update.hotpatch for update in run.plan.updates)
    warnings = [*_hotpatch_doubts(run, final, owed), *_warnings(final, owed, health, hot=hot)]
    if warnings:
        return Finish(status=Status.COMPLETED_WITH_WARNINGS, reason="; ".join(warnings))
    count = len(run.plan.updates)
    updates = f"{count} update{'' if count == 1 else 's'}"
    reason = f"{updates} installed, checks hold" if count else "nothing to install"
    return Finish(status=Status.SUCCEEDED, reason=reason)


def _why_missing(run: MachineRun, missing: tuple[PlannedUpdate, ...], trouble: str) -> str:
    """Tell those that were there and went again from those that never came."""
    seen = [look.packages for look in run.assessments.values()]
    gone = [u.name for u in missing if any(at.get(u.key) == u.to_version for at in seen)]
    never = [u.name for u in missing if u.name not in gone]
    told = [f"not installed: {', '.join(never)}" + (f" ({trouble})" if trouble else "")]
    back = f"installed, and taken back by the machine itself: {', '.join(gone)}"
    return "; ".join([*(told if never else []), *([back] if gone else [])])


def _hotpatch_doubts(run: MachineRun, final: Assessment, owed: Path) -> list[str]:
    """Say what speaks against hotpatches having taken effect without a reboot.

    That no reboot is asked for, by the installer, the agent or the registry, is what the path
    stands for: it is another one where that is not so (windows.md 2.2).
    """
    if owed.kind != PathKind.HOTPATCH:
        return []
    hot = [update for update in run.plan.updates if update.hotpatch]
    first = next((look.boot_id for look in run.assessments.values()), "")
    doubts = [*_build_doubts(hot, final.packages.get(BUILD, "")), *_offered_again(hot, final)]
    if not first or first != final.boot_id:
        doubts.append("the machine was rebooted by something else meanwhile")
    return [f"{PENDING}: {doubt}" for doubt in doubts]


def _build_doubts(hot: list[PlannedUpdate], build: str) -> list[str]:
    unknown = [update.name for update in hot if not update.build]
    wanted = {update.build for update in hot if update.build}
    doubts = [f"the build is {build or 'unknown'}, not {want}" for want in wanted - {build}]
    if unknown:
        doubts.append(f"the build after {', '.join(unknown)} is not known; refresh the table")
    return doubts


def _offered_again(hot: list[PlannedUpdate], final: Assessment) -> list[str]:
    offered = {(update.key, update.candidate) for update in final.updates}
    return [f"{u.name} is offered again" for u in hot if (u.key, u.to_version) in offered]


def _warnings(final: Assessment, owed: Path, health: Result, *, hot: bool) -> list[str]:
    warnings = []
    if owed.kind == PathKind.REBOOT_OWED:
        warnings.append(f"{PENDING}: {owed.reason}" if hot else owed.reason)
    if final.complete != Known.YES:
        because = "; ".join(final.incomplete_because) or "the sources could not be judged"
        warnings.append(f"whether updates are missing is unknown: {because}")
    already = [d.check for d in health.differences if d.already_bad]
    if already:
        warnings.append(f"not healthy before either: {', '.join(already)}")
    return warnings


def unhealthy(verdict: Result, note: str) -> Finish:
    """Judge a machine whose checks got worse and that stays as it is."""
    return Finish(status=Status.FAILED, reason=f"{regressions(verdict)}; {note}")


def regressions(verdict: Result) -> str:
    """Name the checks that got worse, in words."""
    worse = [d for d in verdict.differences if d.regressed]
    if verdict.fault is not None:
        return f"checks could not be asked: {verdict.fault.detail}"
    words = "; ".join(
        f"{d.check} {d.after}" + (f" ({d.detail})" if d.detail else "") for d in worse
    )
    return f"check failed after the update: {words or verdict.detail or 'no answer'}"
