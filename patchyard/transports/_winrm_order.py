"""An order: one script with its parameters, on its way to PowerShell and its answer back.

A command line holds some 12,000 characters of a script, standard input any number. So PowerShell
is started with a small constant bootstrap (templates/windows/bootstrap.ps1.j2), which takes the
order from standard input and runs nothing before length and hash are right: a piece that was
lost, or arrived twice, is noticed while nothing has happened yet.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from patchyard.errors import MachineError, ProtocolError, Unreachable
from patchyard.templates import render
from patchyard.transports import _winrm_clixml
from patchyard.transports.base import Completed

PROGRAM = "powershell.exe"
TEMPLATE = "windows/bootstrap.ps1.j2"

PIECE = 200_000
"""Bytes of input in one message. As base64 in an envelope they stay below the 500 KB that a
service takes by default (MaxEnvelopeSizekb)."""

TAIL = 300
"""Characters of an unexpected output that a message repeats."""


class Damaged(Exception):
    """The order did not arrive as it was sent. Nothing of its script has run."""


@cache
def arguments() -> tuple[str, ...]:
    """Return the arguments that PowerShell is always started with."""
    bootstrap = base64.b64encode(render(TEMPLATE).encode("utf-16-le")).decode()
    return (
        *("-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass"),
        *("-EncodedCommand", bootstrap),
    )


@dataclass(frozen=True, slots=True)
class Order:
    """One order, ready to be sent, and the mark that opens its answer."""

    machine: str
    text: bytes
    mark: str

    @classmethod
    def pack(cls, script: str, parameters: Mapping[str, Any] | None, *, machine: str) -> Order:
        """Pack a script and what it finds as $Parameters.

        Raises:
            TypeError, ValueError: the parameters are not JSON.
        """
        content = {"script": script, "parameters": dict(parameters or {})}
        plain = json.dumps(content, allow_nan=False).encode()
        packed = base64.b64encode(gzip.compress(plain, mtime=0))
        mark = secrets.token_hex(8)
        head = f"{mark} {len(packed)} {hashlib.sha256(packed).hexdigest()}\n"
        return cls(machine, head.encode() + packed + b"\n", mark)

    def pieces(self) -> Iterator[tuple[bytes, bool]]:
        """Return what is to be sent, piece by piece, and whether it is the last one."""
        for start in range(0, len(self.text), PIECE):
            piece = self.text[start : start + PIECE]
            yield piece, start + PIECE >= len(self.text)

    def open(self, exit_status: int, stdout: bytes, stderr: bytes) -> Completed:
        """Return what the script itself said, with the line ends of every other transport.

        Raises:
            Damaged: the order did not arrive as it was sent.
            ProtocolError: the bootstrap did not run.
            Unreachable: it ended well, and nothing of its output has arrived.
        """
        said = _text(stdout)
        complaints = _winrm_clixml.errors(_text(stderr))
        if f"@@{self.mark} damaged\n" in said:
            raise Damaged
        noise, ready, answer = said.partition(f"@@{self.mark} ready\n")
        if not ready:
            raise self._no_answer(exit_status, f"{noise}\n{complaints}")
        return Completed(exit_status, answer, complaints)

    def _no_answer(self, exit_status: int, said: str) -> MachineError:
        tail = " ".join(said.split())[-TAIL:]
        if exit_status == 0 and not tail:
            return Unreachable(f"{self.machine}: the script has ended, and its answer was lost")
        return ProtocolError(
            f"{self.machine}: PowerShell did not take the script (status {exit_status}: "
            f"{tail or 'no output'}); it needs Windows PowerShell 5.1 in full language mode"
        )


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace").replace("\r\n", "\n")
