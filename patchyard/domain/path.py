"""The path: the least that must happen for installed fixes to take effect."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from patchyard.domain.updates import Assessment
from patchyard.domain.value import Known, Value


class RebootSetting(StrEnum):
    """What a run may do about reboots (azure.md 1.6; `always` is at least one per run)."""

    IF_REQUIRED = "if_required"
    NEVER = "never"
    ALWAYS = "always"


class PathKind(StrEnum):
    """The ways to make a fix effective, from the least impact to the most."""

    NONE = "none"
    RESTART_SERVICES = "restart_services"
    HOTPATCH = "hotpatch"
    LIVE_PATCH = "live_patch"
    REBOOT = "reboot"
    REBOOT_OWED = "reboot_owed"


class Path(Value):
    """One decision with its reason. `services` are restarted where there is no reboot."""

    kind: PathKind
    reason: str
    services: tuple[str, ...] = ()


def allowed(
    asked: RebootSetting, rules: Iterable[str | None], *, only_hotpatches: bool
) -> RebootSetting:
    """Say what a run may do about a machine's reboots: nothing, where only hotpatches are wanted.

    `rules` are those by which the machine's updates are hotpatches; a system that has none has only
    None, and is rebooted as was asked.
    """
    if only_hotpatches and any(rule is not None for rule in rules):
        return RebootSetting.NEVER
    return asked


def choose_path(
    assessment: Assessment,
    setting: RebootSetting,
    *,
    changed: bool = True,
    rebooted: bool = False,
    hotpatched: bool = False,
) -> Path:
    """Decide what a machine needs now.

    Args:
        assessment: a fresh look at the machine.
        setting: what the run may do about reboots.
        changed: whether this run changed packages on the machine.
        rebooted: whether this run has rebooted it already; `always` is then fulfilled.
        hotpatched: whether hotpatches are among what this run installed.

    Whether a reboot is owed can be unknown. With `if_required` an unknown is rebooted after a
    change to packages: the promise is that fixes take effect, and a reboot makes it certain.
    """
    needs, why = reboot_need(assessment)
    restart = tuple(s.name for s in assessment.outdated_services if s.restartable)
    if setting == RebootSetting.ALWAYS and not rebooted:
        return Path(kind=PathKind.REBOOT, reason=f"the reboot setting is always; {why}")
    if needs == Known.UNKNOWN and changed and not rebooted:
        needs, why = Known.YES, f"{why}, and packages were changed"
    if needs == Known.YES and _live_patched(assessment):
        if not changed or rebooted or assessment.outdated_services_known != Known.UNKNOWN:
            return _covered(assessment, restart)
        why = f"{why}; a live patch covers that, but other replaced code that runs cannot be seen"
    if needs == Known.YES:
        return _reboot(setting, why, restart, rebooted=rebooted)
    if restart:
        return Path(
            kind=PathKind.RESTART_SERVICES,
            reason=f"{len(restart)} services run code that was replaced: {', '.join(restart)}",
            services=restart,
        )
    if hotpatched and changed and needs == Known.NO:
        return Path(kind=PathKind.HOTPATCH, reason=f"hotpatches took effect at once; {why}")
    return Path(kind=PathKind.NONE, reason=why)


def reboot_need(assessment: Assessment) -> tuple[Known, str]:
    """Say whether a machine needs a reboot for its fixes to take effect, and why."""
    reasons = list(assessment.reboot_reasons)
    stuck = [s.name for s in assessment.outdated_services if not s.restartable]
    if stuck:
        reasons.append(f"{', '.join(stuck)} run replaced code and cannot be restarted safely")
    if assessment.kernel.outdated == Known.YES:
        newest = assessment.kernel.newest_installed
        reasons.append(f"kernel {assessment.kernel.running} runs, {newest} is installed")
    if assessment.reboot_required == Known.YES or reasons:
        return Known.YES, "; ".join(dict.fromkeys(reasons)) or "the machine asks for a reboot"
    unknown = _unknowns(assessment)
    if unknown:
        return Known.UNKNOWN, f"whether a reboot is owed cannot be seen ({', '.join(unknown)})"
    return Known.NO, "nothing runs replaced code"


def _unknowns(assessment: Assessment) -> list[str]:
    """Name what could not be seen. A missing reboot flag alone proves nothing either way."""
    unknown = []
    if assessment.outdated_services_known == Known.UNKNOWN:
        unknown.append("running code")
    if assessment.kernel.outdated == Known.UNKNOWN and assessment.kernel.applicable != Known.NO:
        unknown.append("kernel")
    return unknown


def _live_patched(assessment: Assessment) -> bool:
    """True where the kernel is the only reason and a live patch stands in for it."""
    patch = assessment.live_patch
    if patch is None or patch.state != "applied":
        return False
    if patch.covers_until is not None and patch.covers_until <= assessment.taken_at:
        return False
    stuck = any(not service.restartable for service in assessment.outdated_services)
    others = assessment.reboot_reasons or stuck
    return assessment.kernel.outdated == Known.YES and not others


def _covered(assessment: Assessment, restart: tuple[str, ...]) -> Path:
    until = assessment.live_patch.covers_until if assessment.live_patch else None
    text = f" until {until:%Y-%m-%d}" if until else ""
    return Path(
        kind=PathKind.LIVE_PATCH,
        reason=f"a live patch covers the kernel{text}",
        services=restart,
    )


def _reboot(setting: RebootSetting, why: str, restart: tuple[str, ...], *, rebooted: bool) -> Path:
    if setting == RebootSetting.NEVER:
        reason = f"a reboot is owed and the reboot setting is never: {why}"
        return Path(kind=PathKind.REBOOT_OWED, reason=reason, services=restart)
    if rebooted:
        reason = f"a reboot is still owed after one in this run: {why}"
        return Path(kind=PathKind.REBOOT_OWED, reason=reason, services=restart)
    return Path(kind=PathKind.REBOOT, reason=why)
