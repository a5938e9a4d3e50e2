"""Prechecks: disk, component store, busy installers, services, roles (windows.md 1.5)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from patchyard.domain.updates import Filesystem, LockHolder
from patchyard.managers.windows_update.facts import Facts, known, known_rows, number, word
from patchyard.managers.windows_update.pending import busy_servicing
from patchyard.transcript import Transcript

SYSTEM_DRIVE = "C:"
"""What the drive of Windows is called, whatever its letter is (domain: WINDOWS_DRIVE)."""

BUSY_CPU = 0.1
"""Seconds of processor time within the look's sample from which a servicing process is at work.
TiWorker and TrustedInstaller stay for minutes after their work, also after that of a search."""

SMALL_PARTITION = 15 * 1024 * 1024
"""Free bytes below which updates of the boot manager fail on the EFI or recovery partition."""

_SERVICING = frozenset({"tiworker", "trustedinstaller"})
_INSTALLERS = frozenset({"wusa", "setuphost"})

NEEDED = ("wuauserv", "bits", "trustedinstaller", "cryptsvc", "usosvc", "msiserver")
"""Services that must not be disabled; that they are stopped is normal."""

ROLES = {
    "ntds": "a domain controller",
    "clussvc": "a node of a failover cluster",
    "vmms": "a Hyper-V host",
    "mssqlserver": "a SQL Server",
    "msexchangeis": "an Exchange server",
}
"""Services that show a role for which a reboot is to be prepared."""

_PASSING = frozenset(
    {"sppsvc", "mapsbroker", "remoteregistry", "edgeupdate", "gupdate", "wbiosrvc", "cdpsvc",
     "trustedinstaller", "wuauserv", "bits", "usosvc", "msiserver", "tiledatamodelsvc"}
)  # fmt: skip
"""Services that end by themselves when they have nothing to do."""

_OF_A_USER = re.compile(r"_[0-9a-f]{4,8}$")
"""The ending of a service that belongs to one log-in."""


def filesystems(transcript: Transcript) -> tuple[Filesystem, ...]:
    """Return the drives; that of Windows first, and always under the same name."""
    found = []
    for row in known_rows(transcript, "volumes"):
        letter, size, free = word(row.get("letter")), number(row.get("size")), row.get("free")
        if letter and size:
            mount = SYSTEM_DRIVE if row.get("boot") else letter
            found.append(Filesystem(mount=mount, size=size, free=number(free) or 0))
    return tuple(sorted(found, key=lambda each: each.mount != SYSTEM_DRIVE))


def lock_holders(transcript: Transcript) -> tuple[LockHolder, ...]:
    """Return the installers that are at work, and servicing that is."""
    facts = known(transcript, "busy")
    found = [h for row in known_rows_of(facts, "processes") for h in _holder(row, facts)]
    if facts.get("agent") and not found:
        found.append(LockHolder(path="Windows Update", command="another client of the agent"))
    return (*found, *busy_servicing(transcript))


def known_rows_of(facts: Facts, name: str) -> list[Facts]:
    """Return the objects in a list within an object of facts."""
    rows = facts.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _holder(row: Facts, facts: Facts) -> Iterator[LockHolder]:
    name = word(row.get("name")).lower()
    used = float(row.get("cpu_after") or 0) - float(row.get("cpu_before") or 0)
    at_work = {
        "Windows servicing": name in _SERVICING and used >= BUSY_CPU,
        "Windows Installer": name == "msiexec" and bool(facts.get("msi")),
        "an installer of updates": name in _INSTALLERS,
    }
    for what, so in at_work.items():
        if so:
            yield LockHolder(path=what, pid=number(row.get("pid")), command=word(row.get("name")))


def database_problems(transcript: Transcript) -> tuple[str, ...]:
    """Return what is wrong with the component store, where that could be asked."""
    health = word(known(transcript, "store").get("health"))
    if health.lower() in {"", "healthy"}:
        return ()
    return (f"the component store is {health} (Repair-WindowsImage -CheckHealth)",)


def running_services(transcript: Transcript) -> tuple[str, ...]:
    """Return the running services that start with the machine, by name.

    Left out are those that come and go by themselves: started by a trigger, late, or per log-in.
    """
    rows = (row for row in known_rows(transcript, "services") if starts_with_machine(row))
    names = (word(row.get("name")) for row in rows if word(row.get("state")) == "Running")
    return tuple(sorted(names))


def starts_with_machine(row: Facts) -> bool:
    """True where a service should run whenever the machine does."""
    name = word(row.get("name"))
    by_itself = word(row.get("start")) == "Auto" and not row.get("trigger")
    passing = name.lower() in _PASSING or _OF_A_USER.search(name) is not None
    return by_itself and not row.get("delayed") and not passing


def findings(transcript: Transcript) -> Iterator[str]:
    """Tell what stands in the way of updates, and what a reboot would touch."""
    services = {word(row.get("name")).lower(): row for row in known_rows(transcript, "services")}
    off = [n for n in NEEDED if word(services.get(n, {}).get("start")) == "Disabled"]
    if off:
        yield f"disabled services keep updates from being installed: {', '.join(off)}"
    for name, role in ROLES.items():
        if word(services.get(name, {}).get("state")) == "Running":
            yield f"this is {role}: take its work away before it reboots"
    for row in known_rows(transcript, "volumes"):
        free = number(row.get("free"))
        if not word(row.get("letter")) and free is not None and free < SMALL_PARTITION:
            label = word(row.get("label")) or "without a letter"
            yield f"the small partition {label} has only {free // 1024**2} MiB free"
    if transcript.get("store") is not None and transcript["store"].status != 0:
        yield f"the component store could not be asked: {transcript['store'].stderr[:200]}"
