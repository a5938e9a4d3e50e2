"""What a script may name on a simulated computer, as the lint asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from patchyard.testing.windows.host.cmdlets import management
from patchyard.testing.windows.host.com import CLASSES
from patchyard.testing.windows.host.computer import SimulatedComputer
from patchyard.testing.windows.host.inside import Inside
from patchyard.testing.windows.host.native import PROGRAMS
from patchyard.testing.windows.host.table import COMMANDS
from patchyard.testing.windows.powershell.lint_names import Names
from patchyard.testing.windows.powershell.members import INTRINSIC, VIEWS
from patchyard.testing.windows.powershell.objects import INFOS
from patchyard.testing.windows.powershell.syntax import (
    ArrayOf,
    Assign,
    Block,
    Command,
    Expression,
    Foreach,
    Function,
    HashOf,
    Index,
    Member,
    Node,
    Option,
    Paren,
    Pipeline,
    Sub,
    Text,
    Variable,
    walk,
)

SHOWN_BY_CMDLETS = frozenset(
    {
        *("name", "value", "count", "group", "average", "sum", "maximum", "minimum", "property"),
        *("statuscode", "statusdescription", "content", "hotfixid", "installedon", "description"),
        *("packagename", "packagestate", "releasetype", "installtime", "imagehealthstate"),
        *("restartneeded", "online", "localport", "localaddress", "state", "owningprocess"),
        *("hash", "algorithm", "path", "providerpath", "commandtype", "pspath", "pschildname"),
        *("category", "reason", "scriptlinenumber", "positionmessage", "rebootpending"),
    }
)
"""Properties of objects that cmdlets make without a type of their own."""


@cache
def _cim_properties() -> frozenset[str]:
    computer = SimulatedComputer(factor=1.0)
    process = computer.processes.start("lint", "nobody", computer.clock.time())
    inside = Inside(computer, process, "system", {})
    return frozenset(
        str(name).lower()
        for rows in management.CLASSES.values()
        for row in rows(inside)
        for name, _ in row
    )


def names(nodes: list[Node], outside: list[Node]) -> Names:
    """Return what a script may name.

    Args:
        nodes: the script's own nodes.
        outside: those of scripts inside which it may be run.
    """
    members = {name for info in INFOS for name in info.properties}
    methods = {name for info in INFOS for name in info.methods}
    everything = [*outside, *nodes]
    return Names(
        cmdlets=COMMANDS.by_name,
        programs=set(PROGRAMS),
        com_classes=set(CLASSES),
        cim_classes={name for _, name in management.CLASSES},
        members=members | SHOWN_BY_CMDLETS | _cim_properties() | set(VIEWS),
        methods=methods | set(INTRINSIC),
        functions={n.name.lower(): n for n in everything if isinstance(n, Function)},
        own_members=set(_own(nodes)) | set(_own(outside)),
    )


def _own(nodes: list[Node]) -> Iterator[str]:
    """Yield names of properties that a script gives to objects, or that its parameters have."""
    given = _from_parameters(nodes)
    for node in nodes:
        if isinstance(node, HashOf):
            yield from (key.value.lower() for key, _ in node.entries if isinstance(key, Text))
        elif isinstance(node, Assign) and isinstance(node.target, Member):
            if isinstance(node.target.name, str):
                yield node.target.name.lower()
        elif isinstance(node, Member) and isinstance(node.name, str) and _root(node) in given:
            yield node.name.lower()
        elif isinstance(node, Command):
            yield from _added(node)
        elif isinstance(node, Pipeline):
            yield from _piped(node, given)


def _root(node: Node) -> str:
    """Return the variable at which a chain of members, or a pipeline, begins."""
    while not isinstance(node, Variable):
        below = _BEGINNINGS.get(type(node))
        first = below(node) if below is not None else None
        if first is None:
            return ""
        node = first
    return node.name


_BEGINNINGS: dict[type[Node], Callable[[Any], Node | None]] = {
    Member: lambda node: node.target,
    Index: lambda node: node.target,
    Paren: lambda node: node.inner,
    Expression: lambda node: node.value,
    Pipeline: lambda node: node.stages[0],
    ArrayOf: lambda node: node.body,
    Sub: lambda node: node.body,
    Block: lambda node: node.statements[0] if len(node.statements) == 1 else None,
}


def _from_parameters(nodes: list[Node]) -> set[str]:
    """Return variables that hold $Parameters or a part of it; Python knows what those have."""
    found = {"parameters", "order"}
    while True:
        more = {
            node.target.name
            for node in nodes
            if isinstance(node, Assign)
            and isinstance(node.target, Variable)
            and _root(node.value) in found
        } | {
            node.variable.name
            for node in nodes
            if isinstance(node, Foreach) and _root(node.values) in found
        }
        if more <= found:
            return found
        found |= more


def _piped(node: Pipeline, given: set[str]) -> Iterator[str]:
    """Yield members of $_ in a pipeline that begins with a part of $Parameters."""
    if len(node.stages) > 1 and _root(node.stages[0]) in given:
        for stage in node.stages[1:]:
            for below in walk(stage):
                named = isinstance(below, Member) and isinstance(below.name, str)
                if isinstance(below, Member) and named and _root(below) == "_":
                    yield str(below.name).lower()


def _added(node: Command) -> Iterator[str]:
    """Yield names of properties that Add-Member and Select-Object give, and of registry values."""
    wanted = {"notepropertyname", "name", "property", "expandproperty"}
    for at, element in enumerate(node.elements[:-1]):
        following = node.elements[at + 1]
        if isinstance(element, Option) and element.name.lower() in wanted:
            yield from (part.value.lower() for part in walk(following) if isinstance(part, Text))
