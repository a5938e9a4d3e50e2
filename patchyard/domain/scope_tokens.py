"""The tokens of a scope expression, and how a mistake in one is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn, cast

from patchyard.domain.conditions import KEYWORDS, WORD
from patchyard.errors import ConfigurationError

_SHOWN = 40
"""Characters shown to each side of a mistake."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word, text in quotes or mark. `kind` is a mark or keyword itself, or what it is."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def told(self) -> str:
        """Name it in a message."""
        return repr(self.text) if self.text else "the end"


_TOKEN = re.compile(
    rf"""(?P<space>\s+)
    |(?P<mark>==|!=|!~|[~(),])
    |(?P<joined>(?:tags|facts)\.(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<word>(?!!){WORD.pattern})""",
    re.VERBOSE | re.DOTALL,
)

_HINTS = {
    "=": "write == to compare",
    "!": "write not, or != to compare",
    "&": "write and",
    "|": "write or",
    "<": "there is no order between values; write ==, != or ~",
    ">": "there is no order between values; write ==, != or ~",
    '"': "the closing quote is missing",
    "'": "the closing quote is missing",
    "\\": "put text with a backslash in quotes, and write it twice",
}


def _unquote(written: str) -> str:
    return re.sub(r"\\(.)", r"\1", written[1:-1], flags=re.DOTALL)


def tokens(text: str) -> Iterable[Token]:
    """Cut an expression into tokens; the last one is the end.

    Raises:
        ConfigurationError: a character has no meaning there.
    """
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            fail(text, position, position + 1, _HINTS[text[position]])
        if found.lastgroup != "space":
            yield _token(found)
        position = found.end()
    yield Token("end", "", position, position)


def _token(found: re.Match[str]) -> Token:
    written, kind = found[0], cast(str, found.lastgroup)
    if kind == "string":
        return Token("string", _unquote(written), found.start(), found.end())
    if kind == "joined":
        start = written[: written.index(".") + 1]
        return Token("word", start + _unquote(found["quoted"]), found.start(), found.end())
    if kind == "mark" or written.lower() in KEYWORDS:
        return Token(written.lower(), written, found.start(), found.end())
    return Token("word", written, found.start(), found.end())


def fail(text: str, start: int, end: int, message: str) -> NoReturn:
    """Raise an error that shows the place, underlined.

    Raises:
        ConfigurationError: always.
    """
    first, last = max(0, start - _SHOWN), min(len(text), start + _SHOWN)
    shown = "".join(c if c.isprintable() else " " for c in text[first:last])
    caret = " " * (start - first) + "^" * max(1, min(end, last) - start)
    raise ConfigurationError.of(
        f"{message} (column {start + 1})\n    {shown}\n    {caret}", field="scope"
    )
