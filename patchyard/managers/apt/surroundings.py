"""The surroundings of the packages: release, rivals, locks, file systems, database, leftovers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from patchyard.domain.updates import Filesystem, LockHolder, Rival
from patchyard.domain.value import Known
from patchyard.managers.apt.wording import shortened
from patchyard.transcript import Section, Transcript

_LOCKS = (
    "/var/lib/dpkg/lock",
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/apt/lists/lock",
    "/var/cache/apt/archives/lock",
)

_UNFINISHED = {
    "H": "half-installed",
    "U": "unpacked, not configured",
    "F": "half-configured",
    "W": "awaiting triggers",
    "t": "with pending triggers",
}

DF_FIELDS = 6


def text_of(transcript: Transcript, name: str) -> str:
    """Return what an optional question was answered; empty where it failed or was not asked."""
    section = transcript.get(name)
    return section.stdout if section is not None and section.status == 0 else ""


def parse_os_release(text: str) -> dict[str, str]:
    """Read the fields of an os-release file."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def parse_units(text: str) -> list[dict[str, str]]:
    """Read the blocks of `systemctl show`."""
    blocks = (block.splitlines() for block in text.split("\n\n"))
    found = [dict(line.partition("=")[::2] for line in lines if "=" in line) for lines in blocks]
    return [unit for unit in found if unit]


def parse_settings(text: str) -> dict[str, str]:
    """Read `apt-config dump`: one `Name "value";` on each line."""
    pairs = (line.rstrip(";").partition(" ") for line in text.splitlines())
    return {name: value.strip('"') for name, _, value in pairs if value}


def rivals(transcript: Transcript) -> tuple[Rival, ...]:
    """Return what else on the machine installs updates or reboots by itself."""
    units = {unit.get("Id", ""): unit for unit in parse_units(text_of(transcript, "timers"))}
    found = [*_unattended(transcript, units), *_packagekit(units)]
    for path in text_of(transcript, "rivals").split():
        if path.endswith("cron-apt"):
            detail = "runs apt on a schedule; whether it installs is in its configuration"
            found.append(Rival(name="cron-apt", active=Known.UNKNOWN, detail=detail))
        elif path.endswith("system-update"):
            detail = "an offline update is prepared and runs at the next boot"
            found.append(Rival(name="offline update", active=Known.YES, detail=detail))
    return tuple(found)


def _unattended(transcript: Transcript, units: Mapping[str, Mapping[str, str]]) -> list[Rival]:
    timer = units.get("apt-daily-upgrade.timer", {})
    service = units.get("unattended-upgrades.service", {})
    if service.get("LoadState") != "loaded":
        return []
    section = transcript.get("periodic")
    settings = parse_settings(text_of(transcript, "periodic"))
    wanted = settings.get("APT::Periodic::Unattended-Upgrade", "0") not in {"", "0"}
    enabled = settings.get("APT::Periodic::Enable", "1") != "0"
    if section is None or section.status != 0 or not timer:
        active = Known.UNKNOWN
    else:
        active = Known.of(wanted and enabled and timer.get("ActiveState") == "active")
    return [Rival(name="unattended-upgrades", active=active, detail=_detail(transcript, timer))]


def _detail(transcript: Transcript, timer: Mapping[str, str]) -> str:
    said = [f"apt-daily-upgrade.timer is {timer.get('ActiveState') or 'unknown'}"]
    settings = parse_settings(text_of(transcript, "unattended"))
    if settings.get("Unattended-Upgrade::Automatic-Reboot", "").lower() in {"true", "1", "yes"}:
        said.append("it may reboot by itself")
    return "; ".join(said)


def _packagekit(units: Mapping[str, Mapping[str, str]]) -> list[Rival]:
    unit = units.get("packagekit.service", {})
    if unit.get("LoadState") != "loaded":
        return []
    running = unit.get("ActiveState") == "active"
    detail = "installs when a user of the desktop asks for it"
    return [Rival(name="packagekit", active=Known.UNKNOWN if running else Known.NO, detail=detail)]


def lock_holders(transcript: Transcript) -> tuple[LockHolder, ...]:
    """Return who holds a lock of apt or dpkg.

    A holder has the lock file open and holds a lock that the kernel lists. The kernel's list
    names files by numbers that overlay file systems do not keep, so these are not compared.
    """
    locking = _locking(text_of(transcript, "locks"))
    names = dict(
        line.partition(" ")[::2] for line in text_of(transcript, "commands").splitlines() if line
    )
    found: dict[tuple[str, str], LockHolder] = {}
    for line in text_of(transcript, "lock_users").splitlines():
        where, _, target = line.partition(" ")
        pid = where.rpartition("/proc/")[2].partition("/")[0]
        path = next((path for path in _LOCKS if target.endswith(path)), "")
        if path and pid in locking:
            holder = LockHolder(path=path, pid=int(pid), command=names.get(pid, "").strip())
            found[(path, pid)] = holder
    return tuple(found.values())


def _locking(text: str) -> set[str]:
    """Return the processes that hold a POSIX write lock."""
    held = (line.split() for line in text.splitlines() if "->" not in line)
    return {f[4] for f in held if len(f) > DF_FIELDS and f[1] == "POSIX" and f[3] == "WRITE"}


def filesystems(transcript: Transcript) -> tuple[Filesystem, ...]:
    """Return the file systems that an update writes to."""
    inodes = {row[-1]: row for row in _rows(text_of(transcript, "inodes"))}
    found: dict[str, Filesystem] = {}
    for row in _rows(text_of(transcript, "space")):
        mount = row[-1]
        counted = inodes.get(mount, [])
        total = _count(counted[1]) if counted else None
        found[mount] = Filesystem(
            mount=mount,
            size=(_count(row[1]) or 0) * 1024,
            free=(_count(row[3]) or 0) * 1024,
            inodes=total or None,
            inodes_free=_count(counted[3]) if total else None,
        )
    return tuple(found.values())


def _rows(text: str) -> list[list[str]]:
    rows = (line.split(None, DF_FIELDS - 1) for line in text.splitlines()[1:])
    return [row for row in rows if len(row) == DF_FIELDS]


def _count(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def database_problems(
    transcript: Transcript, states: Mapping[str, str], failed: Iterable[str]
) -> tuple[str, ...]:
    """Return what is wrong with the package database.

    Args:
        transcript: the answers.
        states: the three letters of dpkg's status, by package key.
        failed: what apt said where it could not work out an upgrade.
    """
    found = [
        f"{key} is {_UNFINISHED[state[1]]}"
        for key, state in states.items()
        if state[1] in _UNFINISHED
    ]
    found += [f"{key} must be reinstalled" for key, s in states.items() if s[2:3] == "R"]
    journal = text_of(transcript, "journal").split()
    if journal:
        found.append(f"dpkg was interrupted: {len(journal)} entries in its journal")
    audit = transcript.get("audit")
    if not found and audit is not None and audit.stdout.strip():
        found.append(f"dpkg --audit: {shortened(audit.stdout)}")
    for text in failed:
        if re.search(r"Unmet dependencies|fix-broken|dpkg was interrupted", text):
            found.append(f"apt: {shortened(_errors(text))}")
            break
    return tuple(found)


def _errors(text: str) -> str:
    lines = [line[2:].strip() for line in text.splitlines() if line.startswith("E:")]
    return " ".join(lines) or text[-200:]


def failure(section: Section) -> str:
    """Return what apt said of its failure."""
    return shortened(_errors(section.stdout or section.stderr)) or f"status {section.status}"
