"""What an SSH connection runs over: a socket, a proxy program, or a channel through a jump host."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import IO, Protocol

from patchyard.errors import MachineError, TimedOut, Unreachable
from patchyard.transports._route import Hop

QUIET = 1.0
"""Seconds between an idle connection's wake-ups; paramiko's own 0.1 costs ten times as much."""

STALL = 30.0
"""Seconds for which the other end may take no data before the link counts as lost."""

CHUNK = 65536
FIRST_BYTES = 200
KEEPALIVES_MISSED = 4
GRACE = 0.2


class Endpoint(Protocol):
    """The part of a socket that a wire needs; paramiko's channels have it too."""

    def send(self, data: bytes, /) -> int: ...
    def recv(self, size: int, /) -> bytes: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def close(self) -> None: ...


class Wire:
    """A socket for paramiko that reads in large pieces, and that can be cut from outside."""

    def __init__(self, endpoint: Endpoint, *, cut: Callable[[], None]) -> None:
        self._endpoint = endpoint
        self._cut = cut
        self._read = b""
        self._at = 0
        self._stalled: float | None = None
        self._closed = False
        self.first = b""
        """The first bytes that came, to say what answers where it is not SSH."""

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes; none means the other end has closed."""
        if self._at >= len(self._read):
            self._read, self._at = self._endpoint.recv(CHUNK), 0
            if len(self.first) < FIRST_BYTES:
                self.first = (self.first + self._read)[:FIRST_BYTES]
        piece = self._read[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def send(self, data: bytes) -> int:
        """Send some of `data`, and return how much of it."""
        try:
            sent = self._endpoint.send(data)
        except TimeoutError:
            now = time.monotonic()
            self._stalled = self._stalled or now
            if now - self._stalled > STALL:
                raise OSError(errno.EPIPE, f"no data taken for {STALL:.0f} s") from None
            raise
        self._stalled = None
        return sent

    def settimeout(self, seconds: float | None) -> None:
        """Set the time between wake-ups, but never shorter than `QUIET`."""
        self._endpoint.settimeout(QUIET if seconds is None else max(seconds, QUIET))

    def cut(self) -> None:
        """Make every read and write end now."""
        self._closed = True
        self._cut()

    def close(self) -> None:
        """Give the socket back."""
        self._closed = True
        with contextlib.suppress(Exception):
            self._endpoint.close()


def dial(hop: Hop) -> Wire:
    """Connect to a host without help of another.

    Raises:
        Unreachable: the name is unknown, or nothing answers there.
        TimedOut: no connection within the connect timeout.
    """
    if hop.proxy_command:
        return _through_program(hop, hop.proxy_command)
    try:
        link = socket.create_connection((hop.address, hop.port), timeout=hop.timeouts.connect)
    except TimeoutError as error:
        raise TimedOut(
            f"{hop.label}: no connection within {hop.timeouts.connect:g} s; "
            "is the machine up, and the port open in between?"
        ) from error
    except socket.gaierror as error:
        raise Unreachable(
            f"{hop.label}: the name {hop.address!r} cannot be resolved ({error.strerror})"
        ) from error
    except OSError as error:
        raise Unreachable(f"{hop.label}: cannot be reached: {_why(error)}") from error
    except UnicodeError as error:
        raise Unreachable(f"{hop.label}: {hop.address!r} is no host name") from error
    _watch(link, hop.keepalive)
    return Wire(link, cut=lambda: _shut(link))


def _why(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__).lower()


def _watch(link: socket.socket, keepalive: int) -> None:
    """Let the kernel notice a peer that is gone: SSH's own keep-alive only sends."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not keepalive:
        return
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepalive)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, keepalive)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVES_MISSED)
    limit = keepalive * (KEEPALIVES_MISSED + 1) * 1000
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit)


def _shut(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)


class ProxyWire(Wire):
    """A wire whose other end is a program of ours. Cutting it ends the program."""

    def __init__(
        self, link: socket.socket, program: subprocess.Popen[bytes], said: IO[bytes]
    ) -> None:
        super().__init__(link, cut=lambda: _end(link, program, said))
        self._program = program
        self._said = said

    def complaint(self) -> str:
        """Return the end of what the program wrote to its standard error."""
        if self._said.closed:
            return ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._program.wait(timeout=GRACE)
        size = self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, size - 400))
        return " ".join(self._said.read().decode("utf-8", "replace").split())


def _through_program(hop: Hop, command: str) -> ProxyWire:
    """Start a ProxyCommand. Its standard input and output are one socket pair, so a real socket."""
    argv = _argv(hop, command)
    ours, theirs = socket.socketpair()
    said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the wire
    try:
        program = subprocess.Popen(
            argv,
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=said,
            start_new_session=True,
        )
    except OSError as error:
        ours.close()
        said.close()
        raise MachineError(
            f"{hop.label}: the proxy_command {argv[0]!r} cannot be started: {_why(error)}"
        ) from error
    finally:
        theirs.close()
    return ProxyWire(ours, program, said)


def _argv(hop: Hop, command: str) -> list[str]:
    """Fill in the fields word by word, so that no value becomes two words."""
    fields = {"address": hop.address, "port": hop.port, "user": hop.user, "name": hop.name}
    return [word.format(**fields) for word in shlex.split(command)]


def _end(link: socket.socket, program: subprocess.Popen[bytes], said: IO[bytes]) -> None:
    """End the program and its children: closed input first, then a signal, then a harder one."""
    _shut(link)
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(program.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(timeout=GRACE)
            break
    said.close()
