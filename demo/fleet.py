"""The run of the demo: one inventory, one plan and one budget for Linux and Windows machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from demo.windows.judge import judge_windows, told_by
from demo.windows.yard import WindowsYard
from flows.patch import patch
from patchyard.domain.report import RunReport

WINDOWS = "windows"
"""The folder of the Windows computers, in that of the yard."""

STAGED_TO_FAIL = 2
"""One Linux and one Windows machine: they must not stop the rest."""


@dataclass(frozen=True)
class Outcome:
    """A run, what the Windows computers say of themselves, and what is not as staged."""

    report: RunReport
    seen: tuple[str, ...]
    wrong: tuple[str, ...]

    def and_wrong(self, wrong: Sequence[str]) -> Outcome:
        """Add what is not as staged elsewhere."""
        return replace(self, wrong=(*wrong, *self.wrong))


def patch_fleet(inventory: str, windows: WindowsYard, say: Callable[[str], None]) -> Outcome:
    """Add the Windows computers to an inventory, and patch everything in it."""
    windows.up(Path(inventory))
    before = windows.facts()
    say(f"{len(before)} simulated Windows machines answer: {', '.join(before)}")
    say("  (no Windows runs: a real WinRM service, the shipped PowerShell, a model of a server)")
    say("Patching all in one plan: a canary first, then the rest")
    report = patch(
        inventory=inventory,
        dry_run=False,
        waves=["1", "rest"],
        max_failures=STAGED_TO_FAIL,
        max_failure_percent=50,
        slots=4,
    )
    after = windows.facts()
    wrong = judge_windows(report, before, after)
    return Outcome(report, tuple(told_by(before, after)), tuple(wrong))
