"""What still runs replaced code: the kernel, services, sessions; and whether a reboot is owed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from patchyard.domain.updates import Kernel, OutdatedService
from patchyard.domain.value import Known
from patchyard.managers.apt.live_patch import KERNEL_PACKAGE
from patchyard.managers.apt.surroundings import parse_units, text_of
from patchyard.managers.debian_version import compare, sort_key
from patchyard.transcript import Transcript

INIT = "init"
"""The name under which process 1 is listed. It is re-executed in place, never restarted."""

_NEVER_RESTARTED = re.compile(
    r"^(dbus|gdm|kdm|nodm|sddm|wdm|xdm|lightdm|slim|lxdm"
    r"|bird|network|NetworkManager|ModemManager|wpa_supplicant|openvpn|quagga|frr|tinc"
    r"|(open|free|libre|strong)swan|bluetooth"
    r"|zfs-fuse|mythtv-backend|xendomains|lxcfs|libvirt|virtlogd|virtlockd|docker"
    r"|elogind|systemd-logind)"
)
"""Services that needrestart's own defaults do not restart (its `override_rc`)."""

_ENDS_BY_ITSELF = re.compile(
    r"^(user@\d+|(serial-|console-|container-)?getty(@.+)?|apt-daily|apt-daily-upgrade"
    r"|unattended-upgrades|cron-.+|rc-local|emergency|rescue)\.service$"
)
"""Units that are a login, or that run once: the replaced code goes when they end."""


@dataclass(frozen=True, slots=True)
class Running:
    """What runs replaced code, and whether that could be seen."""

    services: tuple[OutdatedService, ...]
    known: Known
    findings: tuple[str, ...]
    kernel_state: str = ""
    kernel_expected: str = ""


def running_code(transcript: Transcript) -> Running:
    """Ask needrestart's answer first; without it, the memory maps of the processes."""
    section = transcript.get("needrestart")
    if section is not None and section.status == 0:
        return _from_needrestart(section.stdout)
    return _from_maps(transcript)


def _from_needrestart(text: str) -> Running:
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("NEEDRESTART-"):
            name, _, value = line.removeprefix("NEEDRESTART-").partition(":")
            said.setdefault(name, []).append(value.strip())
    services, findings = _sorted_out(said.get("SVC", []))
    if said.get("SESS"):
        findings.append(f"login sessions run replaced code: {', '.join(sorted(said['SESS']))}")
    if said.get("CONT"):
        findings.append(f"containers run replaced code: {', '.join(sorted(said['CONT']))}")
    if said.get("UCSTA") == ["2"]:
        findings.append("newer processor microcode is installed; it loads at the next boot")
    return Running(
        services=services,
        known=Known.YES if "VER" in said else Known.UNKNOWN,
        findings=tuple(findings),
        kernel_state=said.get("KSTA", [""])[0],
        kernel_expected=said.get("KEXP", [""])[0],
    )


def _sorted_out(units: Iterable[str]) -> tuple[tuple[OutdatedService, ...], list[str]]:
    services: list[OutdatedService] = []
    ending: list[str] = []
    for unit in dict.fromkeys(units):
        if unit in {"systemd-manager", "init.scope"}:
            services.append(OutdatedService(name=INIT))
        elif _ENDS_BY_ITSELF.match(unit):
            ending.append(unit)
        else:
            can = not _NEVER_RESTARTED.match(unit)
            services.append(OutdatedService(name=unit, restartable=can))
    findings = [f"replaced code runs until they end: {', '.join(ending)}"] if ending else []
    return tuple(services), findings


def _from_maps(transcript: Transcript) -> Running:
    """Match processes that map deleted files to the services that they belong to."""
    mapped, cgroups = transcript.get("mapped"), transcript.get("cgroups")
    if mapped is None or cgroups is None or not cgroups.stdout.strip():
        return Running((), Known.UNKNOWN, ())
    units = dict(_units_by_process(cgroups.stdout))
    outdated: dict[str, None] = {}
    loose: dict[str, None] = {}
    for line in mapped.stdout.splitlines():
        pid = _process(line)
        if pid:
            unit = units.get(pid, "")
            (outdated if unit else loose).setdefault(unit or pid)
    services, findings = _sorted_out(outdated)
    if loose:
        findings.append(f"processes of no service run replaced code: {', '.join(loose)}")
    return Running(services, Known.YES, tuple(findings))


def _process(line: str) -> str:
    pid = line.partition("/proc/")[2].partition("/")[0]
    return pid if pid.isdigit() else ""


def _units_by_process(text: str) -> Iterable[tuple[str, str]]:
    for line in text.splitlines():
        pid = _process(line)
        parts = line.rpartition(":")[2].split("/")
        named = (part for part in parts if part.endswith(".service") or part == "init.scope")
        unit = next(named, "")
        if pid and unit:
            yield pid, unit


def running_services(transcript: Transcript) -> tuple[str, ...]:
    """Return the running services that somebody wanted to run, by name.

    Left out are those that come and go by themselves: parts of the system that are started
    on demand, transient units, and consoles.
    """
    found = parse_units(text_of(transcript, "running"))
    passing = {"static", "transient", "indirect", ""}
    names = (unit.get("Id", "") for unit in found if unit.get("UnitFileState", "") not in passing)
    return tuple(sorted(name for name in names if name and not _ENDS_BY_ITSELF.match(name)))


def kernel(transcript: Transcript, versions: dict[str, str], running: Running) -> Kernel:
    """Compare the running kernel with what is installed.

    Args:
        transcript: the answers.
        versions: the installed version by package name.
        running: what needrestart says of the kernel.
    """
    release = text_of(transcript, "kernel").strip()
    container = transcript.get("container")
    if container is not None and container.status == 0:
        return Kernel(running=release, applicable=Known.NO)
    real = container is not None and container.stdout.strip() == "none"
    installed = _same_flavour(release, text_of(transcript, "kernels").split())
    newest = max(installed, key=sort_key, default="")
    outdated = _outdated(transcript, release, installed, newest, versions)
    by_state = {"1": Known.NO, "2": Known.YES, "3": Known.YES}.get(running.kernel_state)
    if by_state is not None and outdated != Known.YES:
        outdated = by_state
    return Kernel(
        running=release,
        newest_installed=newest or running.kernel_expected,
        applicable=Known.YES if real else Known.UNKNOWN,
        outdated=outdated,
    )


def _flavour(release: str) -> str:
    """Return the last word of a kernel's name, such as `amd64`, `cloud-amd64` or `generic`."""
    return "-".join(part for part in release.split("-")[1:] if not part[:1].isdigit())


def _same_flavour(release: str, installed: list[str]) -> list[str]:
    flavour = _flavour(release)
    return [name for name in installed if _flavour(name) == flavour]


def _outdated(
    transcript: Transcript,
    release: str,
    installed: list[str],
    newest: str,
    versions: dict[str, str],
) -> Known:
    if not installed:
        return Known.UNKNOWN
    if release not in installed or compare(newest, release) > 0:
        return Known.YES
    version = versions.get(f"linux-image-{release}") or versions.get(
        f"linux-image-unsigned-{release}", ""
    )
    built = text_of(transcript, "kernel_build")
    return _rebuilt(built, version)


def _rebuilt(built: str, version: str) -> Known:
    """Tell whether the installed kernel of the same name is another build than the running one.

    Debian writes the package version into the kernel, Ubuntu the upload number.
    """
    debian = re.search(r"\bDebian (\S+)", built)
    if debian and version:
        return Known.of(debian[1] != version)
    ubuntu = re.match(r"#(\d+)\S*-Ubuntu\b", built)
    if ubuntu and version:
        return Known.of(version.rpartition(".")[2].partition("~")[0] != ubuntu[1])
    return Known.UNKNOWN


def reboot_required(
    transcript: Transcript, seen: Kernel, running: Running
) -> tuple[Known, tuple[str, ...]]:
    """Say whether the machine asks for a reboot, and the packages that asked, the kernel apart.

    The flag alone proves nothing when it is missing: on many machines nothing sets it.
    """
    lines = text_of(transcript, "reboot_flag").split("\n")
    if lines[0].strip() == "yes":
        packages = list(dict.fromkeys(line.strip() for line in lines[1:] if line.strip()))
        if packages and seen.outdated == Known.YES and all(map(KERNEL_PACKAGE.match, packages)):
            return Known.YES, ()
        asked = f"asked for by {', '.join(packages)}" if packages else "the machine's reboot flag"
        return Known.YES, (asked,)
    stuck = any(not service.restartable for service in running.services)
    if seen.outdated == Known.YES or stuck:
        return Known.YES, ()
    kernel_seen = Known.NO in {seen.outdated, seen.applicable}
    if running.known == Known.YES and kernel_seen and lines[0].strip() == "no":
        return Known.NO, ()
    return Known.UNKNOWN, ()
