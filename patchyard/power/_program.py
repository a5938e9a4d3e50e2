"""Running a program of the controller's: no shell, no input, within a limit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from patchyard.errors import PowerFailed

TOLD = 300
"""Characters of what a program said that a message repeats."""


def run(
    argv: Sequence[str], *, seconds: float, folder: Path, environment: Mapping[str, str] = {}
) -> str:
    """Run a program and return what it printed.

    Raises:
        PowerFailed: it cannot be started, ended badly, or not within its limit; it is then killed
            with all that it started.
    """
    name = Path(argv[0]).name
    try:
        program = subprocess.Popen(
            argv,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise PowerFailed(f"{argv[0]} cannot be started: {error.strerror}") from error
    try:
        out, said = program.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise PowerFailed(f"{name} did not end within {seconds:g} s") from None
    finally:
        _end(program)
    if program.returncode != 0:
        told = " ".join((said.strip() or out.strip()).split())[:TOLD]
        raise PowerFailed(f"{name} ended with {program.returncode}: {told}")
    return out


def _end(program: subprocess.Popen[str]) -> None:
    """End a program that has not ended, with its process group."""
    if program.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.communicate()
