"""One script in a shell of its own: opened, fed, listened to, and cleaned up whatever happens."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from patchyard.errors import ProtocolError, TimedOut, Unreachable
from patchyard.transports._winrm_client import Client
from patchyard.transports._winrm_errors import (
    BROKEN_PIPE,
    OPERATIONS_QUOTA,
    SHELL_NOT_FOUND,
    SHELLS_QUOTA,
    Trouble,
)
from patchyard.transports._winrm_order import PROGRAM, Damaged, Order, arguments
from patchyard.transports.base import Completed

TRIES = 3
"""Shells in which a script is tried to be started, as long as it certainly has not been."""

QUOTA_PAUSE = 4.0
"""Seconds to wait for a shell to become free, spread by a half: others wait too."""

CLEANING = 5.0
"""Seconds that cleaning up may take."""

LIMIT = 64 * 1024 * 1024
"""Bytes that one script may print. More is a machine gone wild, and our memory."""

_NEW_SHELL = frozenset({SHELL_NOT_FOUND}) | OPERATIONS_QUOTA
"""Faults that a new shell mends."""


class _NotBegun(Exception):
    """The script has certainly not begun, and a new shell may help."""

    def __init__(self, trouble: Trouble) -> None:
        self.trouble = trouble
        super().__init__(str(trouble))


@dataclass
class _Shell:
    id: str
    command: str = ""
    stdout: list[bytes] = field(default_factory=list)
    stderr: list[bytes] = field(default_factory=list)


def run(client: Client, order: Order, seconds: float) -> Completed:
    """Run one script, once.

    Raises:
        MachineError: of the kind that says why there is no answer.
    """
    until = time.monotonic() + seconds
    try:
        return _until_begun(client, order, until)
    except Trouble as trouble:
        if isinstance(trouble.error, TimedOut) and time.monotonic() >= until:
            late = f"{client.endpoint.label}: no answer within {seconds:g} s"
            raise TimedOut(late) from trouble
        # Cleaning up on a new connection may have found out more than the call that was lost.
        raise client.refused or trouble.error from trouble


def _until_begun(client: Client, order: Order, until: float) -> Completed:
    for tries in range(1, TRIES + 1):
        try:
            return _once(client, order, until)
        except _NotBegun as again:
            if tries == TRIES:
                raise again.trouble from again
    raise AssertionError  # the last try has returned or raised


def _once(client: Client, order: Order, until: float) -> Completed:
    with _shell(client, until) as shell:
        _start(client, shell, until)
        _feed(client, shell, order, until)
        exit_status = _listen(client, shell, until)
    try:
        return order.open(exit_status, b"".join(shell.stdout), b"".join(shell.stderr))
    except Damaged as error:
        said = f"{client.endpoint.label}: the script did not arrive as it was sent"
        raise _NotBegun(Trouble(Unreachable(said))) from error


@contextmanager
def _shell(client: Client, until: float) -> Iterator[_Shell]:
    shell = _Shell(_open(client, until))
    try:
        yield shell
    finally:
        _clean(client, shell)


def _open(client: Client, until: float) -> str:
    """Open a shell, and wait for others to close theirs where there are too many."""
    while True:
        try:
            return client.create(until)
        except Trouble as trouble:
            rest = QUOTA_PAUSE * (0.5 + random.random())  # noqa: S311 - no secret
            full = trouble.code in SHELLS_QUOTA | OPERATIONS_QUOTA
            if not full or time.monotonic() + rest >= until:
                raise
        client.pause(rest)


def _clean(client: Client, shell: _Shell) -> None:
    """End the command and close the shell. A machine that does not answer now does it by itself.

    A script has had its answer by now, or never will: what goes wrong here changes nothing.
    """
    until = time.monotonic() + CLEANING
    with suppress(Trouble):
        if shell.command:
            client.signal(until, shell.id, shell.command)
    with suppress(Trouble):
        client.delete(until, shell.id)


def _start(client: Client, shell: _Shell, until: float) -> None:
    try:
        shell.command = client.command(until, shell.id, PROGRAM, arguments())
    except Trouble as trouble:
        if trouble.code in _NEW_SHELL:
            raise _NotBegun(trouble) from trouble
        raise


def _feed(client: Client, shell: _Shell, order: Order, until: float) -> None:
    for piece, last in order.pieces():
        try:
            client.send(until, shell.id, shell.command, piece, end=last)
        except Trouble as trouble:
            if last and trouble.code and (trouble.before or trouble.code in BROKEN_PIPE):
                # It says no to the last piece, and may have had it before, when an answer was
                # lost. The command itself tells; where it is gone as well, that is the answer.
                return
            if trouble.code in _NEW_SHELL:
                # Without its last piece an order is not complete, so nothing has begun.
                raise _NotBegun(trouble) from trouble
            raise


def _listen(client: Client, shell: _Shell, until: float) -> int:
    size = 0
    while True:
        said = client.receive(until, shell.id, shell.command)
        if said is None:
            continue
        stdout, stderr, exit_code = said
        shell.stdout.append(stdout)
        shell.stderr.append(stderr)
        size += len(stdout) + len(stderr)
        if size > LIMIT:
            raise Trouble(
                ProtocolError(f"{client.endpoint.label}: more than {LIMIT} bytes of output")
            )
        if exit_code is not None:
            return exit_code
