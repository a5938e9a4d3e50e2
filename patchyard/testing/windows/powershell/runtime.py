"""One running script: its scopes, its streams, its errors, and what is around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.convert import convert
from patchyard.testing.windows.powershell.errors import (
    ErrorRecord,
    NetException,
    Thrown,
    failure,
    unset,
)
from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.syntax import BlockOf, Function, Node, Script
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import NOTHING, Hashtable, Value

Emit = Callable[[Value], None]
Home = tuple[tuple["Scope", ...], tuple[dict[str, Emit], ...]]
Evaluator = Callable[["Runtime", Any], Value]
Executor = Callable[["Runtime", Any, Emit], None]

EVALUATORS: dict[type[Node], Evaluator] = {}
EXECUTORS: dict[type[Node], Executor] = {}
DEEPEST = 60


class Surroundings(Protocol):
    """What a script runs on. A computer implements it; tests of the language need none."""

    def check(self) -> None:
        """Raise Stopped where the process that runs the script has been ended."""
        ...

    def variable(self, name: str) -> str | None:
        """Return an environment variable."""
        ...

    def set_variable(self, name: str, value: str | None) -> None:
        """Set an environment variable of this process."""
        ...

    def wrote_nothing(self, where: str) -> None:
        """Take note of a field of JSON that 5.1 writes as {}, for nothing was put out for it."""
        ...


class Nowhere:
    """Surroundings of a script that touches no computer."""

    def __init__(self) -> None:
        self._variables: dict[str, str] = {}

    def check(self) -> None:
        """Nothing ends it."""

    def variable(self, name: str) -> str | None:
        """Return what the script itself has set."""
        return self._variables.get(name.lower())

    def set_variable(self, name: str, value: str | None) -> None:
        """Set it for this script."""
        self._variables[name.lower()] = value or ""

    def wrote_nothing(self, where: str) -> None:
        """Nobody here minds."""


class ScriptBlock(NetObject):
    """A script block as a value."""

    net = NetInfo("System.Management.Automation.ScriptBlock", "scriptblock")

    def __init__(self, script: Script) -> None:
        self.script = script

    def shown(self) -> str:
        """Return its text."""
        return self.script.text


@dataclass
class Scope:
    """The variables and functions that a block sees before its callers' ones."""

    kind: str = "local"
    variables: dict[str, Value] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)


CONSTANTS: Mapping[str, Value] = {"true": True, "false": False, "null": None}
AUTOMATIC = (
    "matches",
    "args",
    "input",
    "_",
    "psitem",
    "this",
    "psboundparameters",
    "error",
    "lastexitcode",
    "psscriptroot",
    "pscommandpath",
    "myinvocation",
    "ofs",
)
PREFERENCES: Mapping[str, Value] = {
    "erroractionpreference": "Continue",
    "warningpreference": "Continue",
    "verbosepreference": "SilentlyContinue",
    "debugpreference": "SilentlyContinue",
    "informationpreference": "SilentlyContinue",
    "progresspreference": "Continue",
    "confirmpreference": "High",
    "whatifpreference": False,
    "psnativecommanduseerroractionpreference": None,
}


class Runtime:
    """A script that runs.

    Args:
        around: the computer and process that it runs in.
        commands: the cmdlets it finds, by lower-case name.
        write: where text for a stream goes: `1` is output, `2` errors, `3` warnings.
    """

    def __init__(
        self,
        around: Surroundings,
        commands: Mapping[str, Any],
        write: Callable[[str, str], None],
    ) -> None:
        self.around: Any = around
        self.commands = commands
        self.write = write
        self.scopes: list[Scope] = [Scope("global")]
        self.sinks: list[dict[str, Emit]] = [{}]
        self.errors: list[Value] = []
        self.caught: list[Thrown] = []
        self.strict = False
        self.depth = 0
        self.line = 0
        top = self.scopes[0]
        top.variables.update(PREFERENCES)
        top.variables.update({"lastexitcode": None, "pid": 0, "ofs": NOTHING})
        del top.variables["ofs"], top.variables["psnativecommanduseerroractionpreference"]

    # Nodes

    def value(self, node: Node) -> Value:
        """Return an expression's value; nothing is $null."""
        return unset(self.raw(node))

    def raw(self, node: Node) -> Value:
        """Return an expression's value, told apart from nothing at all.

        Raises:
            NotSimulated: the construct is not known.
        """
        evaluate = EVALUATORS.get(type(node))
        if evaluate is None:
            raise NotSimulated(f"line {node.line}: {type(node).__name__} as a value")
        return evaluate(self, node)

    def run(self, node: Node, emit: Emit) -> None:
        """Run a statement."""
        self.around.check()
        self.line = node.line
        execute = EXECUTORS.get(type(node))
        if execute is None:
            raise NotSimulated(f"line {node.line}: {type(node).__name__} as a statement")
        try:
            execute(self, node, emit)
        except Thrown as thrown:
            thrown.record.line = thrown.record.line or self.line
            raise
        except NotSimulated as unknown:
            raise _placed(unknown, self.line) from None

    def collect(self, node: Node) -> list[Value]:
        """Return everything that a statement puts out."""
        found: list[Value] = []
        self.run(node, found.append)
        return found

    # Scopes

    @property
    def scope(self) -> Scope:
        """The innermost scope."""
        return self.scopes[-1]

    @contextmanager
    def inside(self, scope: Scope) -> Iterator[Scope]:
        """Open a scope for the time of a call.

        Raises:
            NotSimulated: calls are nested too deep.
        """
        if len(self.scopes) > DEEPEST:
            raise NotSimulated(f"line {self.line}: calls nested deeper than {DEEPEST}")
        self.scopes.append(scope)
        try:
            yield scope
        finally:
            self.scopes.pop()

    @contextmanager
    def at(self, home: Home) -> Iterator[None]:
        """Go back for a while to where a pipeline stands: an earlier command may be deeper."""
        before = self.scopes, self.sinks
        self.scopes, self.sinks = list(home[0]), list(home[1])
        try:
            yield
        finally:
            self.scopes, self.sinks = before

    def home(self) -> Home:
        """Return the place to which `at` goes back."""
        return tuple(self.scopes), tuple(self.sinks)

    def chosen(self, scope: str) -> Scope | None:
        """Return the scope that a variable names; None where any may hold it.

        Raises:
            NotSimulated: there is no such scope here.
        """
        if scope in {"", "local", "private"}:
            return None if not scope else self.scope
        if scope == "global":
            return self.scopes[0]
        if scope == "script":
            return next(s for s in reversed(self.scopes) if s.kind in {"script", "global"})
        raise NotSimulated(f"line {self.line}: the scope ${scope}:")

    def get(self, name: str, scope: str = "") -> Value:
        """Return a variable.

        Raises:
            Thrown: it was never set, and the strict mode is on.
        """
        if name in CONSTANTS and not scope:
            return CONSTANTS[name]
        if scope == "env":
            return self.around.variable(name)
        if name == "error":
            return self.errors
        if name == "psitem":
            name = "_"
        chosen = self.chosen(scope)
        for candidate in [chosen] if chosen else reversed(self.scopes):
            if name in candidate.variables:
                return candidate.variables[name]
        if self.strict and name not in AUTOMATIC:
            shown = f"{scope}:{name}" if scope else name
            raise failure(
                f"The variable '${shown}' cannot be retrieved because it has not been set.",
                error_id="VariableIsUndefined",
            )
        return None

    def set(self, name: str, value: Value, scope: str = "") -> None:
        """Set a variable in the innermost scope, or in the one that is named."""
        if name in {"true", "false", "null"}:
            if name != "null":
                raise failure(
                    f"Cannot overwrite variable {name} because it is read-only or constant.",
                    error_id="VariableNotWritable",
                )
            return
        if scope == "env":
            self.around.set_variable(name, None if unset(value) is None else text_of(value))
            return
        if name == "error":
            raise NotSimulated(f"line {self.line}: an assignment to $Error")
        chosen = self.chosen(scope) or self.scope
        if name in chosen.types:
            value = convert(value, chosen.types[name])
        chosen.variables[name] = value

    def function(self, name: str) -> Function | None:
        """Return a function that is seen from here."""
        for scope in reversed(self.scopes):
            if name.lower() in scope.functions:
                return scope.functions[name.lower()]
        return None

    # Streams

    @contextmanager
    def redirected(self, sinks: dict[str, Emit]) -> Iterator[None]:
        """Send streams elsewhere for the time of a command."""
        self.sinks.append({**self.sinks[-1], **sinks})
        try:
            yield
        finally:
            self.sinks.pop()

    def tell(self, stream: str, item: Value) -> None:
        """Write something to a stream that is not the output."""
        sink = self.sinks[-1].get(stream)
        if sink is not None:
            sink(item)
        else:
            self.write(stream, text_of(item))

    def preference(self, name: str) -> str:
        """Return a preference variable in lower case."""
        return text_of(self.get(name)).lower()

    def report(self, record: ErrorRecord, action: str = "") -> None:
        """Deal with an error that need not end the script, as the action or preference says.

        Raises:
            Thrown: it is to end it.
        """
        action = (action or self.preference("erroractionpreference")).lower()
        record.line = record.line or self.line
        if action == "stop":
            raise Thrown(record)
        if action == "ignore":
            return
        self.remember(record)
        if action == "continue":
            self.tell("2", record)
        elif action != "silentlycontinue":
            raise NotSimulated(f"line {self.line}: the error action {action!r}")

    def remember(self, record: ErrorRecord) -> None:
        """Put an error in $Error, the newest first."""
        if not self.errors or self.errors[0] is not record:
            self.errors.insert(0, record)

    def bound(self, name: str) -> Hashtable:
        """Return a hashtable from a variable, such as one that is splatted."""
        found = self.get(name)
        if not isinstance(found, Hashtable):
            raise NotSimulated(f"line {self.line}: @{name} is no hashtable")
        return found


def _placed(unknown: NotSimulated, line: int) -> NotSimulated:
    text = str(unknown)
    return unknown if "line " in text else type(unknown)(f"line {line}: {text}")


def exception_record(exception: NetException, error_id: str = "") -> ErrorRecord:
    """Return the record of an exception that a script throws itself."""
    return ErrorRecord(exception, error_id=error_id, category="OperationStopped")


def block_of(node: BlockOf) -> ScriptBlock:
    """Return a script block as a value."""
    return ScriptBlock(node.script)
