"""One cgroup per machine: it names exactly the processes that are the machine's own.

Each machine needs its own, for nspawn without registration keeps its payload in the cgroup
it was started in, and two machines in one cgroup would take each other's services for theirs.
"""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.yard.box import YardError, unified_cgroups
from tests.yard.processes import until

FAMILY = "patchyard-yard"


@dataclass(frozen=True)
class Cgroup:
    """A folder of the unified hierarchy."""

    path: Path

    @classmethod
    def named(cls, name: str) -> "Cgroup":
        """The yard's cgroup of this name; it need not exist yet."""
        top = unified_cgroups()
        if top is None:
            raise YardError("no unified cgroup hierarchy is mounted")
        return cls(top / FAMILY / name)

    def child(self, name: str) -> "Cgroup":
        """A cgroup below this one."""
        return Cgroup(self.path / name)

    def make(self) -> None:
        """Create it; existing is fine."""
        self.path.mkdir(parents=True, exist_ok=True)

    def enter(self) -> None:
        """Move the calling process, and so its coming children, into it."""
        (self.path / "cgroup.procs").write_text(f"{os.getpid()}\n", encoding="ascii")

    def pids(self) -> list[int]:
        """Every process in it and below, as this box numbers them."""
        found: list[int] = []
        for listing in self.path.rglob("cgroup.procs"):
            with suppress(FileNotFoundError, OSError):
                found += [int(pid) for pid in listing.read_text(encoding="ascii").split()]
        return found

    def freeze(self, *, frozen: bool) -> None:
        """Stop or resume everything in it, and wait until the kernel says so."""
        (self.path / "cgroup.freeze").write_text("1" if frozen else "0", encoding="ascii")
        wanted = f"frozen {int(frozen)}"
        events = self.path / "cgroup.events"
        if not until(lambda: wanted in events.read_text(encoding="ascii"), 10):
            raise YardError(f"{self.path} did not become {wanted!r}")

    def kill(self, *, patience: float = 10) -> None:
        """End what is in it and below, by id, until nothing is left."""

        def emptied() -> bool:
            left = self.pids()
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not left

        if self.path.exists() and not until(emptied, patience):
            raise YardError(f"processes {self.pids()} in {self.path} cannot be ended")

    def remove(self) -> None:
        """Take the emptied folders away, deepest first, and the family's when it was the last."""
        below = sorted(self.path.rglob("*/"), key=lambda path: len(path.parts), reverse=True)
        for folder in (*below, self.path, self.path.parent):
            if folder.is_dir():
                with suppress(OSError):
                    folder.rmdir()
