"""A PowerShell that understands the transport's bootstrap and nothing else."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from patchyard.templates import render
from patchyard.testing.windows.base import NotSimulated, Program
from tests.testing.winrm.computers import FakeComputer, Talk

BEFORE = ["-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-EncodedCommand"]


@dataclass(frozen=True)
class Call:
    """One script that was begun, for a test's function to answer, at once or later."""

    script: str
    parameters: dict[str, Any]
    program: Talk

    def say(self, stdout: str = "", stderr: str = "", exit_code: int | None = None) -> None:
        """Print, and end where an exit code is given."""
        self.program.say(stdout.encode(), stderr.encode(), exit_code)


def echo(call: Call) -> None:
    call.say(f"{call.script}|{json.dumps(call.parameters)}", "", 0)


@dataclass
class PowerShell:
    """Programs for a `FakeComputer`; `calls` are the scripts that were begun, and none else."""

    answer: Callable[[Call], None] = echo
    calls: list[Call] = field(default_factory=list)
    damaged: int = 0
    broken: bytes = b""
    """What it prints instead of all it should do, where not empty."""

    def __call__(self, command: str, arguments: Sequence[str]) -> Program:
        words = " ".join(arguments).split(" ")
        if command != "powershell.exe" or words[:-1] != BEFORE:
            raise NotSimulated(f"{command} {' '.join(words[:-1])}")
        if base64.b64decode(words[-1]).decode("utf-16-le") != render("windows/bootstrap.ps1.j2"):
            raise NotSimulated("another script than the bootstrap")
        program = Talk()
        program.answer = lambda data: self._take(program, data)
        return program

    def _take(self, program: Talk, data: bytes) -> None:
        if self.broken:
            program.say(self.broken, b"", 1)
            return
        head, *lines = data.decode("ascii").split("\n")
        mark, length, seen = head.split(" ")
        text = "".join(lines)
        if str(len(text)) != length or hashlib.sha256(text.encode()).hexdigest() != seen:
            self.damaged += 1
            program.say(f"@@{mark} damaged\r\n".encode(), b"", 87)
            return
        order = json.loads(gzip.decompress(base64.b64decode(text)))
        call = Call(order["script"], order["parameters"], program)
        self.calls.append(call)
        program.say(f"@@{mark} ready\r\n".encode())
        self.answer(call)


def computer(powershell: PowerShell) -> FakeComputer:
    """Make a computer that has it."""
    return FakeComputer(powershell)
