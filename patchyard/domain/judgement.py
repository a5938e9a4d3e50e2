"""The verdict on one machine: from a fresh look and the checks, never from an installer's word."""

from __future__ import annotations

from patchyard.domain.actions import Finish
from patchyard.domain.drift import still_to_install
from patchyard.domain.outcome import Status
from patchyard.domain.path import Path, PathKind
from patchyard.domain.record import MachineRun, Result
from patchyard.domain.updates import Assessment
from patchyard.domain.value import Known


def judge(run: MachineRun, final: Assessment, owed: Path, trouble: str, health: Result) -> Finish:
    """Judge a machine that was worked on and is healthy, from its last look.

    Args:
        run: what was to be done.
        final: the look after everything.
        owed: the path that is left after the one that was taken.
        trouble: what a package transaction said when it failed.
        health: the result of the verification.
    """
    missing = still_to_install(run.plan, final.packages)
    if missing:
        names = ", ".join(update.name for update in missing)
        reason = f"not installed: {names}" + (f" ({trouble})" if trouble else "")
        return Finish(status=Status.FAILED, reason=reason)
    warnings = _warnings(final, owed, health)
    if warnings:
        return Finish(status=Status.COMPLETED_WITH_WARNINGS, reason="; ".join(warnings))
    count = len(run.plan.updates)
    reason = f"{count} updates installed, checks hold" if count else "nothing to install"
    return Finish(status=Status.SUCCEEDED, reason=reason)


def _warnings(final: Assessment, owed: Path, health: Result) -> list[str]:
    warnings = []
    if owed.kind == PathKind.REBOOT_OWED:
        warnings.append(owed.reason)
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
