"""Running a script: what a test or a simulated powershell.exe calls."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from patchyard.testing.windows.powershell import bag, evaluate, execute, invoke, net
from patchyard.testing.windows.powershell.cmdlets import PURE
from patchyard.testing.windows.powershell.errors import BreakLoop, ErrorRecord, Exited, Thrown
from patchyard.testing.windows.powershell.invoke import call_block
from patchyard.testing.windows.powershell.runtime import Emit, Nowhere, Runtime, Scope, Surroundings
from patchyard.testing.windows.powershell.statements import parse
from patchyard.testing.windows.powershell.values import Value

LOADED = (bag, evaluate, execute, invoke, net)
"""Modules that fill the tables of the interpreter when they are imported."""

RECURSION = 6000
"""A call of a script is some thirty calls of the interpreter."""

sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION))


@dataclass
class Ran:
    """What a script has left behind."""

    output: list[Value] = field(default_factory=list)
    written: list[tuple[str, str]] = field(default_factory=list)
    exit_code: int = 0
    error: ErrorRecord | None = None

    def stream(self, number: str) -> list[str]:
        """Return what was written to a stream."""
        return [text for stream, text in self.written if stream == number]


def run(
    text: str,
    around: Surroundings | None = None,
    *,
    commands: Mapping[str, Any] | None = None,
    arguments: tuple[Value, ...] = (),
    name: str = "",
) -> Ran:
    """Run a script to its end and return what it put out.

    Raises:
        NotSimulated: something in it is not known.
    """
    ran = Ran()
    runtime = Runtime(
        around or Nowhere(),
        PURE.by_name if commands is None else commands,
        lambda stream, line: ran.written.append((stream, line)),
    )
    ran.exit_code, ran.error = execute_in(runtime, text, ran.output.append, arguments, name=name)
    return ran


def execute_in(
    runtime: Runtime,
    text: str,
    emit: Emit,
    arguments: tuple[Value, ...] = (),
    *,
    name: str = "",
    kind: str = "global",
) -> tuple[int, ErrorRecord | None]:
    """Run a script in a runtime; return its exit code, and the error that ended it."""
    scope = runtime.scopes[0] if kind == "global" else Scope(kind)
    try:
        call_block(runtime, parse(text, name), emit, list(arguments), scope=scope)
    except Exited as leaving:
        return leaving.code, None
    except BreakLoop:
        return 0, None
    except Thrown as thrown:
        runtime.remember(thrown.record)
        return 1, thrown.record
    return 0, None


def evaluate_text(text: str) -> list[Value]:
    """Return what a script of the language alone puts out; its error is raised.

    Raises:
        Thrown: the script ended with an error.
    """
    ran = run(text)
    if ran.error is not None:
        raise Thrown(ran.error)
    return ran.output
