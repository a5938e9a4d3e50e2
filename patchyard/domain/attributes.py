"""Attributes of a machine that a scope can ask for, read as text."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from patchyard.domain.inventory import Machine, OsFamily, Platform

PLAIN = (
    "name",
    "address",
    "platform",
    "os_family",
    "region",
    "zone",
    "availability_set",
    "update_domain",
    "cluster",
    "service",
    "site",
)
"""Attributes with at most one value."""

FREE = ("tags.", "facts.")
"""Beginnings of attributes whose names the operator chose."""

KNOWN = (*PLAIN, "group", "tags.NAME", "facts.NAME")
"""All attributes, as they are told to people."""

CHOICES: Mapping[str, type[StrEnum]] = {"platform": Platform, "os_family": OsFamily}
"""Attributes that can only have certain values."""


def is_free(word: str) -> bool:
    """Say whether a word asks for a tag or a fact."""
    return any(word.startswith(start) and len(word) > len(start) for start in FREE)


def is_attribute(word: str) -> bool:
    """Say whether a word asks for something that machines have."""
    return word in PLAIN or word == "group" or is_free(word)


def values(machine: Machine, attribute: str) -> tuple[str, ...]:
    """Return the values of an attribute as text; none where the machine does not have it.

    Groups and lists among the facts have several values.
    """
    if attribute == "group":
        return machine.groups
    if attribute.startswith("tags."):
        return _texts(machine.tags.get(attribute.removeprefix("tags.")))
    if attribute.startswith("facts."):
        return _texts(_fact(machine.facts, attribute.removeprefix("facts.")))
    return _texts(getattr(machine, attribute))


def _fact(facts: object, path: str) -> object:
    """Follow a dotted path. A key that itself has dots is found too."""
    if not isinstance(facts, Mapping):
        return None
    if path in facts:
        return facts[path]
    head, dot, rest = path.partition(".")
    while dot:
        if head in facts and (found := _fact(facts[head], rest)) is not None:
            return found
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        return tuple(text for each in value for text in _texts(each))
    return () if value is None else (_text(value),)


def _text(value: object) -> str:
    """Write a value as it stands in an inventory."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "{...}" if isinstance(value, Mapping) else str(value)
