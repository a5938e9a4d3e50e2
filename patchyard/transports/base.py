"""The shape of a transport: run a script on a machine, and close the link.

A transport's module ends in `TRANSPORT = TransportSpec(...)`; its name is what an inventory says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from patchyard.domain.inventory import Inventory, Machine
from patchyard.errors import MachineError
from patchyard.registry import load

Parameters = Mapping[str, object]
"""Values for a PowerShell script; they travel as JSON."""


@dataclass(frozen=True, slots=True)
class Completed:
    """What one script left behind. `stdout` and `stderr` are decoded with replacement."""

    exit_status: int
    stdout: str
    stderr: str


def refuse(parameters: Parameters | None) -> None:
    """Raise ValueError where a shell script was given values beside its text."""
    if parameters is not None:
        raise ValueError("a shell script has its values in its text")


class Transport(Protocol):
    """An open link to one machine. One thread uses it at a time."""

    def run(
        self, script: str, /, *, timeout: timedelta, parameters: Parameters | None = None
    ) -> Completed:
        """Run a script as the login user and wait for its end.

        SSH and local run a POSIX shell script, which has its values in its text. It may call the
        shell function `root COMMAND [ARGUMENT ...]`, which the transport defines: it runs one
        command as root in the way the connection allows. WinRM runs a PowerShell script, whose
        text never changes: it finds its values in `$Parameters`.

        Raises:
            ValueError: values were given to a shell script.
            TimedOut: no end within `timeout`; the script may still be running.
            Unreachable: the link was lost; the script may still be running.
            PrivilegeRefused: `root` was asked and the account may not.
        """
        ...

    def close(self) -> None:
        """Close the link at once; never waits for the other end."""
        ...


@dataclass(frozen=True, slots=True)
class TransportSpec:
    """One way to reach machines: its name in an inventory, and how a link is opened."""

    name: str
    open: Callable[[Machine, Inventory], Transport]


def open_transport(machine: Machine, inventory: Inventory) -> Transport:
    """Open a link to a machine by the transport that its connection names.

    Raises:
        MachineError: the machine cannot be reached, in the kinds that `errors.py` tells.
    """
    known = load("patchyard.transports", "TRANSPORT", TransportSpec)
    wanted = machine.connection.transport
    if wanted not in known:
        raise MachineError(
            f"{machine.name}: there is no transport {wanted!r}; write one of {', '.join(known)}"
        )
    return known[wanted].open(machine, inventory)
