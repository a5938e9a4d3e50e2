"""As much of HTTP/1.1 as WinRM's clients speak, over one socket, with ways to break it."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.message import Message
from email.utils import format_datetime
from http import HTTPStatus
from http.client import HTTPException, parse_headers

SERVER = "Microsoft-HTTPAPI/2.0"
LONGEST_LINE = 65536
LARGEST_BODY = 8 * 1024 * 1024
HANDSHAKE = 10.0
"""Seconds for a client's TLS handshake."""


class Gone(Exception):
    """The connection has ended: by the client, by order, or because the computer went down."""


class NotHttp(Gone):
    """What came is not the HTTP that WinRM's clients speak."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request as it was read."""

    method: str
    path: str
    headers: Message
    body: bytes

    @property
    def authorization(self) -> str:
        """What the client logs in with; empty where it sends nothing."""
        return str(self.headers.get("Authorization", ""))

    @property
    def content_type(self) -> str:
        """The kind of the body."""
        return str(self.headers.get("Content-Type", ""))


@dataclass(slots=True)
class HttpResponse:
    """One answer. `sealed` says whether it is to be sealed before it is sent."""

    status: int
    body: bytes = b""
    content_type: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    sealed: bool = False

    def written(self, now: datetime) -> bytes:
        """Return it as bytes."""
        head = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            f"Server: {SERVER}",
            f"Date: {format_datetime(now, usegmt=True)}",
            *([f"Content-Type: {self.content_type}"] if self.content_type else []),
            *(f"{name}: {value}" for name, value in self.headers),
            f"Content-Length: {len(self.body)}",
        ]
        return "\r\n".join([*head, "", ""]).encode("latin-1") + self.body


class Peer:
    """The server's end of one connection."""

    def __init__(self, raw: socket.socket) -> None:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = raw
        self.tls: ssl.SSLSocket | None = None
        self._file = raw.makefile("rb")

    def secure(self, context: ssl.SSLContext) -> None:
        """Begin TLS.

        Raises:
            Gone: the client did not go through with it.
        """
        self._file.close()
        self._socket.settimeout(HANDSHAKE)
        try:
            self.tls = context.wrap_socket(self._socket, server_side=True)
        except (OSError, ValueError) as error:
            raise Gone(str(error)) from error
        self.tls.settimeout(None)
        self._socket = self.tls
        self._file = self.tls.makefile("rb")

    @property
    def certificate(self) -> bytes:
        """The certificate the client showed, as DER; empty where it showed none."""
        return (self.tls.getpeercert(binary_form=True) or b"") if self.tls else b""

    def read(self) -> HttpRequest | None:
        """Read the next request; None where the client has ended the connection in order.

        Raises:
            NotHttp: what came is not the HTTP that WinRM's clients speak.
            Gone: the connection broke.
        """
        try:
            if not (first := self._file.peek(1)[:1]).isalpha() and first:
                # Such as the first byte of TLS, in which a line may never end.
                raise NotHttp(repr(first))
            line = self._file.readline(LONGEST_LINE).decode("latin-1").strip()
            return self._rest(line) if line else None
        except (ValueError, HTTPException) as error:
            raise NotHttp(str(error)) from error
        except OSError as error:
            raise Gone(str(error)) from error

    def _rest(self, line: str) -> HttpRequest:
        method, path, version = line.split(" ")
        headers = parse_headers(self._file)
        length = int(str(headers.get("Content-Length", "0")))
        if version != "HTTP/1.1" or "Transfer-Encoding" in headers or length > LARGEST_BODY:
            raise NotHttp(line)
        if str(headers.get("Expect", "")).casefold() == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._file.read(length)
        if len(body) < length:
            raise Gone("the request was cut off")
        return HttpRequest(method, path, headers, body)

    def send(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            Gone: the client takes none any more.
        """
        try:
            self._socket.sendall(data)
        except (OSError, ValueError) as error:
            raise Gone(str(error)) from error

    def left(self) -> bool:
        """Say whether the client has hung up while it waits. Over TLS its farewell counts too."""
        try:
            readable, _, _ = select.select([self._socket], [], [], 0)
            if not readable:
                return False
            # The raw bytes: TLS would hide a farewell, and could not look without taking.
            return self.tls is not None or not socket.socket.recv(
                self._socket, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT
            )
        except (OSError, ValueError):
            return True

    def reset(self) -> None:
        """End the connection with a reset: what is on its way is lost, the client gets an error."""
        with contextlib.suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()

    def cut(self) -> None:
        """Make a read or write of another thread end now."""
        with contextlib.suppress(OSError):
            # Past TLS on purpose: no farewell, and nothing of TLS is touched from another thread.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection in order."""
        with contextlib.suppress(OSError, ValueError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._socket.close()


def refusal(status: int, challenges: Sequence[str] = ()) -> HttpResponse:
    """Make an answer that says no, with what the client may log in with."""
    return HttpResponse(status, headers=[("WWW-Authenticate", each) for each in challenges])
