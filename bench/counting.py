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

PATIENCE = 5.0
"""Seconds for a program to end that was asked to; then it is ended."""


class BenchFailed(Exception):
    """Something that was measured did not do its work, so that its cost means nothing."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command cost: seconds of processor time, and of the clock."""

    cpu: float
    wall: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.cpu + other.cpu, self.wall + other.wall)

    def __truediv__(self, parts: int) -> Cost:
        return Cost(self.cpu / parts, self.wall / parts)


def counted(command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> Cost:
    """Run a command to its end and return what it cost.

    Raises:
        BenchFailed: it ended with a failure; its words are in the log.
    """
    with tempfile.NamedTemporaryFile(suffix=".json") as result, log.open("wb") as words:
        counting = subprocess.Popen(
            [sys.executable, "-m", __name__, result.name, *command],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
        )
        try:
            counting.wait()
        except BaseException:
            counting.terminate()
            counting.wait()
            raise
        told = json.loads(Path(result.name).read_text() or '{"status": "no result"}')
    if told["status"] != 0:
        tail = log.read_text(errors="replace")[-1500:]
        raise BenchFailed(f"{' '.join(command)} ended with {told['status']}; {log}:\n{tail}")
    return Cost(told["cpu"], told["wall"])


def main() -> None:
    """Run the command of the arguments and write its cost."""
    result, *command = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    # The orphans of the command become our children, so that their time is counted.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    begun = time.monotonic()
    try:
        status = subprocess.Popen(command).wait()
        wall = time.monotonic() - begun
    finally:
        _end_children()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = {"status": status, "cpu": used.ru_utime + used.ru_stime, "wall": wall}
    Path(result).write_text(json.dumps(told))


def _end_children() -> None:
    """End what is left, by its number, and collect it: only then is its time ours."""
    patience = time.monotonic() + PATIENCE
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    asked: set[str] = set()
    while left := set(children.read_text().split()):
        if time.monotonic() < patience:
            _signal(left - asked, signal.SIGTERM)
        else:
            _signal(left, signal.SIGKILL)
        asked |= left
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        time.sleep(0.01)


def _signal(pids: set[str], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), number)


if __name__ == "__main__":
    main()
