"""Spelling: the known word that an unknown one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST_LIST = 30
"""So many known words are told; more would hide the sentence."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word nearest to `word`, or None where none is near."""
    by_folded = {each.casefold(): each for each in known}
    found = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return `did you mean X?`, or the known words where none is near."""
    words = sorted(known)
    near = nearest(word, words)
    if near is not None:
        return f"did you mean {near}?"
    more = ", ..." if len(words) > LONGEST_LIST else ""
    return f"known are: {', '.join(words[:LONGEST_LIST])}{more}" if words else "none is known"
