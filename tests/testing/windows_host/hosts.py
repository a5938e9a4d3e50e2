"""Running a few lines on a simulated computer, for the tests of the model."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from patchyard.testing.windows.host import SERVER_2022, Profile, SimulatedComputer
from patchyard.testing.windows.host.inside import Logon
from patchyard.testing.windows.host.program import PowerShell

START = datetime(2026, 8, 20, 8, 0, tzinfo=UTC)
LONGEST = 20.0


@dataclass(frozen=True)
class Said:
    """What a script left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def computer(profile: Profile = SERVER_2022, factor: float = 2000.0) -> SimulatedComputer:
    """A computer on which half an hour takes a second."""
    return SimulatedComputer("win-0001", profile, factor=factor, start=START)


def begin(host: SimulatedComputer, script: str, logon: Logon = "system") -> PowerShell:
    """Start a script as SYSTEM, or as who else is named, and do not wait for it."""
    user = "NT AUTHORITY\\SYSTEM" if logon == "system" else "SIM\\operator"
    job = host.processes.new_job()
    process = host.processes.start("powershell", user, host.clock.time(), job=job)
    program = PowerShell(host, process, logon, f"$ErrorActionPreference = 'Stop'\n{script}")
    program.feed(b"", end=True)
    program.begin()
    return program


def finish(program: PowerShell) -> Said:
    """Wait for the end of a script."""
    out, err = b"", b""
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        said = program.receive(1)
        out, err = out + said.stdout, err + said.stderr
        if said.exit_code is not None:
            return Said(said.exit_code, out.decode(), err.decode())
    raise AssertionError(f"no end: {out.decode()}")


def run(host: SimulatedComputer, script: str, logon: Logon = "system") -> Said:
    """Run a script to its end; nothing that it asks may be unknown."""
    said = finish(begin(host, script, logon))
    assert host.refused == []
    return said


def ask(host: SimulatedComputer, script: str, logon: Logon = "system") -> Any:
    """Return what the last expression of a script is worth, through JSON."""
    *before, last = script.strip().splitlines()
    text = "\n".join([*before, f"ConvertTo-Json -InputObject ({last}) -Compress -Depth 8"])
    said = run(host, text, logon)
    assert said.code == 0, said.err
    return json.loads(said.lines[-1])


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + LONGEST
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def encoded(script: str) -> list[str]:
    """Return the arguments with which powershell.exe is given a script."""
    text = base64.b64encode(script.encode("utf-16-le")).decode()
    return ["-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-EncodedCommand", text]
