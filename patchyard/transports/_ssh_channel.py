"""One command over an open SSH connection, with a deadline that holds."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import paramiko

PIECE = 262144
LIMIT = 64 * 1024 * 1024
"""Bytes that one command may print. More is a machine gone wild, and our memory."""

GRACE = 2.0
"""Seconds to wait for the end of the output once the command has ended: a process that it left
behind may hold the output open for ever."""

LOOK = 1.0

PACKETS = 32
"""Packets of output after which the reader is woken to take them in. They fill half the window
at most, so the machine never waits for that."""


class TooMuch(Exception):
    """The command printed more than anybody wants to read."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a command printed. `exit_status` is None where the link ended before it was told."""

    exit_status: int | None
    stdout: bytes
    stderr: bytes


class _Bell(threading.Event):
    """Rings when the channel has closed, or much has come.

    To wake the reader for every packet costs more than the packet. Two buffers share the bell,
    so only the reader may silence it.
    """

    def __init__(self, channel: paramiko.Channel) -> None:
        super().__init__()
        self._channel = channel
        self._packets = 0

    def set(self) -> None:
        self._packets += 1
        if self._channel.closed or self._packets % PACKETS == 0:
            super().set()

    def clear(self) -> None:
        """Ignore a buffer that has run empty: the other one may not be."""

    def silence(self) -> None:
        super().clear()


class _Reply(threading.Event):
    """The event on which paramiko waits for a reply without a limit, with a limit."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self._limit = limit

    def wait(self, timeout: float | None = None) -> bool:
        if super().wait(self._limit if timeout is None else timeout):
            return True
        raise TimeoutError


def converse(transport: paramiko.Transport, command: str, text: bytes, seconds: float) -> Spoken:
    """Run a command with `text` as its standard input, and read all that it prints.

    Raises:
        TimeoutError: it did not end in time; its channel is closed.
        TooMuch: it printed more than `LIMIT`; its channel is closed.
        paramiko.SSHException, EOFError, OSError: the link was lost.
    """
    deadline = time.monotonic() + seconds
    channel = _open(transport, seconds)
    try:
        channel.event = _Reply(_left(deadline))
        channel.exec_command(command)
        channel.settimeout(_left(deadline))
        channel.sendall(text)
        channel.shutdown_write()
        return _listen(channel, deadline)
    finally:
        if transport.is_active():
            channel.close()


def _open(transport: paramiko.Transport, seconds: float) -> paramiko.Channel:
    begun = time.monotonic()
    try:
        return transport.open_session(timeout=seconds)
    except paramiko.SSHException:
        if transport.is_active() and time.monotonic() - begun >= seconds:
            raise TimeoutError from None
        raise


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _listen(channel: paramiko.Channel, deadline: float) -> Spoken:
    bell = _Bell(channel)
    channel.in_buffer.set_event(bell)
    channel.in_stderr_buffer.set_event(bell)
    stdout: list[bytes] = []
    stderr: list[bytes] = []
    size = 0
    while True:
        bell.silence()
        ended = channel.closed
        size += _drain(channel, stdout, stderr)
        if ended:
            status = channel.exit_status
            return Spoken(None if status < 0 else status, b"".join(stdout), b"".join(stderr))
        if size > LIMIT:
            raise TooMuch
        if channel.exit_status >= 0:
            deadline = min(deadline, time.monotonic() + GRACE)
            if not bell.wait(max(0.0, deadline - time.monotonic())):
                _drain(channel, stdout, stderr)
                return Spoken(channel.exit_status, b"".join(stdout), b"".join(stderr))
        bell.wait(min(_left(deadline), LOOK))


def _drain(channel: paramiko.Channel, stdout: list[bytes], stderr: list[bytes]) -> int:
    size = 0
    while channel.recv_ready():
        stdout.append(channel.recv(PIECE))
        size += len(stdout[-1])
    while channel.recv_stderr_ready():
        stderr.append(channel.recv_stderr(PIECE))
        size += len(stderr[-1])
    return size
