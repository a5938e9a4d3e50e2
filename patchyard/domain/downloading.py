"""Downloading ahead: what the plan has for a machine is fetched before its run, and no more.

The step is recorded among the others, and set aside where the run is replayed: whether it was
done, and how it ended, decides nothing.
"""

from __future__ import annotations

from dataclasses import replace

from patchyard.domain.actions import Download
from patchyard.domain.counting import counted
from patchyard.domain.plan import MachinePlan
from patchyard.domain.record import MachineRun, Step
from patchyard.domain.restore import PackageVersion

DOWNLOAD = "download"
"""The key of the step, of which a machine has one in a run."""

THOUSAND = 1000

NOTHING = "nothing to download"


def download_of(plan: MachinePlan) -> Download:
    """Return the act that fetches all that the plan has for a machine."""
    packages = tuple(PackageVersion.of(update.key, update.to_version) for update in plan.updates)
    return Download(key=DOWNLOAD, packages=packages)


def is_ahead(step: Step) -> bool:
    """Say whether a step is none of the run's own, but was done ahead of it."""
    return isinstance(step.action, Download)


def without_downloads(run: MachineRun) -> MachineRun:
    """Return a machine's run without what was done ahead of it; the same where nothing was."""
    steps = tuple(step for step in run.steps if not is_ahead(step))
    return run if len(steps) == len(run.steps) else replace(run, steps=steps)


def recorded_download(run: MachineRun) -> Step | None:
    """Return the recorded download of a machine; None where it has none."""
    return next((step for step in run.steps if is_ahead(step)), None)


def open_download(run: MachineRun) -> Download | None:
    """Return the download of which no end is recorded; None where there is none."""
    step = recorded_download(run)
    if step is None or step.finished_at is not None or not isinstance(step.action, Download):
        return None
    return step.action


def told_of(there: int, size: int, already: int = 0, *, most: str = "") -> str:
    """Tell how many updates are on a machine now, and how much was fetched for it.

    Args:
        there: updates that are there.
        size: bytes that were fetched.
        already: so many of them were there before.
        most: a word before the size, where it is not known exactly.
    """
    if not there:
        return NOTHING
    if already >= there:
        return f"{counted(there, 'update')}, all there before"
    before = f"; {already:,} of them there before" if already else ""
    return f"{counted(there, 'update')}, {most}{bytes_in_words(size)}{before}"


def bytes_in_words(size: int) -> str:
    """Write a number of bytes in the largest unit that leaves a whole number: 756 B, 48 MB."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if round(value) < THOUSAND:
            return f"{value:.0f} {unit}"
        value /= THOUSAND
    return f"{value:.1f} GB"
