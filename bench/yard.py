"""The fleet that is measured, and whether it became what it should."""

from __future__ import annotations

from pathlib import Path

from bench.counting import BenchFailed
from patchyard.testing.simulated import SimulatedMachine, SimulatedYard, catalogue, machines

KERNEL_EVERY = 20
"""Every how many-th machine has a kernel to install, and reboots: five in a hundred."""

WATCHED = ("nginx.service", "ssh.service")

GROUPS = {
    "simulated": {
        "checks": [*({"systemd_unit": {"unit": unit}} for unit in WATCHED), {"failed_units": {}}],
        # Waiting is no work of the controller: neither side waits for things to prove stable.
        "policy": {"stable_seconds": 0},
    }
}


def fleet(folder: Path, count: int) -> SimulatedYard:
    """Return a new yard of so many machines, none of them patched."""
    return SimulatedYard(folder, machines(count, kernel_every=KERNEL_EVERY), groups=GROUPS)


def pinned(machine: SimulatedMachine) -> list[str]:
    """Return what a machine is to get, as apt takes it: name:architecture=version."""
    now = dict(line.split("\t")[:2] for line in catalogue.installed(machine.state).splitlines())
    wanted = {line.split("\t")[0] for line in catalogue.installed("patched").splitlines()}
    found = []
    for name in sorted(wanted):
        newest = catalogue.newest()[name]
        if now.get(name) != newest.version:
            found.append(f"{name}:{newest.line.split(chr(9))[1]}={newest.version}")
    return found


def must_be_patched(yard: SimulatedYard) -> None:
    """Look at the machines themselves.

    Raises:
        BenchFailed: one does not have the newest versions, a service of one does not run, or
            one that got a kernel was not rebooted.
    """
    for machine in yard.machines:
        have = yard.packages(machine.name)
        for item in pinned(machine):
            name, _, version = item.partition("=")
            if have.get(name.partition(":")[0]) != version:
                raise BenchFailed(f"{machine.name} does not have {item}")
        stopped = [u for u in WATCHED if yard.services(machine.name)[u] != "running"]
        if stopped:
            raise BenchFailed(f"{machine.name}: {', '.join(stopped)} does not run")
        kernel = (yard.root(machine.name) / ".simulated/kernel").read_text().strip()
        if kernel != catalogue.NEW_KERNEL:
            raise BenchFailed(f"{machine.name} still runs {kernel}")


def must_not_have_guessed(yard: SimulatedYard) -> None:
    """Look whether every call of every script was one that the stand-in tools know.

    Raises:
        BenchFailed: one was not; what it cost would not be what it costs on a real machine.
    """
    refused = yard.refused()
    if refused:
        raise BenchFailed(f"{len(refused)} calls were refused, the first: {refused[0][:300]}")
