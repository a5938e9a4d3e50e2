"""Reading expressions: operators by their precedence, and what stands between them."""

from __future__ import annotations

import re
from collections.abc import Callable

from patchyard.testing.windows.powershell.reader import Reader
from patchyard.testing.windows.powershell.syntax import (
    ArrayOf,
    Binary,
    BlockOf,
    Cast,
    Comma,
    HashOf,
    Index,
    Invoke,
    Member,
    Node,
    Number,
    Paren,
    Script,
    Step,
    Text,
    TypeName,
    Unary,
    Variable,
)
from patchyard.testing.windows.powershell.values import Int64

COMPARISONS = frozenset(
    {
        *("eq", "ne", "gt", "ge", "lt", "le", "like", "notlike", "match", "notmatch"),
        *("replace", "contains", "notcontains", "in", "notin", "split"),
    }
)
LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"and", "or", "xor"}),
    frozenset({"band", "bor", "bxor"}),
    frozenset(
        {f"{case}{name}" for name in COMPARISONS for case in ("", "c", "i")}
        | {"is", "isnot", "as", "join", "shl", "shr"}
    ),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
    frozenset({"f"}),
    frozenset({".."}),
)
"""Binary operators from the loosest to the tightest; the comma binds tighter than all of them."""

UNARY = frozenset({"not", "bnot", "join", "split", "csplit", "isplit"})
DASHED = re.compile(r"-([A-Za-z]+)(?![\w-])")
SYMBOL = re.compile(r"\.\.|\+(?![+=])|-(?![-=A-Za-z])|[*/%](?!=)")
NAME = re.compile(r"[A-Za-z_]\w*")
KEY = re.compile(r"[A-Za-z_][\w-]*")
INT32_LEAST = -(1 << 31)
NEWER = re.compile(r"\?\?|\?\.|\?\[|\?(?=\s)|&&|\|\|")
"""Operators that came after 5.1."""


class ExpressionReader(Reader):
    """Reads expressions; statements inside them are read by the class that knows statements."""

    commas: bool = True

    def script_until(self, end: str) -> Script:
        """Read a script block's content up to a closing brace."""
        raise NotImplementedError

    def statement(self) -> Node:
        """Read one statement."""
        raise NotImplementedError

    def expression(self, *, commas: bool = True) -> Node:
        """Read an expression; without `commas` it ends before one, as an argument does."""
        before, self.commas = self.commas, commas
        try:
            return self._binary(0)
        finally:
            self.commas = before

    def _binary(self, level: int) -> Node:
        if level == len(LEVELS):
            return self._comma()
        left = self._binary(level + 1)
        while operator := self._operator(LEVELS[level]):
            line = self.line
            self.skip_lines()
            left = Binary(line, operator, left, self._binary(level + 1))
        return left

    def _operator(self, names: frozenset[str]) -> str:
        self.skip_blank()
        newer = NEWER.match(self.text, self.at)
        if newer:
            raise self.refuse(f"{newer[0]!r}, which Windows PowerShell 5.1 does not have,")
        found = DASHED.match(self.text, self.at) or SYMBOL.match(self.text, self.at)
        name = found[found.lastindex or 0].lower() if found else ""
        if found is None or name not in names:
            return ""
        self.at = found.end()
        return name

    def _comma(self) -> Node:
        line = self.line
        items = [self._unary()]
        self.skip_blank()
        while self.commas and self.take(","):
            self.skip_lines()
            items.append(self._unary())
            self.skip_blank()
        return Comma(line, tuple(items)) if len(items) > 1 else items[0]

    def _unary(self) -> Node:
        self.skip_blank()
        line = self.line
        found = DASHED.match(self.text, self.at)
        if found:
            if found[1].lower() not in UNARY:
                raise self.refuse("an unknown operator")
            self.at = found.end()
            return Unary(line, found[1].lower(), self._unary())
        if self.peek() == ",":
            self.at += 1
            return Comma(line, (self._unary(),))
        for sign in ("++", "--"):
            if self.take(sign):
                return Step(line, self._unary(), 1 if sign == "++" else -1, before=True)
        for sign in ("!", "-", "+"):
            if self.take(sign):
                return self._signed(sign, line)
        if self.peek() == "[":
            return self._cast_or_type()
        return self.postfix(self.primary())

    def _signed(self, sign: str, line: int) -> Node:
        number = self.number() if sign == "-" else None
        if number:
            return self.postfix(negated(number))
        operand = self._unary()
        return Unary(line, "not" if sign == "!" else sign, operand)

    def _cast_or_type(self) -> Node:
        line = self.line
        name = self.type_name()
        if self.peek(2) == "::":
            return self.postfix(TypeName(line, name))
        start = self.at
        self.skip_blank()
        if self.peek() in set("$@('\"{[-+!,&0123456789.") and self.peek() not in {"", ".", "&"}:
            dashed = DASHED.match(self.text, self.at)
            # After a type, `-eq` compares it, and `-1` is what is cast.
            if not dashed and self.peek() not in {",", "-", "+", "!"}:
                return Cast(line, name, self._unary())
            if not dashed and re.compile(r"[-+]\d").match(self.text, self.at):
                return Cast(line, name, self._unary())
        self.at = start
        return self.postfix(TypeName(line, name))

    def primary(self) -> Node:
        """Read a value without any operator.

        Raises:
            NotPowerShell: nothing that is a value stands here.
        """
        line = self.line
        for opening, read in self._openings():
            if self.text.startswith(opening, self.at):
                return read(line)
        found: Node | None = self.variable() or self.number()
        if found is None:
            raise self.refuse("expected an expression")
        return found

    def _openings(self) -> tuple[tuple[str, Callable[[int], Node]], ...]:
        return (
            ("'", lambda _: self.single_quoted()),
            ('"', lambda _: self.double_quoted()),
            ("@'", lambda _: self.here_string()),
            ('@"', lambda _: self.here_string()),
            ("$(", lambda _: self.sub_expression()),
            ("@(", self._array),
            ("@{", self._hash),
            ("(", self._paren),
            ("{", self._block),
        )

    def _array(self, line: int) -> Node:
        self.at += 2
        return ArrayOf(line, self.statements_until(")"))

    def _paren(self, line: int) -> Node:
        before, self.commas = self.commas, True
        try:
            return Paren(line, self.balanced("(", ")", self.statement))
        finally:
            self.commas = before

    def _block(self, line: int) -> Node:
        before, self.commas = self.commas, True
        try:
            self.at += 1
            return BlockOf(line, self.script_until("}"))
        finally:
            self.commas = before

    def _hash(self, line: int) -> Node:
        before, self.commas = self.commas, True
        self.at += 2
        entries: list[tuple[Node, Node]] = []
        self.skip_ends()
        while not self.take("}"):
            key = self._key()
            self.skip_blank()
            self.expect("=")
            self.skip_lines()
            entries.append((key, self.statement()))
            self.skip_blank()
            if self.peek() not in set("\n;}"):
                raise self.refuse("expected the end of an entry")
            self.skip_ends()
        self.commas = before
        return HashOf(line, tuple(entries))

    def _key(self) -> Node:
        found = KEY.match(self.text, self.at)
        if found is None:
            return self._unary()
        line, self.at = self.line, found.end()
        return Text(line, found[0], bare=True)

    def postfix(self, node: Node) -> Node:
        """Read members, calls and indexes that follow a value without a blank between."""
        while True:
            line = self.line
            if self.peek(2) == "::" or (self.peek() == "." and self.peek(2) != ".."):
                static = self.take("::") or not self.take(".")
                if not static:
                    self.skip_lines()
                node = self._member(node, static=static, line=line)
            elif self.peek() == "[":
                node = Index(line, node, self._index())
            elif self.peek(2) in {"++", "--"} and isinstance(node, Variable | Member | Index):
                delta = 1 if self.take("++") else -1
                self.at += 0 if delta == 1 else 2
                return Step(line, node, delta, before=False)
            else:
                return node

    def _index(self) -> Node:
        before, self.commas = self.commas, True
        try:
            found: Node = self.balanced("[", "]", self.expression)
            return found
        finally:
            self.commas = before

    def _member(self, target: Node, *, static: bool, line: int) -> Node:
        name = self._member_name()
        if self.peek() != "(":
            return Member(line, target, name, static)
        self.at += 1
        arguments: list[Node] = []
        self.skip_lines()
        while not self.take(")"):
            arguments.append(self.expression(commas=False))
            self.skip_lines()
            if self.peek() != ")":
                self.expect(",")
                self.skip_lines()
        return Invoke(line, target, name, tuple(arguments), static)

    def _member_name(self) -> str | Node:
        found = NAME.match(self.text, self.at)
        if found:
            self.at = found.end()
            return found[0]
        if self.peek() in {"$", "'", '"', "("}:
            return self.primary()
        raise self.refuse("expected the name of a member")


def negated(number: Number) -> Number:
    """Return a number with its minus: the sign is part of it, so -2147483648 is an Int32."""
    value = -number.value
    if isinstance(number.value, Int64):
        value = int(value) if value == INT32_LEAST else Int64(value)
    return Number(number.line, value, f"-{number.text}")
