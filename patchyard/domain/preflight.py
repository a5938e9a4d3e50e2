"""Preflight: what must be true of a machine before anything on it is changed."""

from __future__ import annotations

from enum import StrEnum

from patchyard.domain.inventory import Policy
from patchyard.domain.plan import MachinePlan, PlannedUpdate
from patchyard.domain.updates import Assessment, Filesystem
from patchyard.domain.value import Value

MIB = 1024 * 1024

INODES_PER_UPDATE = 200
"""Inodes set aside for each update: packages replace files by writing new ones beside them."""

SPARE_BYTES = 100 * MIB
"""What must stay free beside the plan's own need: logs, triggers, package lists."""

BOOT_BYTES_PER_KERNEL = 2 * 120 * MIB
"""Room in /boot for twice a kernel with its initial file system (failure-modes 2.13)."""

WINDOWS_DRIVE = "C:"
"""What the drive of Windows itself is called in an assessment, whatever its letter is."""

WINDOWS_BYTES = 10 * 1024 * MIB
"""Room for updates of Windows, or two and a half times the downloads if that is more
(windows.md 1.5)."""

KERNEL_PREFIXES = ("linux-image", "kernel", "linux-modules")


class ObstacleKind(StrEnum):
    """What stands in the way, by what can be done about it."""

    LOCKED = "locked"
    BROKEN_DATABASE = "broken_database"
    DISK = "disk"
    INODES = "inodes"
    CLOCK = "clock"


class Obstacle(Value):
    """One thing that stands in the way of changing a machine."""

    kind: ObstacleKind
    detail: str


def obstacles(assessment: Assessment, plan: MachinePlan, policy: Policy) -> tuple[Obstacle, ...]:
    """Return all that stands in the way of installing `plan`, worst first."""
    return (
        *_clock(assessment, policy),
        *_space(assessment, plan),
        *_database(assessment),
        *_locks(assessment),
    )


def room_to_download(assessment: Assessment, plan: MachinePlan) -> tuple[Obstacle, ...]:
    """Return what stands in the way of downloading `plan` ahead: room for that, and for the rest.

    The preflight of the install counts the download as still to come. Where there is not room for
    both, downloading ahead would be what keeps the plan from being installed.
    """
    return tuple(_space(assessment, plan, ahead=True))


def _clock(assessment: Assessment, policy: Policy) -> list[Obstacle]:
    skew = assessment.clock_skew
    if skew is None or abs(skew) <= policy.max_clock_skew:
        return []
    direction = "ahead of" if skew > 0 else "behind"
    detail = (
        f"the clock is {abs(skew):.0f} s {direction} the controller "
        f"(limit {policy.max_clock_skew} s)"
    )
    return [Obstacle(kind=ObstacleKind.CLOCK, detail=detail)]


def _database(assessment: Assessment) -> list[Obstacle]:
    if not assessment.database_problems:
        return []
    detail = "; ".join(assessment.database_problems)
    return [Obstacle(kind=ObstacleKind.BROKEN_DATABASE, detail=detail)]


def _locks(assessment: Assessment) -> list[Obstacle]:
    return [Obstacle(kind=ObstacleKind.LOCKED, detail=str(h)) for h in assessment.lock_holders]


def _space(assessment: Assessment, plan: MachinePlan, *, ahead: bool = False) -> list[Obstacle]:
    """Compare what the plan needs on each file system with what is free there."""
    if not plan.updates:
        return []
    found: list[Obstacle] = []
    needs: dict[str, int] = {}
    for path, size in _needs(plan.updates, ahead=ahead).items():
        holder = assessment.filesystem(path)
        if holder is not None:
            needs[holder.mount] = needs.get(holder.mount, SPARE_BYTES) + size
    for mount, size in needs.items():
        holder = assessment.filesystem(mount)
        if holder is not None:
            found += _judge_space(holder, size, INODES_PER_UPDATE * len(plan.updates))
    return found


def _needs(updates: tuple[PlannedUpdate, ...], *, ahead: bool) -> dict[str, int]:
    """Bytes needed per path. Downloads are kept twice: the new version, and the way back."""
    download = sum(update.download_bytes or 0 for update in updates)
    unpacked = sum(update.installed_bytes or 0 for update in updates)
    first = download if ahead else 0
    needs = {"/var/cache/apt/archives": first + download, "/var/lib": download, "/usr": unpacked}
    # No machine has both kinds of paths: those of the other kind lie on no file system.
    needs[WINDOWS_DRIVE] = first + max(WINDOWS_BYTES, download * 5 // 2)
    kernels = sum(update.name.startswith(KERNEL_PREFIXES) for update in updates)
    if kernels:
        needs["/boot"] = BOOT_BYTES_PER_KERNEL
    return needs


def _judge_space(holder: Filesystem, size: int, inodes: int) -> list[Obstacle]:
    found = []
    if holder.free < size:
        detail = f"{holder.mount} has {holder.free // MIB} MiB free, the plan needs {size // MIB}"
        found.append(Obstacle(kind=ObstacleKind.DISK, detail=detail))
    if holder.inodes and holder.inodes_free is not None and holder.inodes_free < inodes:
        detail = f"{holder.mount} has {holder.inodes_free} inodes free, the plan needs {inodes}"
        found.append(Obstacle(kind=ObstacleKind.INODES, detail=detail))
    return found
