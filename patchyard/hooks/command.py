"""A command on the controller: from a list, with no shell between; ended when its time is over."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import IO

from patchyard.checks.base import excerpt
from patchyard.domain.hooking import FAILED, TIMED_OUT
from patchyard.hooks.occasion import Ended

GRACE = 5.0
"""Seconds between asking a command to end and ending it."""

TAIL = 4000
"""Bytes of the output's end that are read; of these a line is kept."""


def run_command(
    arguments: Sequence[str],
    text: str,
    *,
    variables: Mapping[str, str],
    folder: str,
    timeout: timedelta,
) -> Ended:
    """Run a command with `text` on its standard input, in `folder`, and say how it ended.

    What it leaves running in the background is left alone: it holds nothing of ours.
    """
    # Files and no pipes: nothing waits for who reads or writes at the other end.
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(text.encode())
        given.seek(0)
        try:
            process = subprocess.Popen(
                list(arguments),
                stdin=given,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **variables},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return Ended(FAILED, excerpt(f"{arguments[0]} cannot be started: {error}"))
        return _ended(process, said, timeout)


def _ended(process: subprocess.Popen[bytes], said: IO[bytes], timeout: timedelta) -> Ended:
    try:
        status = process.wait(timeout.total_seconds())
    except subprocess.TimeoutExpired:
        _end(process)
        told = f"not ended after {timeout.total_seconds():g} s, so it was ended; {_tail(said)}"
        return Ended(TIMED_OUT, excerpt(told))
    if status == 0:
        return Ended("", excerpt(_tail(said)))
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return Ended(FAILED, excerpt(f"ended with {how}: {_tail(said) or 'no output'}"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command with all that it has started in its session's group: asked first, then not."""
    for ask in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, ask)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)


def _tail(said: IO[bytes]) -> str:
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - TAIL))
    return said.read().decode("utf-8", "replace").strip()
