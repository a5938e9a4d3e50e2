"""The operators -split, -join and -replace."""

from __future__ import annotations

import re

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.compare import regex, replacement
from patchyard.testing.windows.powershell.convert import elements, to_int
from patchyard.testing.windows.powershell.errors import failure
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import Value


def join(items: Value, separator: str) -> str:
    """Return elements as one string."""
    found = elements(items)
    return separator.join(text_of(item) for item in ([items] if found is None else found))


def split(subject: Value, how: Value, *, case: bool = False) -> list[Value]:
    """Return what -split gives; `how` is a pattern, a limit and options, or None for blanks.

    Raises:
        NotSimulated: by a script block.
    """
    found = elements(subject)
    texts = [text_of(item) for item in ([subject] if found is None else found)]
    if how is None:
        return [part for text in texts for part in text.split()]
    parts = how if isinstance(how, list) else [how]
    limit = to_int(parts[1]) if len(parts) > 1 else 0
    options = text_of(parts[2]).lower() if len(parts) > 2 else ""  # noqa: PLR2004
    if options not in {"", "simplematch", "regexmatch"} or limit < 0:
        raise NotSimulated(f"-split with the options {options!r}, {limit}")
    pattern = re.escape(text_of(parts[0])) if options == "simplematch" else parts[0]
    expression = regex(pattern, case=case)
    return [part for text in texts for part in _split_one(expression, text, limit)]


def _split_one(expression: re.Pattern[str], text: str, limit: int) -> list[Value]:
    if limit == 1:
        return [text]
    return [part for part in expression.split(text, max(limit - 1, 0)) if part is not None]


def replace(subject: Value, how: Value, *, case: bool = False) -> Value:
    """Return what -replace gives; `how` is a pattern and what takes its place.

    Raises:
        Thrown: there are more than two operands.
    """
    parts = how if isinstance(how, list) else [how]
    if len(parts) > 2:  # noqa: PLR2004
        raise failure(
            "The -ireplace operator allows only two elements to follow it.",
            error_id="BadReplaceArgument",
        )
    fill = replacement(text_of(parts[1]) if len(parts) > 1 else "")
    expression = regex(parts[0], case=case)
    found = elements(subject)
    if found is None:
        return expression.sub(fill, text_of(subject))
    return [expression.sub(fill, text_of(item)) for item in found]
