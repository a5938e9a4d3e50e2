"""Inheritance: defaults, then groups in their order with parents first, then the machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from patchyard.domain.filling import filled
from patchyard.domain.inventory import CheckSpec, Machine
from patchyard.domain.spelling import suggestion
from patchyard.errors import Problem
from patchyard.providers._sections import Section, Sections

_NOT_MERGED = frozenset({"checks", "groups", "parents"})


class Heritage:
    """What each machine inherits from whom."""

    def __init__(self, sections: Sections) -> None:
        self._sections = sections
        self._bases: dict[tuple[str, ...], dict[str, Any]] = {}

    def groups(self, section: Section) -> tuple[str, ...]:
        """Return all groups of a machine: the parents of each before it, none twice."""
        found: dict[str, None] = {}
        for name in section.names("groups"):
            self._add(name, found, ())
        return tuple(found)

    def _add(self, name: str, found: dict[str, None], above: tuple[str, ...]) -> None:
        group = self._sections.groups.get(name)
        if group is None or name in found or name in above:
            return
        for parent in group.names("parents"):
            self._add(parent, found, (*above, name))
        found[name] = None

    def line(self, name: str) -> tuple[Section, ...]:
        """Return the sections that make a machine, the strongest last."""
        own = self._sections.machines[name]
        groups = (self._sections.groups[group] for group in self.groups(own))
        first = (self._sections.defaults,) if self._sections.defaults else ()
        return (*first, *groups, own)

    def machine(self, name: str) -> Machine | None:
        """Make a machine, or return None where something that makes it is wrong."""
        own, line = self._sections.machines[name], self.line(name)
        if any(section.entry is None for section in line):
            return None
        groups = self.groups(own)
        data = _over(self._base(groups, line[:-1]), _mergeable(own.written))
        machine = Machine.model_validate({**data, "name": name, "groups": groups})
        checks = _checks(line, machine)
        return machine.model_copy(update={"checks": checks}) if checks else machine

    def _base(self, groups: tuple[str, ...], line: tuple[Section, ...]) -> dict[str, Any]:
        """Return what machines of the same groups have in common; merged once."""
        if groups not in self._bases:
            base: dict[str, Any] = {}
            for section in line:
                base = _over(base, _mergeable(section.written))
            self._bases[groups] = base
        return self._bases[groups]


def _mergeable(written: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in written.items() if key not in _NOT_MERGED}


def _over(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge settings. Another kind of power replaces the one below as a whole."""
    below, above = base.get("power"), over.get("power")
    if isinstance(below, dict) and isinstance(above, dict) and below.keys() != above.keys():
        base = {**base, "power": {}}
    return merged(base, over)


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge mappings field by field; `over` wins. Neither is changed."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result


def _checks(line: Iterable[Section], machine: Machine) -> tuple[CheckSpec, ...]:
    """Return the checks of all sections in order, none twice, with the machine's values in them."""
    found: list[CheckSpec] = []
    for section in line:
        for check in section.entry.checks if section.entry else ():
            own = CheckSpec(kind=check.kind, options=filled(check.options, machine))
            if own not in found:
                found.append(own)
    return tuple(found)


def wrong_groups(sections: Sections) -> Iterator[Problem]:
    """Tell groups and parents that do not exist, and parents in a circle."""
    for section, key in _naming(sections):
        for index, name in enumerate(section.names(key)):
            if name not in sections.groups:
                said = f"there is no group {name}; {suggestion(name, sections.groups)}"
                yield section.problem((key, index), said)
    parents = {name: group.names("parents") for name, group in sections.groups.items()}
    for circle in circles(parents):
        said = f"groups are their own parents: {' -> '.join(circle)}; take one of them away"
        yield sections.groups[circle[0]].problem(("parents",), said)


def _naming(sections: Sections) -> Iterator[tuple[Section, str]]:
    for group in sections.groups.values():
        yield group, "parents"
    for machine in sections.machines.values():
        yield machine, "groups"


def circles(leading: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, ...]]:
    """Return the ways that lead back to where they began, such as (a, b, a)."""
    ways = {name: [to for to in following if to in leading] for name, following in leading.items()}
    for name, following in ways.items():
        if name in following:
            yield (name, name)
            following[:] = [to for to in following if to != name]
    while True:
        try:
            TopologicalSorter(ways).prepare()
        except CycleError as error:
            circle = tuple(reversed(error.args[1]))
            yield circle
            ways[circle[0]] = []
        else:
            return
