"""Counting what a command costs: the processor time of it and of everything that it started.

    python -m bench.counting RESULT COMMAND ...

Programs that detach themselves, as SSH's shared connections do, come back to this process when
their parents end; they are ended and counted too.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
"""From linux/prctl.h."""


class BenchFailed(Exception):
    """Something that was measured did not do its work, so that its cost means nothing."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command cost: seconds of processor time, and of the clock."""

    cpu: float
    wall: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.cpu + other.cpu, self.wall + other.wall)


def counted(command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> Cost:
    """Run a command to its end and return what it cost.

    Raises:
        BenchFailed: it ended with a failure; its words are in the log.
    """
    with tempfile.NamedTemporaryFile(suffix=".json") as result, log.open("wb") as words:
        subprocess.run(
            [sys.executable, "-m", __name__, result.name, *command],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            check=True,
        )
        told = json.loads(Path(result.name).read_text())
    if told["status"] != 0:
        tail = log.read_text(errors="replace")[-1500:]
        raise BenchFailed(f"{' '.join(command)} ended with {told['status']}; {log}:\n{tail}")
    return Cost(told["cpu"], told["wall"])


def main() -> None:
    """Run the command of the arguments and write its cost."""
    result, *command = sys.argv[1:]
    # The orphans of the command become our children, so that their time is counted.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    begun = time.monotonic()
    status = subprocess.Popen(command).wait()
    wall = time.monotonic() - begun
    _end_orphans()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = {"status": status, "cpu": used.ru_utime + used.ru_stime, "wall": wall}
    Path(result).write_text(json.dumps(told))


def _end_orphans() -> None:
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    while left := children.read_text().split():
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGTERM)
        with contextlib.suppress(ChildProcessError):
            os.wait()


if __name__ == "__main__":
    main()
