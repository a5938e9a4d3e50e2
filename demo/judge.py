"""Did what was staged come about? Asked of the machines themselves, not of our own report."""

from __future__ import annotations

from collections.abc import Mapping

from patchyard.domain.outcome import Status
from patchyard.domain.report import MachineReport, RunReport
from tests.yard import demo, legacy
from tests.yard.machine import Machine
from tests.yard.yard import Yard

Packages = Mapping[str, str]


def judge(report: RunReport, yard: Yard, before: Mapping[str, Packages]) -> list[str]:
    """Return what is not as staged: every machine current, but for the one that was undone.

    Args:
        report: what Patchyard says.
        yard: the machines.
        before: each machine's packages before the run, read inside it with dpkg-query.
    """
    found = {machine.name: machine for machine in report.machines}
    missing = sorted(set(yard.machines) - set(found))
    wrong = [f"{name} is in no report" for name in missing]
    for name, machine in yard.machines.items():
        if name in missing:
            continue
        if name == demo.LEGACY:
            wrong += _undone(found[name], machine, before[name])
        else:
            wrong += _current(found[name], machine)
    return wrong


def _current(told: MachineReport, machine: Machine) -> list[str]:
    """Every pending security update is installed, and the report says that it went well."""
    wrong = []
    pending = pending_security(machine)
    if pending:
        wrong.append(f"{told.name} still lacks security updates: {', '.join(pending)}")
    if told.status != Status.SUCCEEDED:
        wrong.append(f"{told.name} is {told.status}: {told.reason}")
    packages = machine.packages()
    for update in told.updates:
        there = packages.get(f"{update.name}:{update.architecture}")
        if there != update.planned:
            wrong.append(f"{told.name} has {update.name} {there}, not {update.planned}")
    return wrong


def pending_security(machine: Machine) -> list[str]:
    """Ask apt inside the machine which security updates it would still install."""
    said = machine.exec(["apt-get", "--simulate", "dist-upgrade"])
    lines = [line.split() for line in said.splitlines() if line.startswith("Inst ")]
    return [words[1] for words in lines if any("Debian-Security" in word for word in words)]


def _undone(told: MachineReport, machine: Machine, before: Packages) -> list[str]:
    """Exactly the earlier versions are there, the application runs, the report names the check."""
    wrong = []
    if told.status != Status.ROLLED_BACK:
        wrong.append(f"{told.name} is {told.status}, not rolled_back: {told.reason}")
    if legacy.UNIT not in told.reason:
        wrong.append(f"{told.name}: the reason does not name {legacy.UNIT}: {told.reason}")
    after = machine.packages()
    moved = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    if moved:
        wrong.append(f"{told.name} is not back on its earlier versions: {', '.join(moved)}")
    if not legacy.is_running(machine):
        wrong.append(f"{told.name}: {legacy.UNIT} does not run")
    return wrong
