"""Processes known so well that a reused id is never ended by mistake."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """One process: its id and the kernel tick at which it began."""

    pid: int
    began: int

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """Identify the running process of this id; a zombie counts as gone."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    @classmethod
    def recorded(cls, path: Path) -> "Process | None":
        """Read a process back from its file, if it is still the same one."""
        try:
            pid, began = path.read_text(encoding="ascii").split()
        except (FileNotFoundError, ValueError):
            return None
        then = cls(int(pid), int(began))
        return then if then.alive else None

    def record(self, path: Path) -> None:
        """Write the process down, whole or not at all."""
        draft = path.with_suffix(".draft")
        draft.write_text(f"{self.pid} {self.began}\n", encoding="ascii")
        draft.replace(path)

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Process.of(self.pid) == self

    def end(self, *, patience: float = 5) -> None:
        """Ask it to end, then insist; returns when it is gone."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if not self.alive:
                return
            try:
                os.kill(self.pid, sign)
            except ProcessLookupError:
                return
            until(lambda: not self.alive, patience)


def until(holds: Callable[[], bool], seconds: float, *, pause: float = 0.05) -> bool:
    """Wait until something holds; tell whether it came to hold in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
