"""Did what was staged come about on the Windows computers? Asked of them, not of our report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from demo.windows.computers import HOTPATCH, LEGACY, STAGED, Staged
from demo.windows.yard import Facts
from patchyard.domain.outcome import Status
from patchyard.domain.report import MachineReport, RunReport

Told = dict[str, Any]


def judge_windows(report: RunReport, before: Facts, after: Facts) -> list[str]:
    """Return what is not as staged: one hotpatched, one rebooted, one undone.

    Args:
        report: what Patchyard says.
        before: what each computer knew of itself before the run.
        after: the same after it.
    """
    found = {machine.name: machine for machine in report.machines}
    wrong = []
    for staged in STAGED:
        told = found.get(staged.name)
        if told is None:
            wrong.append(f"{staged.name} is in no report")
            continue
        look = _undone if staged.undone else _patched
        one, other = before[staged.name], after[staged.name]
        problems = [*look(staged, told, one, other), *_common(other)]
        wrong += [f"{staged.name} {problem}" for problem in problems]
    return wrong


def _common(after: Told) -> Iterator[str]:
    unknown = after["not_simulated"]
    if unknown:
        yield f"was asked what the simulation does not know: {', '.join(unknown)}"
    if after["reboot_pending"]:
        yield "waits for a reboot"


def _patched(staged: Staged, told: MachineReport, before: Told, after: Told) -> Iterator[str]:
    """The update is there; only the one that is no hotpatch has taken a reboot, and just one."""
    fresh = staged.kb not in before["installed"]
    reboots = after["boots"] - before["boots"]
    expected = 1 if fresh and staged.update.reboot else 0
    if told.status != Status.SUCCEEDED:
        yield f"is {told.status}: {told.reason}"
    if staged.kb not in after["installed"] or after["build"] != staged.update.build:
        yield f"is on build {after['build']} with {after['installed']}, not {staged.update.build}"
    if reboots != expected:
        yield f"was rebooted {reboots} times, not {expected}"
    if not expected and after["boot_time"] != before["boot_time"]:
        yield "has another boot time"
    if fresh and staged.update is HOTPATCH and told.path != "hotpatch":
        yield f"took the path {told.path}, not hotpatch"


def _undone(staged: Staged, told: MachineReport, before: Told, after: Told) -> Iterator[str]:
    """The old build is back, the application runs, the update is hidden; later it stays so."""
    if after["build"] != staged.before or staged.kb in after["installed"]:
        yield f"is on build {after['build']} with {after['installed']}, not back on {staged.before}"
    if staged.kb not in after["hidden"]:
        yield f"would be offered {staged.kb} again"
    if after["services"].get(LEGACY) != "Running":
        yield f"does not run {LEGACY}"
    if staged.kb in before["hidden"]:
        if after["boots"] != before["boots"] and not before["reboot_pending"]:
            yield "was rebooted for nothing"
    elif told.status != Status.ROLLED_BACK or LEGACY not in told.reason:
        yield f"is {told.status}, not rolled_back because of {LEGACY}: {told.reason}"


def told_by(before: Facts, after: Facts) -> Iterator[str]:
    """Say in words what the computers themselves tell, one line each."""
    for staged in STAGED:
        one, other = before[staged.name], after[staged.name]
        reboots = other["boots"] - one["boots"]
        boot = "rebooted" if reboots else "same boot time"
        build = f"build {one['build']} -> {other['build']}"
        if one["build"] == other["build"]:
            build = f"build {other['build']} as before"
        hidden = f", {', '.join(other['hidden'])} hidden there" if other["hidden"] else ""
        yield f"{staged.name}: {boot}, {build}{hidden}"
