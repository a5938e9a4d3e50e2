"""Reading commands, whose arguments follow rules of their own."""

from __future__ import annotations

import re

from patchyard.testing.windows.powershell.expressions import (
    DASHED,
    UNARY,
    ExpressionReader,
    negated,
)
from patchyard.testing.windows.powershell.reader import NUMBER
from patchyard.testing.windows.powershell.syntax import (
    Comma,
    Command,
    Expression,
    Node,
    Number,
    Option,
    Redirection,
    Text,
    Variable,
)

REDIRECTION = re.compile(r"(?P<from>[1-6*])?>(?:&(?P<to>[1-6])|(?P<twice>>)?)")
OPTION = re.compile(r"-([A-Za-z_?][\w-]*)(:?)")
ENDS = set("\n;|)}")
DELIMITERS = set(" \t\n;|(){},&<>\"'")
EXPRESSION_START = set("$@('\"{[!+,-.0123456789")


class CommandReader(ExpressionReader):
    """Reads what can stand between two `|`."""

    def stage(self, *, first: bool = True) -> Node:
        """Read a command, or an expression where one may stand.

        Args:
            first: whether it is the first of its pipeline; only there may it be an expression.
        """
        self.skip_blank()
        line = self.line
        call = re.compile(r"([&.])(?=[\s$({'\"])").match(self.text, self.at)
        if call and self.peek(2) != "&&":
            self.at += 1
            self.skip_blank()
            return self._command(call[1], line)
        if first and self._begins_expression():
            value = self.expression()
            return Expression(line, value, self._redirections())
        return self._command("", line)

    def _begins_expression(self) -> bool:
        char = self.peek()
        if char not in EXPRESSION_START or char == "":
            return False
        if char in "-+":
            dashed = DASHED.match(self.text, self.at)
            return not dashed or dashed[1].lower() in UNARY
        if char.isdigit() or char == ".":
            return NUMBER.match(self.text, self.at) is not None
        return True

    def _redirections(self) -> tuple[Redirection, ...]:
        found: list[Redirection] = []
        self.skip_blank()
        while REDIRECTION.match(self.text, self.at):
            found.append(self._redirection())
            self.skip_blank()
        return tuple(found)

    def _redirection(self) -> Redirection:
        line, found = self.line, REDIRECTION.match(self.text, self.at)
        if found is None or found["twice"]:
            raise self.refuse("a redirection that appends")
        self.at = found.end()
        stream = found["from"] or "1"
        if found["to"]:
            if found["to"] != "1":
                raise self.refuse("a merge into a stream other than output")
            return Redirection(line, stream, None)
        self.skip_blank()
        return Redirection(line, stream, self._argument())

    def _command(self, operator: str, line: int) -> Node:
        name = self._command_name(operator)
        elements: list[Node] = []
        redirections: list[Redirection] = []
        while True:
            self.skip_blank()
            if self.at >= len(self.text) or self.peek() in ENDS:
                break
            if self.peek() == "&" or self.peek(3) == "--%":
                raise self.refuse("an unknown element of a command")
            if REDIRECTION.match(self.text, self.at):
                redirections.append(self._redirection())
            else:
                elements.append(self._option() or self._list())
        return Command(line, name, operator, tuple(elements), tuple(redirections))

    def _command_name(self, operator: str) -> Node:
        line = self.line
        if operator and self.peek() in set("$({'\""):
            return self.postfix(self.primary())
        text = self._generic()
        if not isinstance(text, Text) or not text.value:
            raise self.refuse("expected a command")
        return Text(line, text.value, bare=True)

    def _option(self) -> Node | None:
        found = OPTION.match(self.text, self.at)
        if found is None:
            return None
        line, self.at = self.line, found.end()
        if not found[2]:
            return Option(line, found[1], None)
        self.skip_blank()
        return Option(line, found[1], self._list())

    def _list(self) -> Node:
        line = self.line
        items = [self._argument()]
        self.skip_blank()
        while self.take(","):
            self.skip_lines()
            items.append(self._argument())
            self.skip_blank()
        return Comma(line, tuple(items)) if len(items) > 1 else items[0]

    def _argument(self) -> Node:
        start = self.at
        if self.peek() in set("'\"({") or self.peek(2) in {"$(", "@(", "@{", "@'", '@"'}:
            return self._whole(self.postfix(self.primary()), start)
        if self.peek() in {"$", "@"}:
            found = self.variable()
            if found is None:
                return self._generic()
            if found.splat:
                return found
            return self._whole(self.postfix(found), start)
        number = NUMBER.match(self.text, self.at)
        if number and self._delimited(number.end()):
            return self.number() or self._generic()
        return self.negative() or self._generic()

    def negative(self) -> Number | None:
        """Read a number with a minus before it, if one stands here as a whole."""
        number = NUMBER.match(self.text, self.at + 1) if self.peek() == "-" else None
        if number is None or not self._delimited(number.end()):
            return None
        self.at += 1
        found = self.number()
        return found and negated(found)

    def _delimited(self, at: int) -> bool:
        return at >= len(self.text) or self.text[at] in DELIMITERS

    def _whole(self, node: Node, start: int) -> Node:
        r"""Return a value, unless it is only the beginning of a bare word such as $dir\file."""
        if self._delimited(self.at) and self.peek() not in {'"', "'", "(", "{"}:
            return node
        if isinstance(node, Variable):
            self.at = start
            return self._generic()
        raise self.refuse("an argument that goes on without a blank")

    def _generic(self) -> Node:
        """Read a bare word; variables in it are expanded."""
        line, start = self.line, self.at
        while self.at < len(self.text) and self.peek() not in DELIMITERS:
            if self.peek(2) == "$(":
                self.sub_expression()
                continue
            self.at += 2 if self.peek() == "`" else 1
        word = self.text[start : self.at]
        if self.peek() in {'"', "'"} and word:
            raise self.refuse("a bare word that goes on with a quote")
        if not word:
            raise self.refuse("expected an argument")
        if "$" in word or "`" in word:
            return self.expand(word, line, doubled=False)
        return Text(line, word, bare=True)
