"""Reading statements: keywords, assignments, functions, script blocks."""

from __future__ import annotations

import re
from functools import lru_cache

from patchyard.testing.windows.powershell.parameters import ParameterReader
from patchyard.testing.windows.powershell.syntax import (
    Assign,
    Block,
    Cast,
    Catch,
    Comma,
    Expression,
    For,
    Foreach,
    Function,
    If,
    Index,
    Leave,
    Member,
    Node,
    Number,
    Pipeline,
    Script,
    Switch,
    Text,
    Try,
    Variable,
    While,
)

ASSIGNMENT = re.compile(r"(\+|-|\*|/|%)?=(?!=)")
LABEL = re.compile(r":([A-Za-z_]\w*)")
FUNCTION_NAME = re.compile(r"[A-Za-z_][\w-]*")
REFUSED = ("class", "enum", "trap", "data", "workflow", "parallel", "using", "dynamicparam")
LOOPS = ("foreach", "for", "while", "do", "switch")


class ScriptReader(ParameterReader):
    """Reads a whole script."""

    def script(self) -> Script:
        """Read everything there is.

        Raises:
            NotPowerShell: the text is no script, or is outside of what is known.
        """
        found = self._content()
        self.skip_ends()
        if self.at < len(self.text):
            raise self.refuse("something that begins no statement")
        return found

    def script_until(self, end: str) -> Script:
        """Read a script block's content up to a closing brace."""
        found = self._content()
        self.skip_ends()
        self.expect(end)
        return found

    def _content(self) -> Script:
        line, start = self.line, self.at
        self.skip_ends()
        parameters = self.param_block()
        self.skip_ends()
        named: dict[str, Block] = {}
        while word := self.word("begin", "process", "end"):
            self.skip_lines()
            named[word] = self.braces()
            self.skip_ends()
        rest = self._statements("}")
        if named and rest.statements:
            raise self.refuse("statements outside of begin, process and end")
        end = named.get("end", rest)
        text = self.text[start : self.at]
        return Script(line, parameters, named.get("begin"), named.get("process"), end, text)

    def statements_until(self, end: str) -> Block:
        """Read statements up to a closing bracket, and go past it."""
        before, self.commas = self.commas, True
        found = self._statements(end)
        self.commas = before
        self.expect(end)
        return found

    def _statements(self, end: str) -> Block:
        line = self.line
        found: list[Node] = []
        self.skip_ends()
        while self.at < len(self.text) and self.peek() != end:
            found.append(self.statement())
            self.skip_blank()
            if self.at < len(self.text) and self.peek() not in {"\n", ";", end}:
                if self.text[self.at - 1] == "}" and isinstance(found[-1], _BRACED):
                    continue
                raise self.refuse("something unexpected after a statement")
            self.skip_ends()
        return Block(line, tuple(found))

    def braces(self) -> Block:
        """Read `{ statements }`."""
        self.expect("{")
        return self.statements_until("}")

    def statement(self) -> Node:
        """Read one statement."""
        self.skip_lines()
        label = self._label()
        line = self.line
        word = self.word(*LOOPS)
        if word:
            return self._LOOPS[word](self, label, line)
        if label:
            raise self.refuse("a label before something that is no loop")
        word = self.word(*self._WORDS, *REFUSED)
        if word in REFUSED:
            raise self.refuse(f"the keyword {word!r}")
        if word:
            return self._WORDS[word](self, word, line)
        return self._pipeline_or_assignment(line)

    def _label(self) -> str:
        found = LABEL.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        self.skip_lines()
        return found[1].lower()

    def _pipeline_or_assignment(self, line: int) -> Node:
        first = self.stage()
        self.skip_blank()
        operator = ASSIGNMENT.match(self.text, self.at)
        if operator and isinstance(first, Expression) and _assignable(first.value):
            self.at = operator.end()
            self.skip_lines()
            return Assign(line, first.value, operator[0], self.statement())
        stages = [first]
        while self.peek() == "|" and self.peek(2) != "||":
            self.at += 1
            self.skip_lines()
            stages.append(self.stage(first=False))
            self.skip_blank()
        if self.peek(2) in {"&&", "||"} or self.peek() == "&":
            raise self.refuse("an operator that Windows PowerShell 5.1 does not have")
        return Pipeline(line, tuple(stages))

    def condition(self) -> Node:
        """Read `( statement )`."""
        self.skip_lines()
        found: Node = self.balanced("(", ")", self.statement)
        self.skip_lines()
        return found

    def _if(self, _word: str, line: int) -> Node:
        branches = [(self.condition(), self.braces())]
        otherwise = None
        while True:
            before = self.at
            self.skip_lines()
            if self.word("elseif"):
                branches.append((self.condition(), self.braces()))
            elif self.word("else"):
                self.skip_lines()
                otherwise = self.braces()
                break
            else:
                self.at = before
                break
        return If(line, tuple(branches), otherwise)

    def _foreach(self, label: str, line: int) -> Node:
        self.skip_lines()
        self.expect("(")
        self.skip_lines()
        variable = self.variable()
        self.skip_lines()
        if variable is None or not self.word("in"):
            raise self.refuse("expected `$variable in`")
        values = self.statement()
        self.skip_lines()
        self.expect(")")
        self.skip_lines()
        return Foreach(line, label, variable, values, self.braces())

    def _for(self, label: str, line: int) -> Node:
        self.skip_lines()
        self.expect("(")
        parts: list[Node | None] = []
        for end in (";", ";", ")"):
            self.skip_lines()
            parts.append(None if self.peek() == end else self.statement())
            self.skip_lines()
            self.expect(end)
        self.skip_lines()
        return For(line, label, parts[0], parts[1], parts[2], self.braces())

    def _while(self, label: str, line: int) -> Node:
        condition = self.condition()
        return While(line, label, condition, self.braces(), after=False, until=False)

    def _do(self, label: str, line: int) -> Node:
        self.skip_lines()
        body = self.braces()
        self.skip_lines()
        word = self.word("while", "until")
        if not word:
            raise self.refuse("expected `while` or `until`")
        self.skip_lines()
        condition: Node = self.balanced("(", ")", self.statement)
        return While(line, label, condition, body, after=True, until=word == "until")

    def _switch(self, label: str, line: int) -> Node:
        mode, case = "exact", False
        self.skip_lines()
        while option := re.compile(r"-([A-Za-z]+)\s*").match(self.text, self.at):
            name = option[1].lower()
            if name not in {"regex", "wildcard", "exact", "casesensitive"}:
                raise self.refuse(f"switch -{name}")
            mode, case = (mode, True) if name == "casesensitive" else (name, case)
            self.at = option.end()
        value = self.condition()
        self.expect("{")
        self.skip_ends()
        clauses: list[tuple[Node | None, Block]] = []
        while not self.take("}"):
            test = None if self.word("default") else self._clause()
            self.skip_lines()
            clauses.append((test, self.braces()))
            self.skip_ends()
        return Switch(line, label, mode, case, value, tuple(clauses))

    def _clause(self) -> Node:
        line = self.line
        bare = re.compile(r"[A-Za-z_][\w.*?-]*(?=\s*\{)").match(self.text, self.at)
        if bare:
            self.at = bare.end()
            return Text(line, bare[0], bare=True)
        return self.primary()

    def _try(self, _word: str, line: int) -> Node:
        self.skip_lines()
        body = self.braces()
        catches: list[Catch] = []
        final = None
        while True:
            before = self.at
            self.skip_lines()
            at = self.line
            word = self.word("catch", "finally")
            if not word:
                self.at = before
                break
            self.skip_lines()
            if word == "finally":
                final = self.braces()
                break
            catches.append(Catch(at, self._caught(), self.braces()))
        if not catches and final is None:
            raise self.refuse("a try without catch or finally")
        return Try(line, body, tuple(catches), final)

    def _caught(self) -> tuple[str, ...]:
        types: list[str] = []
        while self.peek() == "[":
            types.append(self.type_name())
            self.skip_lines()
            if self.take(","):
                self.skip_lines()
        return tuple(types)

    def _leave(self, word: str, line: int) -> Node:
        self.skip_blank()
        if self.at >= len(self.text) or self.peek() in {"\n", ";", "}", ")"}:
            return Leave(line, word, None)
        if word in {"break", "continue"}:
            found = FUNCTION_NAME.match(self.text, self.at)
            if found is None:
                raise self.refuse("expected a label")
            self.at = found.end()
            return Leave(line, word, None, found[0].lower())
        return Leave(line, word, self.statement())

    def _function(self, word: str, line: int) -> Node:
        self.skip_blank()
        found = FUNCTION_NAME.match(self.text, self.at)
        if found is None:
            raise self.refuse("expected the name of a function")
        self.at = found.end()
        self.skip_lines()
        early = self.parameters() if self.peek() == "(" else ()
        self.skip_lines()
        self.expect("{")
        inner = self.script_until("}")
        if word == "filter":
            inner = Script(line, inner.parameters, None, inner.end, Block(line, ()), inner.text)
        if early:
            inner = Script(line, early, inner.begin, inner.process, inner.end, inner.text)
        return Function(line, found[0], inner)

    _LOOPS = {
        "foreach": _foreach,
        "for": _for,
        "while": _while,
        "do": _do,
        "switch": _switch,
    }
    _WORDS = {
        "if": _if,
        "try": _try,
        "function": _function,
        "filter": _function,
        **dict.fromkeys(("return", "throw", "exit", "break", "continue"), _leave),
    }


_BRACED = (If, Foreach, For, While, Switch, Try, Function)


def _assignable(node: Node) -> bool:
    while isinstance(node, Cast):
        node = node.operand
    if isinstance(node, Comma):
        return all(_assignable(item) for item in node.items)
    return isinstance(node, Variable | Member | Index)


@lru_cache(maxsize=512)
def parse(text: str, name: str = "") -> Script:
    """Return the syntax tree of a script. A tree is never changed, so one text is read once.

    Args:
        text: the script.
        name: what errors call it.

    Raises:
        NotPowerShell: 5.1 would refuse it, or the reader does not know a construct in it.
    """
    return ScriptReader(text, name).script()


def literal(node: Node) -> str | None:
    """Return the text of a node that is a plain string or number."""
    if isinstance(node, Text):
        return node.value
    return node.text if isinstance(node, Number) else None
