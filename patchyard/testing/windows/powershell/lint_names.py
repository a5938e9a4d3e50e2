"""Which commands, parameters, types and members a script may name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from patchyard.testing.windows.powershell.command import COMMON, Cmdlet
from patchyard.testing.windows.powershell.execute import KNOWN
from patchyard.testing.windows.powershell.invoke import ALIASES
from patchyard.testing.windows.powershell.kinds import find_type
from patchyard.testing.windows.powershell.syntax import (
    Cast,
    Command,
    Function,
    Invoke,
    Member,
    Node,
    Option,
    Parameter,
    Text,
    Try,
    TypeName,
)

Some = TypeVar("Some", bound=Callable[..., Iterator[str]])


@dataclass
class Names:
    """What is known, by lower-case name."""

    cmdlets: dict[str, Cmdlet]
    programs: set[str]
    com_classes: set[str]
    cim_classes: set[str]
    members: set[str]
    methods: set[str]
    functions: dict[str, Function] = field(default_factory=dict)
    own_members: set[str] = field(default_factory=set)
    """Names of properties that the script itself gives to objects."""


RULES: dict[type[Node], Callable[[Any, Names], Iterator[str]]] = {}


def rule(kind: type[Node]) -> Callable[[Some], Some]:
    """Declare a function to be what is looked at in a kind of node."""

    def add(function: Some) -> Some:
        RULES[kind] = function
        return function

    return add


def check_node(node: Node, names: Names) -> Iterator[str]:
    """Yield what is wrong with one node; what is below it is not looked at."""
    check = RULES.get(type(node))
    if check is not None:
        yield from check(node, names)


def _plain(node: Node | None) -> str | None:
    return node.value if isinstance(node, Text) else None


@rule(Command)
def _command(node: Command, names: Names) -> Iterator[str]:
    name = _plain(node.name)
    if name is None:
        return
    plain = ALIASES.get(name.lower(), name.lower())
    if plain in names.functions:
        yield from _function_call(node, names.functions[plain])
    elif plain in names.cmdlets:
        if name.lower() in ALIASES:
            yield f"the alias {name}; write {names.cmdlets[plain].name}"
        yield from _cmdlet_call(node, names.cmdlets[plain], names)
    elif plain.rpartition("\\")[2].removesuffix(".exe") not in names.programs:
        yield f"the command {name} is not known"


def _function_call(node: Command, function: Function) -> Iterator[str]:
    known = {parameter.name for parameter in function.script.parameters}
    for element in node.elements:
        if isinstance(element, Option) and element.name.lower() not in known:
            yield f"{function.name} has no parameter -{element.name}"


def _cmdlet_call(node: Command, cmdlet: Cmdlet, names: Names) -> Iterator[str]:
    given: set[str] = set()
    for element in node.elements:
        if not isinstance(element, Option):
            continue
        plain = element.name.lower()
        given.add(plain)
        if plain not in cmdlet.slots and plain not in set(COMMON.values()):
            yield f"the parameter -{element.name} of {cmdlet.name} is not known"
    special = _SPECIAL.get(cmdlet.name.lower())
    if special is not None:
        yield from special(node, given, names)


def argument(node: Command, name: str) -> str | None:
    """Return what a parameter is given, where it is plain text."""
    for at, element in enumerate(node.elements):
        if isinstance(element, Option) and element.name.lower() == name:
            following = node.elements[at + 1] if at + 1 < len(node.elements) else None
            return _plain(element.value or following)
    return None


def _new_object(node: Command, given: set[str], names: Names) -> Iterator[str]:
    com = argument(node, "comobject")
    if com is not None and com.lower() not in names.com_classes:
        yield f"the COM class {com} is not known"
    first = node.elements[0] if node.elements else None
    kind = argument(node, "typename") or (None if "comobject" in given else _plain(first))
    if kind is not None and kind.lower() not in {"psobject", "byte[]"}:
        info = find_type(kind)
        if info is None or info.construct is None:
            yield f"New-Object {kind} is not known"


def _json(_node: Command, given: set[str], _names: Names) -> Iterator[str]:
    if "compress" not in given:
        yield "ConvertTo-Json without -Compress"


def _cim(node: Command, _given: set[str], names: Names) -> Iterator[str]:
    name = argument(node, "classname")
    if name is not None and name.lower() not in names.cim_classes:
        yield f"the CIM class {name} is not known"


_SPECIAL: dict[str, Callable[[Command, set[str], Names], Iterator[str]]] = {
    "new-object": _new_object,
    "convertto-json": _json,
    "get-ciminstance": _cim,
}


@rule(TypeName)
def _type(node: TypeName, _names: Names) -> Iterator[str]:
    if _unknown_type(node.name):
        yield f"the type [{node.name}] is not known"


def _unknown_type(name: str) -> bool:
    return find_type(name) is None and find_type(name.removesuffix("[]")) is None


@rule(Cast)
def _cast(node: Cast, _names: Names) -> Iterator[str]:
    if _unknown_type(node.type):
        yield f"the type [{node.type}] is not known"


@rule(Parameter)
def _parameter(node: Parameter, _names: Names) -> Iterator[str]:
    if node.type and _unknown_type(node.type):
        yield f"the type [{node.type}] is not known"


@rule(Try)
def _try(node: Try, _names: Names) -> Iterator[str]:
    for catch in node.catches:
        for name in catch.types:
            if name.lower() not in KNOWN and f"system.{name.lower()}" not in KNOWN:
                yield f"the exception [{name}] is not known"


@rule(Member)
def _member(node: Member, names: Names) -> Iterator[str]:
    if isinstance(node.name, str):
        yield from _named(node.target, node.name, names, method=False, static=node.static)


@rule(Invoke)
def _invoke(node: Invoke, names: Names) -> Iterator[str]:
    if isinstance(node.name, str):
        yield from _named(node.target, node.name, names, method=True, static=node.static)


def _named(target: Node, name: str, names: Names, *, method: bool, static: bool) -> Iterator[str]:
    plain = name.lower()
    if static and isinstance(target, TypeName):
        info = find_type(target.name)
        if info is None:
            return
        table = "statics" if method else "static_properties"
        if method and plain == "new":
            known = info.construct is not None
        else:
            known = info.find(table, name) is not None
        if not known:
            yield f"[{target.name}]::{name} is not known"
        return
    if method and plain not in names.methods:
        yield f"the method {name} is not known"
    if not method and plain not in names.members and plain not in names.own_members:
        yield f"the property {name} is not known"
