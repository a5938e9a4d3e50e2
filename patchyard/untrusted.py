"""Text that came from machines, made safe to show.

A package name, a version or the output of a check may hold anything: terminal codes, characters
that turn the reading direction, formulas, markup. Each place that shows text has its own danger,
so each has its own function here.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 2000
"""Characters shown of one text. The JSON report has the whole."""

_COLOUR = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_MARKUP = re.compile(r"([\\`*_\[\]~|#])")
_BLOCK_START = re.compile(r"^(?:[-+=]|\d+[.)](?=\s|$))")
_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def visible(text: str, *, limit: int = LONGEST, lines: bool = False) -> str:
    """Return text in which nothing hides and nothing acts.

    Terminal colours go away. Other control characters, and those that are invisible or turn
    the reading direction, are shown by their number. Line breaks stay where `lines` is set.
    """
    if len(text) <= limit and text.isprintable():
        return text
    text = _shorten(_COLOUR.sub("", text).replace("\r\n", "\n"), limit)
    return "".join(_visible_character(character, lines=lines) for character in text)


def _shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\N{HORIZONTAL ELLIPSIS} ({len(text) - limit:,} characters more)"


def _visible_character(character: str, *, lines: bool) -> str:
    if character.isprintable() or (character == "\n" and lines):
        return character
    if character in "\n\t" or unicodedata.category(character) == "Zs":
        return " "
    return f"<U+{ord(character):04X}>"


def markdown(text: str, *, limit: int = 300) -> str:
    """Return text for one line of Markdown, in a table cell or outside, with no markup in it."""
    plain = " ".join(visible(text, limit=limit).split())
    escaped = _MARKUP.sub(r"\\\1", plain.translate(_ENTITIES))
    return _BLOCK_START.sub(_harmless_start, escaped)


def _harmless_start(match: re.Match[str]) -> str:
    """Escape what would begin a list or underline a heading: the last character decides it."""
    return f"{match[0][:-1]}\\{match[0][-1]}"


def spreadsheet(text: str) -> str:
    """Return text for a CSV cell that no spreadsheet takes for a formula."""
    plain = visible(text, limit=LONGEST)
    return f"'{plain}" if plain.lstrip()[:1] in _FORMULA and plain.strip() else plain


def columns(text: str) -> int:
    """Return how many columns a terminal needs for the text."""
    return sum(_columns_of(character) for character in text)


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
