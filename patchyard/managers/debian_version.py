"""Debian package versions, ordered exactly as dpkg orders them."""

from __future__ import annotations

import re
from functools import lru_cache

Key = tuple[int, tuple[tuple[tuple[int, ...], int], ...], tuple[tuple[tuple[int, ...], int], ...]]
"""A version in a form that Python's own comparison orders."""

_PART = re.compile(r"([^0-9]*)([0-9]*)")
_END = ((0,), 0)


def _weight(character: str) -> int:
    """Order one character: a tilde sorts before the end, letters before all others."""
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256


def _parts(text: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    pairs = [
        ((*(_weight(c) for c in letters), 0), int(digits or 0))
        for letters, digits in _PART.findall(text)
    ]
    # The first pair stays, even where it is nothing: 0~ has one more after it, and is older than 0.
    while len(pairs) > 1 and pairs[-1] == _END:
        pairs.pop()
    return (*pairs, _END)


@lru_cache(maxsize=4096)
def sort_key(version: str) -> Key:
    """Return what to sort a version by: epoch, upstream version, Debian revision."""
    epoch, colon, rest = version.strip().partition(":")
    if not colon:
        epoch, rest = "0", epoch
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    return (int(epoch) if epoch.isdigit() else 0, _parts(upstream), _parts(revision))


def compare(left: str, right: str) -> int:
    """Return -1, 0 or 1 as `left` is older than, equal to or newer than `right`."""
    one, other = sort_key(left), sort_key(right)
    return (one > other) - (one < other)


def satisfies(version: str, relation: str, wanted: str) -> bool:
    """True where `version` fulfils a relation as dependencies write it, such as `>= 1.2`.

    Raises:
        ValueError: the relation is none that Debian knows.
    """
    order = compare(version, wanted)
    match relation:
        case "<<":
            return order < 0
        case "<=" | "<":
            return order <= 0
        case "=":
            return order == 0
        case ">=" | ">":
            return order >= 0
        case ">>":
            return order > 0
        case _:
            raise ValueError(f"{relation!r} is no relation between versions")
