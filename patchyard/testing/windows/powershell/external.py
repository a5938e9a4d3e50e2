"""External programs as commands of a pipeline."""

from __future__ import annotations

from typing import Protocol

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.convert import elements
from patchyard.testing.windows.powershell.errors import ErrorRecord, NetException, Thrown
from patchyard.testing.windows.powershell.runtime import Emit, Runtime
from patchyard.testing.windows.powershell.stages import redirected
from patchyard.testing.windows.powershell.syntax import Command, Number, Option, Text, Variable
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import Value

REMOTE = "System.Management.Automation.RemoteException"


class Native(Protocol):
    """An external program of a computer."""

    def __call__(self, arguments: list[str], items: list[str]) -> tuple[int, str, str]:
        """Run it, and return its exit code, its output and what it wrote to standard error."""
        ...


class External:
    """An external program as a stage."""

    def __init__(
        self, rt: Runtime, node: Command, program: Native, emit: Emit, *, piped: bool
    ) -> None:
        self._rt, self._node, self._program, self._emit = rt, node, program, emit
        self._piped = piped
        self._items: list[str] = []
        self._home = rt.home()
        self._arguments = [text for element in node.elements for text in _native(rt, element)]
        bad = [text for text in self._arguments if '"' in text]
        if bad:
            raise NotSimulated(
                f"line {node.line}: a quote in a program's argument, which 5.1 passes on wrongly"
            )

    def process(self, item: Value) -> None:
        """Keep an element for its standard input."""
        self._items.append(text_of(item))

    def end(self) -> None:
        """Run it."""
        rt = self._rt
        with rt.at(self._home), redirected(rt, self._node.redirections, self._emit) as emit:
            sent_elsewhere = "2" in rt.sinks[-1]
            code, output, errors = self._program(self._arguments, self._items)
            rt.scopes[0].variables["lastexitcode"] = code
            for line in output.splitlines():
                emit(line)
            for line in errors.splitlines():
                if sent_elsewhere:
                    # In 5.1 a redirected line of standard error is an error record, and under
                    # Stop it ends the script, even where it is redirected to $null.
                    record = ErrorRecord(NetException(REMOTE, line), error_id="NativeCommandError")
                    if rt.preference("erroractionpreference") == "stop":
                        raise Thrown(record)
                    rt.tell("2", record)
                else:
                    rt.write("2", line)


def _native(rt: Runtime, element: object) -> list[str]:
    if isinstance(element, Option):
        if element.value is None:
            return [f"-{element.name}"]
        return [f"-{element.name}:{text_of(rt.value(element.value))}"]
    if isinstance(element, Number):
        return [element.text]
    if isinstance(element, Text):
        return [element.value]
    if isinstance(element, Variable) and element.splat:
        element = Variable(element.line, element.name, element.scope)
    value = rt.value(element)  # type: ignore[arg-type]
    found = elements(value)
    return [text_of(item) for item in ([value] if found is None else found) if item is not None]
