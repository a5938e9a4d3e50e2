"""A transport straight to a simulated computer, without a network and a login between."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from patchyard.errors import TimedOut, Unreachable
from patchyard.testing.windows.base import Program
from patchyard.testing.windows.host import SimulatedComputer
from patchyard.transports import _winrm_order
from patchyard.transports.base import Completed

LOOK = 0.5


class Direct:
    """Runs scripts as WinRM does, under the same bootstrap; what it cannot do is lose a packet."""

    def __init__(self, computer: SimulatedComputer, user: str = "SIM\\operator") -> None:
        self.computer = computer
        self.user = user

    def run(
        self,
        script: str,
        /,
        *,
        timeout: timedelta,
        parameters: Mapping[str, Any] | None = None,
    ) -> Completed:
        """Run a PowerShell script and wait for its end; `timeout` is in our own time.

        Raises:
            Unreachable: the computer is off, or went down meanwhile.
            TimedOut: no end within `timeout`.
        """
        computer = self.computer
        if computer.power != "up":
            raise Unreachable(f"{computer.name}: it is {computer.power}")
        boot = computer.boot
        order = _winrm_order.Order.pack(script, parameters, machine=computer.name)
        program = computer.start(
            _winrm_order.PROGRAM,
            _winrm_order.arguments(),
            user=self.user,
            environment={},
            direct=True,
        )
        for piece, last in order.pieces():
            program.feed(piece, end=last)
        code, stdout, stderr = _follow(program, time.monotonic() + timeout.total_seconds())
        if computer.boot != boot or computer.power != "up":
            raise Unreachable(f"{computer.name}: it went down")
        if code is None:
            program.end()
            raise TimedOut(f"{computer.name}: no end within {timeout}")
        return order.open(code, stdout, stderr)

    def close(self) -> None:
        """Nothing is open."""


def _follow(program: Program, deadline: float) -> tuple[int | None, bytes, bytes]:
    stdout, stderr = b"", b""
    while time.monotonic() < deadline:
        said = program.receive(LOOK)
        stdout, stderr = stdout + said.stdout, stderr + said.stderr
        if said.exit_code is not None:
            return said.exit_code, stdout, stderr
    return None, stdout, stderr
