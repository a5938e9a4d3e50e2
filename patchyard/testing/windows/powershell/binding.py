"""Binding arguments to parameters, of cmdlets and of a script's own functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.command import (
    COMMON,
    SWITCHES,
    Cmdlet,
    Slot,
    binding_failure,
    unknown_parameter,
)
from patchyard.testing.windows.powershell.convert import convert, elements, truth
from patchyard.testing.windows.powershell.kinds import find_type
from patchyard.testing.windows.powershell.runtime import Runtime
from patchyard.testing.windows.powershell.syntax import Command, Option, Parameter, Variable
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import NOTHING, Hashtable, Value

DEFAULTS = {
    "System.String": "",
    "System.Int32": 0,
    "System.Boolean": False,
    "System.Double": 0.0,
    "System.Management.Automation.SwitchParameter": False,
}
"""What a typed parameter holds when it was not given; any other holds $null."""


@dataclass
class Given:
    """Arguments as they were written: some by name, the rest by their place."""

    named: dict[str, Value] = field(default_factory=dict)
    placed: list[Value] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Named:
    name: str


def read(rt: Runtime, node: Command, switches: Iterable[str], names: Iterable[str]) -> Given:
    """Return a command's arguments, evaluated.

    Args:
        rt: the script.
        node: the command.
        switches: parameters that take no value after a blank.
        names: all parameters, for those that are shortened.
    """
    given = Given()
    waiting = ""
    for item in _elements(rt, node):
        if isinstance(item, _Named):
            if waiting:
                raise binding_failure(
                    f"Missing an argument for parameter '{waiting}'.", "MissingArgument"
                )
            name = full_name(item.name, names, node)
            waiting = "" if name in switches else name
            if not waiting:
                given.named[name] = True
        elif isinstance(item, tuple):
            given.named[full_name(item[0], names, node)] = item[1]
        elif waiting:
            given.named[waiting], waiting = item, ""
        else:
            given.placed.append(item)
    if waiting:
        raise binding_failure(f"Missing an argument for parameter '{waiting}'.", "MissingArgument")
    return given


def full_name(name: str, names: Iterable[str], node: Command) -> str:
    """Return a parameter's full name in lower case.

    Raises:
        NotSimulated: there is none of that name, or several begin with it.
    """
    wanted = COMMON.get(name.lower(), name.lower())
    known = list(names)
    if wanted in known:
        return wanted
    begin = [other for other in known if other.startswith(wanted)]
    if len(begin) != 1:
        raise unknown_parameter(text_of(getattr(node.name, "value", "a block")), name, node.line)
    return begin[0]


def _elements(rt: Runtime, node: Command) -> Iterator[Value]:
    for element in node.elements:
        if isinstance(element, Option):
            if element.value is None:
                yield _Named(element.name)
            else:
                yield element.name, rt.value(element.value)
        elif isinstance(element, Variable) and element.splat:
            yield from _splatted(rt, element)
        else:
            yield rt.value(element)


def _splatted(rt: Runtime, node: Variable) -> Iterator[Value]:
    value = rt.get(node.name, node.scope)
    if isinstance(value, Hashtable):
        yield from ((text_of(name), item) for name, item in value.items())
        return
    found = elements(value)
    yield from [value] if found is None else found


def for_cmdlet(rt: Runtime, cmdlet: Cmdlet, node: Command, *, piped: bool) -> dict[str, Value]:
    """Return a cmdlet's arguments by lower-case name, converted.

    Raises:
        Thrown: an argument does not fit, or one that must be given is missing.
        NotSimulated: a parameter is not known.
    """
    switches = SWITCHES | {name for name, slot in cmdlet.slots.items() if slot.type == "switch"}
    given = read(rt, node, switches, [*cmdlet.slots, *set(COMMON.values())])
    bound = dict(given.named)
    places = sorted(
        (slot for slot in cmdlet.slots.values() if slot.position >= 0), key=lambda s: s.position
    )
    free = [slot for slot in places if slot.name.lower() not in bound]
    if len(given.placed) > len(free):
        raise NotSimulated(
            f"line {node.line}: {cmdlet.name} with {len(given.placed)} arguments by place"
        )
    for slot, value in zip(free, given.placed, strict=False):
        bound[slot.name.lower()] = value
    missing = [
        slot.name
        for name, slot in cmdlet.slots.items()
        if slot.mandatory and name not in bound and not (slot.piped and piped)
    ]
    if missing:
        raise binding_failure(
            f"Cannot process command because of one or more missing mandatory parameters: "
            f"{missing[0]}.",
            f"MissingMandatoryParameter,{cmdlet.name}",
        )
    return {name: _fitted(cmdlet.slot(name), value) for name, value in bound.items()}


def _fitted(slot: Slot | None, value: Value) -> Value:
    if slot is None or not slot.type or slot.type == "object":
        return value
    if slot.type == "switch":
        return truth(value)
    return convert(value, slot.type)


def for_function(
    rt: Runtime, parameters: tuple[Parameter, ...], given: Given, name: str
) -> list[Value]:
    """Set a function's parameters in the innermost scope; return what is left for $args.

    Raises:
        Thrown: an argument does not fit, or one that must be given is missing.
    """
    bound = {key: value for key, value in given.named.items() if key not in SWITCHES}
    free = [p for p in parameters if p.name not in bound and not is_switch(p.type)]
    placed = list(given.placed)
    for parameter in free:
        if placed:
            bound[parameter.name] = placed.pop(0)
    for parameter in parameters:
        if parameter.name in bound:
            value = _argument(parameter, bound[parameter.name])
        else:
            value = _default(rt, parameter, name)
        rt.scope.variables[parameter.name] = value
        if parameter.type and not is_switch(parameter.type):
            rt.scope.types[parameter.name] = parameter.type
    return placed


def is_switch(type_name: str) -> bool:
    """True where a parameter of that type takes no value."""
    return type_name.lower() in {"switch", "system.management.automation.switchparameter"}


def _argument(parameter: Parameter, value: Value) -> Value:
    value = None if value is NOTHING else value
    converted = convert(value, parameter.type) if parameter.type else value
    if parameter.allowed and text_of(converted).lower() not in (
        allowed.lower() for allowed in parameter.allowed
    ):
        raise binding_failure(
            f"Cannot validate argument on parameter '{parameter.name}'. The argument "
            f'"{text_of(converted)}" does not belong to the set.',
            "ParameterArgumentValidationError",
        )
    return converted


def _default(rt: Runtime, parameter: Parameter, name: str) -> Value:
    if parameter.mandatory:
        raise binding_failure(
            "Cannot process command because of one or more missing mandatory parameters: "
            f"{parameter.name}.",
            f"MissingMandatoryParameter,{name}",
        )
    if parameter.default is not None:
        value = rt.value(parameter.default)
        return convert(value, parameter.type) if parameter.type else value
    info = find_type(parameter.type) if parameter.type else None
    return DEFAULTS.get(info.name) if info else None
