"""Running a program of the controller's: no shell, no input, within a limit.

What it prints goes into files: with pipes a program that has ended would be waited for as long as
something that it left at work, such as a virtual machine, has its output open.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from patchyard.errors import PowerFailed, PowerTimedOut

TOLD = 300
"""Characters of what a program said that a message repeats."""

READ = 65_536
"""Bytes of what a program printed that are read: the last ones."""


def run(
    argv: Sequence[str], *, seconds: float, folder: Path, environment: Mapping[str, str] = {}
) -> str:
    """Run a program and return what it printed.

    Raises:
        PowerTimedOut: it did not end within its limit; it is then killed with all that it started.
        PowerFailed: it cannot be started, or ended badly.
    """
    name = Path(argv[0]).name
    with TemporaryFile() as out, TemporaryFile() as said:
        code = _wait(_start(argv, folder, environment, out, said), name, seconds)
        if code != 0:
            told = " ".join((_read(said).strip() or _read(out).strip()).split())[:TOLD]
            raise PowerFailed(f"{name} ended with {code}: {told}")
        return _read(out)


def _start(
    argv: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    out: IO[bytes],
    said: IO[bytes],
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=said,
            start_new_session=True,
        )
    except OSError as error:
        raise PowerFailed(f"{argv[0]} cannot be started: {error.strerror}") from error


def _wait(program: subprocess.Popen[bytes], name: str, seconds: float) -> int:
    try:
        return program.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise PowerTimedOut(f"{name} did not end within {seconds:g} s") from None
    finally:
        _end(program)


def _end(program: subprocess.Popen[bytes]) -> None:
    """End a program that has not ended, with its process group."""
    if program.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()


def _read(printed: IO[bytes]) -> str:
    """Return the end of what was printed: a state is its last word."""
    printed.seek(max(0, printed.seek(0, os.SEEK_END) - READ))
    return printed.read().decode(errors="replace")
