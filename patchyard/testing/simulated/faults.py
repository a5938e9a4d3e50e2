"""Making something wrong with a simulated machine, and making it right again."""

from __future__ import annotations

import os
from pathlib import Path

from patchyard.testing.simulated import catalogue
from patchyard.testing.simulated.machine import Fault

HOLDER = "unattended-upgr"
LOCK_FILE = "/var/lib/dpkg/lock-frontend"


def cause(root: Path, fault: Fault, detail: str = "") -> None:
    """Make something wrong with the machine whose root folder is given.

    Args:
        root: the folder that its scripts see as /.
        fault: what.
        detail: a service for BREAKS_SERVICE (nginx.service), seconds for SLOW_INSTALL, bytes
            for DROPS_LINK.

    Raises:
        ValueError: the detail names no service.
    """
    match fault:
        case Fault.LOCKED:
            text = f"{_hold_lock(root)} {HOLDER}\n"
        case Fault.BROKEN_DATABASE:
            text = ""
            _interrupt(root)
        case Fault.BREAKS_SERVICE:
            text = _breaking(detail or "nginx.service")
        case Fault.SLOW_INSTALL:
            text = detail or "2"
        case Fault.DROPS_LINK:
            text = detail or "1000"
        case _:
            text = detail
    (root / ".simulated/faults" / fault.value).write_text(text)


def heal(root: Path, fault: Fault) -> None:
    """End a fault. What it has led to stays."""
    (root / ".simulated/faults" / fault.value).unlink(missing_ok=True)
    if fault == Fault.LOCKED:
        (root / "proc/locks").write_text("")


def _hold_lock(root: Path) -> int:
    """Show the holder where the kernel shows one: in its open files and in the list of locks."""
    holder = os.getpid()
    opened = root / f"proc/{holder}/fd"
    opened.mkdir(parents=True, exist_ok=True)
    (opened / "4").unlink(missing_ok=True)
    (opened / "4").symlink_to(LOCK_FILE)
    (root / f"proc/{holder}/comm").write_text(f"{HOLDER}\n")
    (root / "proc/locks").write_text(f"1: POSIX  ADVISORY  WRITE {holder} fe:00:1234 0 EOF\n")
    return holder


def _interrupt(root: Path) -> None:
    (root / "var/lib/dpkg/updates/0001").touch()
    installed = root / ".simulated/installed"
    lines = installed.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.startswith("libexpat1\t"))
    lines[at] = lines[at].replace("\tii \t", "\tiU \t")
    fresh = installed.with_name("installed.fault")
    fresh.write_text("".join(lines))
    fresh.replace(installed)


def _breaking(unit: str) -> str:
    for line in catalogue.SERVICES.splitlines():
        name, _, _, own, *_ = line.split("\t")
        package = own.partition(",")[0]
        if name == unit and package in catalogue.newest():
            return f"{unit}\t{package}\t{catalogue.newest()[package].version}\n"
    known = ", ".join(line.split("\t")[0] for line in catalogue.SERVICES.splitlines())
    raise ValueError(f"{unit!r} is no service of a package here; there are {known}")
