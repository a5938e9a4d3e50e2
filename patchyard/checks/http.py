"""A page answers as it should. Redirections are answers too, and are not followed."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from threading import Timer
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field

from patchyard.checks.base import Check, Options, Text, excerpt
from patchyard.checks.outside import out_of_reach, unanswered
from patchyard.domain.health import Finding, failed, passed, unknown
from patchyard.domain.inventory import Machine
from patchyard.transcript import Section

LONGEST_PAGE = 1_000_000
"""Bytes of a page in which a text is looked for."""

_REFUSALS = frozenset({7, 28, 35, 47, 52, 56, 60})
"""How curl ends where the other end answered badly or not at all."""


def _usable(url: str) -> str:
    """Refuse an address that cannot be asked, or that holds a secret.

    Raises:
        ValueError: it cannot be used as it is.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a full address, such as http://{address}/healthz")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no user and no password: it stands in reports")
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise ValueError("holds characters that an address cannot have; write them as %XX")
    if parts.port == 0:
        raise ValueError("must not name port 0")
    return url


Status = Annotated[int, Field(ge=100, le=599)]


class Http(Options):
    """Options of the check `http`."""

    url: Annotated[Text, AfterValidator(_usable)] = Field(
        max_length=2000, description="Address of the page, such as http://{address}/healthz."
    )
    status: Status | tuple[Status, ...] = Field(
        200, description="Status that is good, or a list of them."
    )
    contains: Text | None = Field(None, min_length=1, description="Text that the page should hold.")
    verify: bool = Field(
        default=True, strict=True, description="Whether the certificate must be valid."
    )
    ca: Text | None = Field(
        None,
        pattern=r"^[/~]",
        description="File with the certificates to trust, in full, on the side that asks.",
    )
    via: Literal["controller", "machine"] = Field(
        "controller", description="Who asks: the controller, or the machine itself with curl."
    )

    @property
    def wanted(self) -> tuple[int, ...]:
        """The statuses that are good."""
        return (self.status,) if isinstance(self.status, int) else self.status


def probe(options: Http, machine: Machine) -> Finding:
    """Ask from the controller, past every proxy that its environment names."""
    parts = urlsplit(options.url)
    hidden = out_of_reach(machine, parts.hostname or "")
    if hidden is not None:
        return hidden
    try:
        connection = _connection(options, parts)
    except (OSError, ValueError) as error:
        return unknown(excerpt(f"the certificates to trust cannot be read: {error}"))
    with _ended_after(connection, options.timeout) as timer:
        try:
            return _asked(options, connection, parts)
        except (OSError, HTTPException, ValueError) as error:
            if timer.finished.is_set():
                return failed(f"no whole answer within {options.timeout:g} s")
            if isinstance(error, OSError):
                return unanswered(error, seconds=options.timeout)
            return failed(excerpt(f"no answer in HTTP: {error or type(error).__name__}"))


def _asked(options: Http, connection: HTTPConnection, parts: SplitResult) -> Finding:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", target, headers={"User-Agent": "patchyard", "Connection": "close"})
    answer = connection.getresponse()
    looked_for = options.contains is not None and answer.status in options.wanted
    page = answer.read(LONGEST_PAGE) if looked_for else b""
    return _judged(options, answer.status, page.decode("utf-8", "replace"))


def _judged(options: Http, status: int, page: str) -> Finding:
    if status not in options.wanted:
        good = " or ".join(map(str, options.wanted))
        return failed(f"answers {status}, and {good} is good")
    if options.contains is not None and options.contains not in page:
        return failed(f"answers {status}, and {options.contains!r} is not in the page")
    return passed(f"answers {status}")


def _connection(options: Http, parts: SplitResult) -> HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "http":
        return HTTPConnection(host, parts.port, timeout=options.timeout)
    context = _trust(verify=options.verify, ca=options.ca)
    return HTTPSConnection(host, parts.port, timeout=options.timeout, context=context)


def _trust(*, verify: bool, ca: str | None) -> ssl.SSLContext:
    if verify and ca is None:
        return _usual_trust()
    context = ssl.create_default_context(cafile=Path(ca).expanduser() if ca else None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@cache
def _usual_trust() -> ssl.SSLContext:
    """Reading the system's certificates takes longer than asking, so it is done once."""
    return ssl.create_default_context()


@contextlib.contextmanager
def _ended_after(connection: HTTPConnection, seconds: float) -> Iterator[Timer]:
    """Hang up in time: a page that comes one byte at a time would never run into a timeout."""
    timer = Timer(seconds, _hang_up, (connection,))
    timer.daemon = True
    timer.start()
    try:
        yield timer
    finally:
        timer.cancel()
        connection.close()


def _hang_up(connection: HTTPConnection) -> None:
    sock = connection.sock
    if sock is not None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


def judge(options: Http, section: Section) -> Finding:
    """Say what curl on the machine was answered. Its last line is the status.

    Raises:
        ScriptFailed: curl could not ask.
    """
    if section.status in _REFUSALS:
        return failed(excerpt(section.stderr) or f"curl ended with {section.status}")
    page, _, status = section.require().rstrip("\n").rpartition("\n")
    if not status.isdigit() or not int(status):
        return unknown("the page is too long to be read, or curl told no status")
    return _judged(options, int(status), page)


CHECK = Check(
    name="http", options=Http, subject="url", script="http.sh.j2", judge=judge, probe=probe
)
