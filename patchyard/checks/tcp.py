"""A new TCP connection to a port comes about."""

from __future__ import annotations

import socket
from typing import Literal

from pydantic import Field

from patchyard.checks.base import Check, Options, Text, excerpt
from patchyard.checks.outside import out_of_reach, unanswered
from patchyard.domain.health import Finding, failed, passed
from patchyard.domain.inventory import Machine
from patchyard.transcript import Section


class Tcp(Options):
    """Options of the check `tcp`."""

    port: int = Field(ge=1, le=65535, description="Port to connect to.")
    host: Text = Field(
        "{address}",
        pattern=r"^[A-Za-z0-9_:{][A-Za-z0-9_.:%{}-]*$",
        description="Host to connect to.",
    )
    timeout: float = Field(
        5, gt=0, le=50, strict=True, description="Longest time until the connection, in seconds."
    )
    via: Literal["controller", "machine"] = Field(
        "controller", description="Who connects: the controller, or the machine itself."
    )


def probe(options: Tcp, machine: Machine) -> Finding:
    """Connect from the controller, and hang up."""
    hidden = out_of_reach(machine, options.host)
    if hidden is not None:
        return hidden
    try:
        socket.create_connection((options.host, options.port), options.timeout).close()
    except OSError as error:
        return unanswered(error, seconds=options.timeout)
    return passed("connects")


def judge(_options: Tcp, section: Section) -> Finding:
    """Say whether the machine itself could connect."""
    if section.status == 0:
        return passed("connects, asked from the machine")
    last = section.stderr.strip().rpartition("\n")[2]
    return failed(excerpt(last.rpartition(": ")[2]) or "no connection")


CHECK = Check(name="tcp", options=Tcp, subject="port", script="tcp.sh.j2", judge=judge, probe=probe)
