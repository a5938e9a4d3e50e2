"""A command on the controller: from a list, with no shell between; ended when its time is over."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import IO

from patchyard.checks.base import excerpt
from patchyard.domain.hooking import FAILED, TIMED_OUT
from patchyard.hooks.occasion import Ended, end_of

GRACE = 5.0
"""Seconds between asking a command to end and ending it."""

TAIL = 4000
"""Bytes of the output's end that are read; of these a line is kept."""

MOST = 64 * 1024 * 1024
"""Bytes of output that are let lie on the disk; where there are more, they are thrown away."""

LOOK_SECONDS = 0.1
"""Time between two looks at how much was said."""


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
        _append(said)
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


def _append(said: IO[bytes]) -> None:
    """Let whoever writes write at the end, wherever that is by then."""
    flags = fcntl.fcntl(said, fcntl.F_GETFL)
    fcntl.fcntl(said, fcntl.F_SETFL, flags | os.O_APPEND)


def _wait(process: subprocess.Popen[bytes], said: IO[bytes], seconds: float) -> int:
    """Wait for a command's end, and keep what it says from filling the disk.

    Raises:
        subprocess.TimeoutExpired: its time is over.
    """
    until = time.monotonic() + seconds
    while True:
        left = until - time.monotonic()
        try:
            return process.wait(max(0.0, min(left, LOOK_SECONDS)))
        except subprocess.TimeoutExpired:
            if left <= LOOK_SECONDS:
                raise
        if os.fstat(said.fileno()).st_size > MOST:
            os.ftruncate(said.fileno(), 0)


def _ended(process: subprocess.Popen[bytes], said: IO[bytes], timeout: timedelta) -> Ended:
    try:
        status = _wait(process, said, timeout.total_seconds())
    except subprocess.TimeoutExpired:
        _end(process)
        told = f"not ended after {timeout.total_seconds():g} s, so it was ended; {_tail(said)}"
        return Ended(TIMED_OUT, told.removesuffix("; "))
    if status == 0:
        return Ended("", _tail(said))
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return Ended(FAILED, f"ended with {how}: {_tail(said) or 'no output'}")


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
    return end_of(said.read().decode("utf-8", "replace"))
