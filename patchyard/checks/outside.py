"""Asking from outside: what the controller can reach, and what an error on the way means."""

from __future__ import annotations

import errno
import socket
import ssl

from patchyard.checks.base import excerpt
from patchyard.domain.health import Finding, failed, unknown
from patchyard.domain.inventory import Machine

# An answer of the other end, or its silence. Anything else went wrong on the controller's side.
_ANSWERS = (ConnectionError, TimeoutError, ssl.SSLError)


def out_of_reach(machine: Machine, host: str) -> Finding | None:
    """Tell where the controller cannot connect to a machine by itself; None where it can."""
    hidden = machine.connection.jump or machine.connection.proxy_command is not None
    if not hidden or host != machine.address:
        return None
    return unknown(
        f"{machine.name} is reached by way of another host, so the controller cannot connect to "
        "it; write via: machine"
    )


def unanswered(error: OSError, *, seconds: float) -> Finding:
    """Say what a connection that failed means: a bad answer, or a question that was not put."""
    if isinstance(error, socket.gaierror):
        return unknown(f"the controller cannot resolve the name: {error.strerror}")
    if isinstance(error, TimeoutError):
        return failed(f"no answer within {seconds:g} s")
    said = excerpt(error.strerror or str(error) or type(error).__name__)
    if isinstance(error, _ANSWERS) or error.errno == errno.EHOSTUNREACH:
        return failed(said)
    return unknown(f"the controller could not ask: {said}")
