"""What a cmdlet is: its parameters, and the function that does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.convert import elements, to_int, truth
from patchyard.testing.windows.powershell.errors import (
    BASES,
    ErrorRecord,
    NetError,
    NetException,
    Thrown,
)
from patchyard.testing.windows.powershell.runtime import Emit, Runtime
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import Value

COMMON = {
    "erroraction": "erroraction",
    "ea": "erroraction",
    "warningaction": "warningaction",
    "wa": "warningaction",
    "verbose": "verbose",
    "debug": "debug",
    "confirm": "confirm",
    "informationaction": "informationaction",
}
"""Parameters that every cmdlet takes; -ErrorVariable, -OutVariable and -WhatIf are not known."""

SWITCHES = {"verbose", "debug", "confirm"}


@dataclass(frozen=True, slots=True)
class Slot:
    """One parameter of a cmdlet."""

    name: str
    type: str = ""
    position: int = -1
    piped: bool = False
    mandatory: bool = False


@dataclass(frozen=True, slots=True)
class Cmdlet:
    """A cmdlet.

    Its function is called once with all input, or with `each` once for every element of it;
    with `stage` it makes a stage that takes input element by element and keeps state.
    """

    name: str
    slots: dict[str, Slot]
    function: Callable[..., Any]
    each: bool = False
    stage: bool = False

    def slot(self, name: str) -> Slot | None:
        """Return a parameter by its name."""
        return self.slots.get(name.lower())


@dataclass
class Call:
    """One call of a cmdlet, with its arguments and its input."""

    rt: Runtime
    cmdlet: Cmdlet
    arguments: dict[str, Value]
    items: list[Value] = field(default_factory=list)
    piped: bool = False
    emit: Emit = lambda _: None

    @property
    def around(self) -> Any:
        """The computer and process that the script runs in."""
        return self.rt.around

    def get(self, name: str, default: Value = None) -> Value:
        """Return an argument."""
        return self.arguments.get(name.lower(), default)

    def has(self, name: str) -> bool:
        """True where an argument was given."""
        return name.lower() in self.arguments

    def flag(self, name: str) -> bool:
        """Return a switch."""
        return truth(self.get(name, False))

    def text(self, name: str, default: str = "") -> str:
        """Return an argument as a string."""
        return text_of(self.get(name, default))

    def number(self, name: str, default: int = 0) -> int:
        """Return an argument as an Int32."""
        return to_int(self.get(name, default))

    def texts(self, name: str) -> list[str]:
        """Return an argument as several strings."""
        value = self.get(name)
        if value is None:
            return []
        found = elements(value)
        return [text_of(item) for item in ([value] if found is None else found)]

    def given(self, name: str) -> list[Value]:
        """Return what came through the pipeline, or else the argument's elements."""
        if self.piped:
            return self.items
        value = self.get(name)
        found = elements(value)
        return ([] if not self.has(name) else [value]) if found is None else found

    def report(self, record: ErrorRecord) -> None:
        """Report an error as -ErrorAction or the preference wants it."""
        self.rt.report(record, text_of(self.get("erroraction", "")))

    def fail(
        self,
        kind: str,
        message: str,
        *,
        error_id: str = "",
        category: str = "NotSpecified",
        hresult: int | None = None,
        target: Value = None,
    ) -> None:
        """Report an error of this cmdlet."""
        exception = NetException(kind, message, hresult)
        shown = f"{error_id or kind},{self.cmdlet.name}"
        self.report(ErrorRecord(exception, error_id=shown, category=category, target=target))

    def attempt(self, run: Callable[[], Iterable[Value]]) -> list[Value]:
        """Return what something gives; what it raises becomes an error of this cmdlet."""
        try:
            return list(run())
        except NetError as error:
            inner = error.exception
            record = ErrorRecord(inner, error_id=f"{inner.kind},{self.cmdlet.name}")
            self.report(record)
            return []


class Commands:
    """A table of cmdlets. `add` declares one by its name and its parameters.

    The parameters are words: `Name:type@0` has a type and a position, `Name:switch` is a switch,
    a `|` at the end takes what the pipeline brings, a `!` must be given.
    """

    def __init__(self, *tables: Commands) -> None:
        self.by_name: dict[str, Cmdlet] = {}
        for table in tables:
            self.by_name.update(table.by_name)

    def add(
        self, name: str, parameters: str = "", *, each: bool = False, stage: bool = False
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare a function to be a cmdlet."""

        def declare(function: Callable[..., Any]) -> Callable[..., Any]:
            slots = {slot.name.lower(): slot for slot in map(_slot, parameters.split())}
            self.by_name[name.lower()] = Cmdlet(name, slots, function, each, stage)
            return function

        return declare


def _slot(word: str) -> Slot:
    piped, mandatory = "|" in word, "!" in word
    plain = word.replace("|", "").replace("!", "")
    head, _, position = plain.partition("@")
    name, _, kind = head.partition(":")
    return Slot(name, kind, int(position) if position else -1, piped, mandatory)


def binding_failure(message: str, error_id: str) -> Thrown:
    """Return the error of arguments that do not fit."""
    kind = "System.Management.Automation.ParameterBindingException"
    assert kind in BASES  # noqa: S101 - a name that catches know
    return Thrown(ErrorRecord(NetException(kind, message), error_id=error_id))


def unknown_parameter(command: str, name: str, line: int) -> NotSimulated:
    """Return what is raised for a parameter that is not known here."""
    return NotSimulated(f"line {line}: the parameter -{name} of {command}")
