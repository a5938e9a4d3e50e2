"""Conditions on machines: what a scope expression is made of.

Every condition says whether it holds for a machine, and names what about the machine decided it.
A machine that lacks an attribute fails every comparison with it, so `!=` and `!~` hold; `not` is
always the exact opposite.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from typing import Literal, Protocol

from patchyard.domain.attributes import FREE, is_attribute, values
from patchyard.domain.inventory import Machine

KEYWORDS = frozenset({"and", "or", "not", "in", "exists", "all"})

WORD = re.compile(r"(?:[^\s()=!~,\"'<>&|\\]|!(?![=~]))+")
"""A word that needs no quotes."""

_FALSE = frozenset({"", "0", "false", "no", "off"})


class Condition(Protocol):
    """A question about a machine with a yes or a no."""

    def holds(self, machine: Machine) -> bool:
        """Say whether the machine meets it."""
        ...

    def because(self, machine: Machine) -> tuple[str, ...]:
        """Name what about the machine decides it, either way."""
        ...


@lru_cache(maxsize=1024)
def _pattern(wildcard: str) -> re.Pattern[str]:
    return re.compile(translate(wildcard.casefold()))


def _like(text: str, wildcard: str) -> bool:
    return _pattern(wildcard).match(text.casefold()) is not None


def _told(attribute: str, found: tuple[str, ...]) -> str:
    """Say what a machine has, as the beginning of a reason."""
    if not found:
        return f"{attribute} is not set"
    if attribute == "group":
        return f"in {'group' if len(found) == 1 else 'groups'} {', '.join(found)}"
    return f"{attribute} is {', '.join(found)}"


@dataclass(frozen=True, slots=True)
class Everything:
    """Every machine."""

    def holds(self, machine: Machine) -> bool:  # noqa: ARG002 - every machine is meant
        """Say yes."""
        return True

    def because(self, machine: Machine) -> tuple[str, ...]:  # noqa: ARG002 - as above
        """Say so."""
        return ("every machine is in scope",)

    def __str__(self) -> str:
        return "all"


@dataclass(frozen=True, slots=True)
class Named:
    """A machine whose name is one of these, wildcards included."""

    patterns: tuple[str, ...]

    def holds(self, machine: Machine) -> bool:
        """Say whether one of the patterns fits the name."""
        return any(_like(machine.name, pattern) for pattern in self.patterns)

    def because(self, machine: Machine) -> tuple[str, ...]:
        """Name the pattern that fits, or all that do not."""
        for pattern in self.patterns:
            if _like(machine.name, pattern):
                return (f"name {machine.name} matches {pattern}",)
        return (f"name {machine.name} does not match {' or '.join(self.patterns)}",)

    def __str__(self) -> str:
        return ", ".join(_name(pattern) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Compared:
    """An attribute beside one value. `~` takes wildcards and ignores case."""

    attribute: str
    operator: Literal["==", "!=", "~", "!~"]
    value: str

    def holds(self, machine: Machine) -> bool:
        """Say whether any of the attribute's values is so; with `!`, whether none is."""
        found = values(machine, self.attribute)
        return self._any(found) != self.operator.startswith("!")

    def because(self, machine: Machine) -> tuple[str, ...]:
        """Say what the machine has, and what was asked where that differs."""
        found = values(machine, self.attribute)
        told = _told(self.attribute, found)
        if not found:
            return (told,)
        if "~" in self.operator:
            verb = "matches" if self._any(found) else "does not match"
            return (f"{told}, which {verb} {self.value}",)
        return (told if found == (self.value,) else f"{told}{self._instead(found)}",)

    def _instead(self, found: tuple[str, ...]) -> str:
        return "" if self._any(found) else f", not {self.value}"

    def _any(self, found: tuple[str, ...]) -> bool:
        if "~" in self.operator:
            return any(_like(text, self.value) for text in found)
        return self.value in found

    def __str__(self) -> str:
        return f"{_attribute(self.attribute)} {self.operator} {_word(self.value)}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """An attribute that has one of several values."""

    attribute: str
    values: tuple[str, ...]

    def holds(self, machine: Machine) -> bool:
        """Say whether any of the attribute's values is listed."""
        return not set(values(machine, self.attribute)).isdisjoint(self.values)

    def because(self, machine: Machine) -> tuple[str, ...]:
        """Say what the machine has, and what was listed where it is not."""
        found = values(machine, self.attribute)
        told = _told(self.attribute, found)
        if self.holds(machine) or not found:
            return (told,)
        return (f"{told}, not one of {', '.join(self.values)}",)

    def __str__(self) -> str:
        return (
            f"{_attribute(self.attribute)} in ({', '.join(_word(value) for value in self.values)})"
        )


@dataclass(frozen=True, slots=True)
class Exists:
    """An attribute that the machine has, whatever its value."""

    attribute: str

    def holds(self, machine: Machine) -> bool:
        """Say whether the machine has it."""
        return bool(values(machine, self.attribute))

    def because(self, machine: Machine) -> tuple[str, ...]:
        """Say what the machine has."""
        return (_told(self.attribute, values(machine, self.attribute)),)

    def __str__(self) -> str:
        return f"{_attribute(self.attribute)} exists"


@dataclass(frozen=True, slots=True)
class Truthful:
    """A tag or fact that is set, and not to false, no, off, 0 or nothing."""

    attribute: str

    def holds(self, machine: Machine) -> bool:
        """Say whether any of its values means yes."""
        return any(text.casefold() not in _FALSE for text in values(machine, self.attribute))

    def because(self, machine: Machine) -> tuple[str, ...]:
        """Say what the machine has."""
        return (_told(self.attribute, values(machine, self.attribute)),)

    def __str__(self) -> str:
        return _attribute(self.attribute)


@dataclass(frozen=True, slots=True)
class Not:
    """The exact opposite of a condition."""

    part: Condition

    def holds(self, machine: Machine) -> bool:
        """Say the opposite."""
        return not self.part.holds(machine)

    def because(self, machine: Machine) -> tuple[str, ...]:
        """Name what decides the part: it decides the opposite as well."""
        return self.part.because(machine)

    def __str__(self) -> str:
        return f"not {_part(self.part)}"


@dataclass(frozen=True, slots=True)
class Both:
    """All of several conditions."""

    parts: tuple[Condition, ...]

    def holds(self, machine: Machine) -> bool:
        """Say whether all hold."""
        return all(part.holds(machine) for part in self.parts)

    def because(self, machine: Machine) -> tuple[str, ...]:
        """Name the parts that fail; where none does, all of them."""
        return _deciding(self.parts, machine, decisive=False)

    def __str__(self) -> str:
        return " and ".join(_part(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of several conditions."""

    parts: tuple[Condition, ...]

    def holds(self, machine: Machine) -> bool:
        """Say whether one holds."""
        return any(part.holds(machine) for part in self.parts)

    def because(self, machine: Machine) -> tuple[str, ...]:
        """Name the parts that hold; where none does, all of them."""
        return _deciding(self.parts, machine, decisive=True)

    def __str__(self) -> str:
        return " or ".join(_part(part) for part in self.parts)


def _deciding(parts: tuple[Condition, ...], machine: Machine, *, decisive: bool) -> tuple[str, ...]:
    deciding = [part for part in parts if part.holds(machine) == decisive] or parts
    return tuple(dict.fromkeys(text for part in deciding for text in part.because(machine)))


def _part(condition: Condition) -> str:
    text = str(condition)
    return f"({text})" if isinstance(condition, Both | Either) else text


def quote(text: str) -> str:
    """Write a text in quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _word(text: str) -> str:
    """Write a value or an attribute, in quotes where it needs them."""
    plain = WORD.fullmatch(text) and not text.startswith("!") and text.lower() not in KEYWORDS
    return text if plain else quote(text)


def _attribute(text: str) -> str:
    """Write an attribute. Of a tag or fact with odd characters only its own name is quoted."""
    start = next((start for start in FREE if text.startswith(start)), "")
    plain = WORD.fullmatch(text) and not text.endswith(".")
    return text if plain else f"{start}{quote(text.removeprefix(start))}"


def _name(pattern: str) -> str:
    """Write a machine's name. One that reads as something else needs quotes."""
    return quote(pattern) if pattern == "*" or is_attribute(pattern) else _word(pattern)
