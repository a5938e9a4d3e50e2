"""Reading a script character by character: blanks, comments, strings, numbers, variables."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.syntax import (
    Block,
    Expandable,
    Node,
    Number,
    Sub,
    Text,
    Variable,
)
from patchyard.testing.windows.powershell.values import Int64

BLANK = re.compile(r"(?:[ \t\r\f\v]|`\r?\n|<#.*?#>)+", re.DOTALL)
NUMBER = re.compile(
    r"(?:0x(?P<hex>[0-9a-f]+)|(?P<dec>\d+(?P<frac>\.\d+)?|\.\d+)(?P<exp>e[+-]?\d+)?)"
    r"(?P<suffix>[ld]?)(?P<unit>[kmgtp]b)?(?!\w)(?!\.\w)",
    re.IGNORECASE,
)
VARIABLE = re.compile(r"[$@](?:(?P<scope>\w+):(?=\w))?(?P<name>\w+|[?^$])")
BRACED = re.compile(r"\$\{(?:(?P<scope>\w+):)?(?P<name>[^{}]+)\}")
ESCAPES = {
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}
UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
TYPOGRAPHIC = set("\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u2013\u2014\u2015")
"""Quotes and dashes that Windows PowerShell takes for the plain ones; a template has none."""


class NotPowerShell(NotSimulated):
    """Windows PowerShell 5.1 would not accept this text, or this reader does not know it."""


class Reader:
    """A script's text and a place in it."""

    def __init__(self, text: str, name: str = "", first_line: int = 1) -> None:
        self.text = text.replace("\r\n", "\n")
        self.at = 0
        self.name = name
        self._first_line = first_line

    @property
    def line(self) -> int:
        """The line of the place."""
        return self.text.count("\n", 0, self.at) + self._first_line

    def refuse(self, what: str) -> NotPowerShell:
        """Return the error that tells what stands here and is not known."""
        lines = self.text[self.at :].splitlines()
        near = lines[0].strip()[:60] if lines else "the end"
        where = f"{self.name}, " if self.name else ""
        return NotPowerShell(f"{where}line {self.line}: {what} near {near!r}")

    def peek(self, length: int = 1) -> str:
        """Return what stands here."""
        return self.text[self.at : self.at + length]

    def skip_blank(self) -> None:
        """Go past blanks, comments and joined lines, but not past the end of a line."""
        while True:
            blank = BLANK.match(self.text, self.at)
            if blank:
                self.at = blank.end()
            elif self.peek() == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                break
        if self.peek() in TYPOGRAPHIC and self.peek():
            raise self.refuse("a typographic quote or dash")

    def skip_lines(self) -> None:
        """Go past blanks, comments and ends of lines."""
        self.skip_blank()
        while self.peek() == "\n":
            self.at += 1
            self.skip_blank()

    def skip_ends(self) -> None:
        """Go past whatever ends a statement."""
        self.skip_lines()
        while self.peek() == ";":
            self.at += 1
            self.skip_lines()

    def take(self, text: str) -> bool:
        """Go past `text` if it stands here."""
        if self.text.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def expect(self, text: str) -> None:
        """Go past `text`, which must stand here.

        Raises:
            NotPowerShell: something else does.
        """
        if not self.take(text):
            raise self.refuse(f"expected {text!r}")

    def word(self, *words: str) -> str:
        """Go past one of some words if it stands here as a whole, and return it."""
        found = re.compile(r"[A-Za-z]+(?![\w-])").match(self.text, self.at)
        if found and found[0].lower() in words:
            self.at = found.end()
            return found[0].lower()
        return ""

    def number(self) -> Number | None:
        """Read a number, if a whole one stands here."""
        found = NUMBER.match(self.text, self.at)
        if found is None:
            return None
        value = self._number_of(found)
        line, self.at = self.line, found.end()
        return Number(line, value, found[0])

    def _number_of(self, found: re.Match[str]) -> int | float | Decimal:
        suffix, unit = found["suffix"].lower(), found["unit"]
        factor = UNITS[unit[0].lower()] if unit else 1
        if found["hex"]:
            return self._sized(_signed(found["hex"]) * factor, long=suffix == "l")
        if suffix == "d":
            return Decimal(found["dec"] + (found["exp"] or "")) * factor
        if found["frac"] or found["exp"] or found["dec"].startswith("."):
            value = float(found["dec"] + (found["exp"] or "")) * factor
            return self._sized(round(value), long=True) if suffix else value
        return self._sized(int(found["dec"]) * factor, long=suffix == "l")

    def _sized(self, value: int, *, long: bool) -> int:
        if not long and -(1 << 31) <= value < 1 << 31:
            return value
        if -(1 << 63) <= value < 1 << 63:
            return Int64(value)
        raise self.refuse("a whole number beyond Int64")

    def single_quoted(self) -> Text:
        """Read '...', in which two quotes are one."""
        line = self.line
        found = re.compile(r"'((?:[^']|'')*)'").match(self.text, self.at)
        if found is None:
            raise self.refuse("a string without its end")
        self.at = found.end()
        return Text(line, found[1].replace("''", "'"))

    def here_string(self) -> Node:
        """Read a here-string of either kind."""
        line, quote = self.line, self.text[self.at + 1]
        found = re.compile(rf"@{quote}[ \t]*\n(.*?)\n?^{quote}@", re.DOTALL | re.MULTILINE).match(
            self.text, self.at
        )
        if found is None:
            raise self.refuse("a here-string without its end")
        self.at = found.end()
        if quote == "'":
            return Text(line, found[1])
        return self.expand(found[1], line + 1, doubled=False)

    def double_quoted(self) -> Node:
        """Read "..." with what is to be expanded in it."""
        line, start = self.line, self.at
        self.at += 1
        parts: list[Node] = []
        while True:
            parts += self.plain_and_one('"', doubled=True)
            if self.at >= len(self.text):
                self.at = start
                raise self.refuse("a string without its end")
            if self.peek() == '"':
                self.at += 1
                break
        return joined(parts, line)

    def expand(self, text: str, line: int, *, doubled: bool) -> Node:
        """Return what a text expands to; the place in this script stays where it is."""
        inner = self.inside(text, line)
        parts: list[Node] = []
        while inner.at < len(inner.text):
            parts += inner.plain_and_one("", doubled=doubled)
        return joined(parts, line)

    def inside(self, text: str, line: int) -> Reader:
        """Return a reader of the same kind for a part of this script."""
        return type(self)(text, self.name, line)

    def plain_and_one(self, end: str, *, doubled: bool) -> list[Node]:
        """Read plain text up to `end`, and the expression that follows it, if one does."""
        line, plain = self.line, ""
        while self.at < len(self.text):
            char = self.peek()
            if char == "`" and self.at + 1 < len(self.text):
                plain += ESCAPES.get(self.text[self.at + 1], self.text[self.at + 1])
                self.at += 2
            elif doubled and char == '"' and self.peek(2) == '""':
                plain += '"'
                self.at += 2
            elif char == end:
                break
            elif char == "$" and (expression := self.embedded()):
                return [Text(line, plain), expression] if plain else [expression]
            else:
                plain += char
                self.at += 1
        return [Text(line, plain)] if plain else []

    def embedded(self) -> Node | None:
        """Read `$name`, `${name}` or `$(...)` inside a string."""
        if self.peek(2) == "$(":
            return self.sub_expression()
        found = self.variable()
        if found and self.peek() == ":" and self.text[self.at - 1] != "}":
            raise self.refuse("a colon after a variable in a string; write ${name}: instead")
        return found

    def sub_expression(self) -> Node:
        """Read `$( ... )`."""
        line = self.line
        self.at += 2
        return Sub(line, self.statements_until(")"))

    def statements_until(self, end: str) -> Block:
        """Read statements up to a closing bracket, and go past it."""
        raise NotImplementedError

    def variable(self) -> Variable | None:
        """Read `$name`, `$scope:name`, `${name}` or `@name`, if one stands here."""
        found = BRACED.match(self.text, self.at) or VARIABLE.match(self.text, self.at)
        if found is None:
            return None
        line, splat = self.line, found[0][0] == "@"
        if found["name"] in {"?", "^", "$"}:
            raise self.refuse(f"the variable {found[0]}")
        self.at = found.end()
        return Variable(line, found["name"].lower(), (found["scope"] or "").lower(), splat)

    def type_name(self) -> str:
        """Read `[name]`."""
        found = re.compile(r"\[\s*([A-Za-z_][\w.]*(?:\[[\w.,\s]*\])?)\s*\]").match(
            self.text, self.at
        )
        if found is None:
            raise self.refuse("an unknown type or attribute")
        self.at = found.end()
        return re.sub(r"\s", "", found[1])

    def balanced(self, opening: str, closing: str, read: Callable[[], Any]) -> Any:
        """Read something between brackets."""
        self.expect(opening)
        self.skip_lines()
        found = read()
        self.skip_lines()
        self.expect(closing)
        return found


def joined(parts: list[Node], line: int) -> Node:
    """Return a string's parts as one node."""
    if not parts:
        return Text(line, "")
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0]
    return Expandable(line, tuple(parts))


def _signed(digits: str) -> int:
    """Return the value of hexadecimal digits: eight or sixteen of them carry a sign."""
    value = int(digits, 16)
    bits = 32 if value < 1 << 32 else 64
    significant = digits.lstrip("0")
    return value - (1 << bits) if len(significant) * 4 == bits and value >> (bits - 1) else value
