"""The packages of the simulated machines: a real Debian 12 as it was, and its pending updates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("debian-12.tsv")
OLD_KERNEL = "6.1.0-50-amd64"
NEW_KERNEL = "6.1.0-56-amd64"
KERNEL_PACKAGES = frozenset({"linux-image-amd64", f"linux-image-{NEW_KERNEL}"})

SERVICES = """\
cron.service\tenabled\trunning\t-\t-\t0
dbus.service\tstatic\trunning\tdbus\t-\t0
nginx.service\tenabled\trunning\tnginx\tlibssl3,libpcre2-8-0\t0
ssh.service\tenabled\trunning\topenssh-server\tlibssl3\t0
systemd-journald.service\tstatic\trunning\t-\t-\t0
systemd-logind.service\tstatic\trunning\t-\t-\t0
"""
"""Unit, whether enabled, state, packages whose update restarts it, libraries, runs old code."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a package; `mark` is auto or manual where the machines begin with it."""

    name: str
    version: str
    mark: str
    line: str


@cache
def versions() -> tuple[Version, ...]:
    """Return every version of every package, by name and newest first."""
    found = []
    for line in FILE.read_text(encoding="utf-8").splitlines():
        fields = line.split("\t")
        found.append(Version(fields[0], fields[2], fields[8], line))
    return tuple(found)


@cache
def newest() -> dict[str, Version]:
    """Return the newest version of each package by its name."""
    found: dict[str, Version] = {}
    for version in versions():
        found.setdefault(version.name, version)
    return found


def installed(state: str) -> str:
    """Return what is installed on a machine: name, version, status, mark, hold on each line.

    Args:
        state: `behind` has old packages and the newest kernel, `kernel` has an old kernel too,
            `patched` has the newest of everything.
    """
    first = {v.name: v for v in versions() if v.mark != "-"}
    chosen = dict(first)
    if state == "patched":
        chosen = {name: newest()[name] for name in first}
    if state != "kernel":
        chosen |= {name: newest()[name] for name in KERNEL_PACKAGES}
    marks = {name: first[name].mark if name in first else "auto" for name in chosen}
    return "".join(
        f"{name}\t{chosen[name].version}\tii \t{marks[name]}\t\n" for name in sorted(chosen)
    )


def kernels(state: str) -> tuple[str, ...]:
    """Return the kernels that lie in /boot, the running one last."""
    return (OLD_KERNEL,) if state == "kernel" else (OLD_KERNEL, NEW_KERNEL)
