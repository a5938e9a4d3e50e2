"""The mounts of one machine: a thin layer over the shared image, and a small /var when asked."""

import shutil
from pathlib import Path

from tests.yard.box import run


def mounted_below(folder: Path) -> list[Path]:
    """Mount points at or below a folder, deepest first."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    points = [Path(line.split()[4].replace("\\040", " ")) for line in lines]
    mine = [point for point in points if point == folder or folder in point.parents]
    return sorted(mine, key=lambda point: len(point.parts), reverse=True)


def mount_layer(lower: Path, layers: Path, target: Path) -> None:
    """Lay a writable layer over a lower tree; layers holds its upper and work folders."""
    upper, work = layers / "upper", layers / "work"
    shutil.rmtree(work, ignore_errors=True)  # else a layer cannot come back after a power cut
    for folder in (upper, work, target):
        folder.mkdir(parents=True, exist_ok=True)
    # Volatile leaves out every fsync: the machines are thrown away, and dpkg syncs a lot.
    options = f"volatile,lowerdir={lower},upperdir={upper},workdir={work}"
    run(["mount", "-t", "overlay", "-o", options, "patchyard-yard", target])


def mount_memory(target: Path, size: str) -> None:
    """Mount a file system of a fixed size that lives in memory."""
    target.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "patchyard-yard", target])


def unmount_below(folder: Path) -> None:
    """Take every mount at or below a folder away."""
    for point in mounted_below(folder):
        if run(["umount", point], check=False).returncode != 0:
            run(["umount", "--lazy", point])
