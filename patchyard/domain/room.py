"""Room: what is left of a run's window for one machine, by what that machine took before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from patchyard.domain.admission import EXCEEDED, History, Work, admit, admit_reboot
from patchyard.domain.inventory import OsFamily
from patchyard.domain.plan import PlannedUpdate


@dataclass(frozen=True, slots=True)
class WindowRoom:
    """What is left of a window for one machine."""

    closes: datetime
    family: OsFamily
    history: History = field(default_factory=History)
    may_reboot: bool = True
    may_undo: bool = True

    def refuses(self, updates: Iterable[PlannedUpdate], now: datetime) -> str:
        """Say why installing these, and what may follow, does not fit; nothing where it does."""
        return self._refuses(updates, now, is_off=False)

    def refuses_start(self, updates: Iterable[PlannedUpdate], now: datetime) -> str:
        """Say the same of a machine that is off: it has to be started before."""
        return self._refuses(updates, now, is_off=True)

    def _refuses(self, updates: Iterable[PlannedUpdate], now: datetime, *, is_off: bool) -> str:
        work = Work.of(
            self.family, updates, reboot=self.may_reboot, undo=self.may_undo, is_off=is_off
        )
        found = admit(work, self.history, self.closes - now)
        return "" if found.admitted else f"{EXCEEDED}: {found.reason}"

    def refuses_reboot(self, now: datetime) -> str:
        """Say why a reboot does not fit; nothing where it does."""
        found = admit_reboot(self.family, self.history, self.closes - now)
        return "" if found.admitted else f"{EXCEEDED}: {found.reason}"
