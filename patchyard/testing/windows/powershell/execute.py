"""Statements: what each kind of node does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell import arithmetic, compare
from patchyard.testing.windows.powershell.convert import elements, to_int, truth
from patchyard.testing.windows.powershell.errors import (
    BASES,
    BreakLoop,
    ContinueLoop,
    ErrorRecord,
    Exited,
    NetException,
    Returned,
    Stopped,
    Thrown,
    failure,
)
from patchyard.testing.windows.powershell.evaluate import assign, statement_value
from patchyard.testing.windows.powershell.runtime import (
    EXECUTORS,
    Emit,
    Executor,
    Runtime,
)
from patchyard.testing.windows.powershell.syntax import (
    Assign,
    Block,
    BlockOf,
    Catch,
    For,
    Foreach,
    Function,
    If,
    Leave,
    Node,
    Switch,
    Try,
    While,
)
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import NOTHING, Hashtable, Value

Some = TypeVar("Some", bound=Callable[..., None])
KNOWN = {name.lower(): name for name in (*BASES, "System.Exception")}


def executes(kind: type[Node]) -> Callable[[Some], Some]:
    """Declare a function to be what a kind of node does."""

    def add(function: Some) -> Some:
        executor: Executor = function
        EXECUTORS[kind] = executor
        return function

    return add


def drop(_item: Value) -> None:
    """Take output and do nothing with it."""


def iterate(value: Value) -> Iterator[Value]:
    """Yield what a loop or a pipeline goes through; $null is one element of a pipeline.

    Raises:
        Thrown: the collection was changed meanwhile.
    """
    items = elements(value)
    if items is None:
        if value is not NOTHING:
            yield value
        return
    version = getattr(value, "version", None)
    for item in list(items) if version is not None else items:
        yield item
        if version != getattr(value, "version", None):
            raise failure(
                "Collection was modified; enumeration operation may not execute.",
                "System.InvalidOperationException",
                error_id="System.InvalidOperationException",
            )


@executes(Block)
def _block(rt: Runtime, node: Block, emit: Emit) -> None:
    for statement in node.statements:
        rt.run(statement, emit)


_COMPOUND: dict[str, Callable[[Value, Value], Value]] = {
    "+=": arithmetic.add,
    "-=": arithmetic.subtract,
    "*=": arithmetic.multiply,
    "/=": lambda a, b: arithmetic.calculate("/", a, b),
    "%=": lambda a, b: arithmetic.calculate("%", a, b),
}


@executes(Assign)
def _assign(rt: Runtime, node: Assign, _emit: Emit) -> None:
    value = statement_value(rt, node.value)
    if node.operator != "=":
        right = None if value is NOTHING else value
        value = _COMPOUND[node.operator](rt.value(node.target), right)
    assign(rt, node.target, value)


def _holds(rt: Runtime, condition: Node) -> bool:
    return truth(statement_value(rt, condition))


@executes(If)
def _if(rt: Runtime, node: If, emit: Emit) -> None:
    for condition, body in node.branches:
        if _holds(rt, condition):
            rt.run(body, emit)
            return
    if node.otherwise is not None:
        rt.run(node.otherwise, emit)


def _goes_on(rt: Runtime, body: Block, label: str, emit: Emit) -> bool:
    """Run a loop's body once, and tell whether the loop goes on."""
    try:
        rt.run(body, emit)
    except BreakLoop as leaving:
        if leaving.label not in {"", label}:
            raise
        return isinstance(leaving, ContinueLoop)
    return True


@executes(Foreach)
def _foreach(rt: Runtime, node: Foreach, emit: Emit) -> None:
    values = statement_value(rt, node.values)
    if values is None:
        return
    for item in iterate(values):
        rt.set(node.variable.name, item, node.variable.scope)
        if not _goes_on(rt, node.body, node.label, emit):
            return


@executes(For)
def _for(rt: Runtime, node: For, emit: Emit) -> None:
    if node.first is not None:
        rt.run(node.first, drop)
    while node.condition is None or _holds(rt, node.condition):
        rt.around.check()
        if not _goes_on(rt, node.body, node.label, emit):
            return
        if node.step is not None:
            rt.run(node.step, drop)


@executes(While)
def _while(rt: Runtime, node: While, emit: Emit) -> None:
    first = node.after
    while first or _holds(rt, node.condition) != node.until:
        rt.around.check()
        first = False
        if not _goes_on(rt, node.body, node.label, emit):
            return


@executes(Switch)
def _switch(rt: Runtime, node: Switch, emit: Emit) -> None:
    value = statement_value(rt, node.value)
    before = rt.scope.variables.get("_", NOTHING)
    try:
        for item in iterate(value):
            rt.set("_", item)
            if not _goes_on_switch(rt, node, item, emit):
                return
    finally:
        _restore(rt, "_", before)


def _restore(rt: Runtime, name: str, before: Value) -> None:
    if before is NOTHING:
        rt.scope.variables.pop(name, None)
    else:
        rt.scope.variables[name] = before


def _goes_on_switch(rt: Runtime, node: Switch, item: Value, emit: Emit) -> bool:
    matched = False
    for test, body in node.clauses:
        if test is None or not _matches(rt, node, item, test):
            continue
        matched = True
        try:
            rt.run(body, emit)
        except BreakLoop as leaving:
            if leaving.label not in {"", node.label}:
                raise
            return isinstance(leaving, ContinueLoop)
    default = next((body for test, body in node.clauses if test is None), None)
    if not matched and default is not None:
        return _goes_on(rt, default, node.label, emit)
    return True


def _matches(rt: Runtime, node: Switch, item: Value, test: Node) -> bool:
    if isinstance(test, BlockOf):
        return truth(statement_value(rt, test.script.end))
    wanted = rt.value(test)
    if node.mode == "regex":
        found = compare.regex(wanted, case=node.case_sensitive).search(text_of(item))
        if found is not None:
            rt.set("matches", Hashtable(compare.groups(found)))
        return found is not None
    if node.mode == "wildcard":
        return compare.like(item, wanted, case=node.case_sensitive)
    return compare.equal(item, wanted, case=node.case_sensitive)


@executes(Try)
def _try(rt: Runtime, node: Try, emit: Emit) -> None:
    """Run a try. A process that is ended runs no finally any more."""
    home = rt.home()
    try:
        _guarded(rt, node, emit)
    except (Stopped, NotSimulated):
        raise
    except BaseException:
        if node.final is not None:
            with rt.at(home):
                rt.run(node.final, emit)
        raise
    if node.final is not None:
        rt.run(node.final, emit)


def _guarded(rt: Runtime, node: Try, emit: Emit) -> None:
    try:
        rt.run(node.body, emit)
    except Thrown as thrown:
        rt.remember(thrown.record)
        catch = next((c for c in node.catches if _catches(c, thrown.record)), None)
        if catch is None:
            raise
        before = rt.scope.variables.get("_", NOTHING)
        rt.scope.variables["_"] = thrown.record
        rt.caught.append(thrown)
        try:
            rt.run(catch.body, emit)
        finally:
            rt.caught.pop()
            _restore(rt, "_", before)


def _catches(catch: Catch, record: ErrorRecord) -> bool:
    if not catch.types:
        return True
    for name in catch.types:
        full = KNOWN.get(name.lower()) or KNOWN.get(f"system.{name.lower()}")
        if full is None:
            raise NotSimulated(f"line {catch.line}: the exception [{name}]")
        exception = record.exception
        if exception.is_a(full) or (exception.inner is not None and exception.inner.is_a(full)):
            return True
    return False


@executes(Leave)
def _leave(rt: Runtime, node: Leave, emit: Emit) -> None:
    if node.word == "return":
        if node.value is not None:
            rt.run(node.value, emit)
        raise Returned
    if node.word == "break":
        raise BreakLoop(node.label)
    if node.word == "continue":
        raise ContinueLoop(node.label)
    value = None if node.value is None else statement_value(rt, node.value)
    if node.word == "exit":
        raise Exited(to_int(value))
    raise _thrown(rt, None if value is NOTHING else value, given=node.value is not None)


def _thrown(rt: Runtime, value: Value, *, given: bool) -> Thrown:
    if not given:
        return rt.caught[-1] if rt.caught else failure("ScriptHalted", error_id="ScriptHalted")
    if isinstance(value, ErrorRecord):
        return Thrown(value)
    if isinstance(value, NetException):
        record = ErrorRecord(value, error_id=value.message, category="OperationStopped")
        return Thrown(record)
    text = text_of(value)
    return failure(text, error_id=text, target=value)


@executes(Function)
def _function(rt: Runtime, node: Function, _emit: Emit) -> None:
    rt.scope.functions[node.name.lower()] = node
