"""Counting in words: how many of something, and the first few of many names."""

from __future__ import annotations

from collections.abc import Iterable

NAMED = 5
"""Names that are told before the others are only counted."""


def counted(count: int, noun: str) -> str:
    """Say how many of something there are: 1 machine, 1,200 machines."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def first_few(every: Iterable[str], most: int = NAMED) -> str:
    """Tell the first few of many, in the order in which they are given."""
    told = list(every)
    more = len(told) - most
    return ", ".join(told[:most]) + (f" and {more:,} more" if more > 0 else "")


def names(every: Iterable[str], most: int = NAMED) -> str:
    """Name the first few of many, in alphabetical order."""
    return first_few(sorted(every), most)
