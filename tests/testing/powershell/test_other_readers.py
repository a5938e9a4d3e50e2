"""What we read in the templates, against two readers of PowerShell that others have made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import tree_sitter
import tree_sitter_powershell
from refinery.lib.scripts.ps1 import model
from refinery.lib.scripts.ps1.parser import Ps1Parser

from patchyard import templates
from patchyard.testing.windows.powershell import parse
from patchyard.testing.windows.powershell.lint import second_opinion, shipped
from patchyard.testing.windows.powershell.syntax import (
    Assign,
    Binary,
    Cast,
    Command,
    Foreach,
    Function,
    HashOf,
    If,
    Index,
    Invoke,
    Member,
    Node,
    Parameter,
    Switch,
    Text,
    Try,
    TypeName,
    Variable,
    While,
    walk,
)

WHOLE = [name for name in shipped() if not name.rpartition("/")[2].startswith("_")]
KINDS: dict[type[Node], str] = {
    Assign: "assignment",
    Cast: "cast",
    Foreach: "foreach",
    Function: "function",
    HashOf: "hash",
    If: "if",
    Index: "index",
    Switch: "switch",
    Try: "try",
    TypeName: "type",
    While: "loop",
}
THEIRS: dict[Any, str] = {
    model.Ps1AssignmentExpression: "assignment",
    model.Ps1CastExpression: "cast",
    model.Ps1ForEachLoop: "foreach",
    model.Ps1FunctionDefinition: "function",
    model.Ps1HashLiteral: "hash",
    model.Ps1IfStatement: "if",
    model.Ps1IndexExpression: "index",
    model.Ps1SwitchStatement: "switch",
    model.Ps1TryCatchFinally: "try",
    model.Ps1TypeExpression: "type",
    model.Ps1WhileLoop: "loop",
    model.Ps1DoLoop: "loop",
}


def text_of(name: str) -> str:
    return templates.render(name)


def ours(text: str) -> Iterator[str]:
    for node in walk(parse(text)):
        if type(node) in KINDS:
            yield KINDS[type(node)]
        if isinstance(node, Command) and isinstance(node.name, Text):
            yield f"command {node.name.value.lower()}"
        elif isinstance(node, Member | Invoke) and isinstance(node.name, str):
            call = "()" if isinstance(node, Invoke) else ""
            yield f"member {node.name.lower()}{call}"
        elif isinstance(node, Variable):
            yield f"variable {node.name}"
        elif isinstance(node, Parameter):
            yield f"variable {node.name}"
            yield from ["type"] if node.type else []
        elif isinstance(node, Binary) and node.operator != "..":
            yield f"operator {node.operator}"


def theirs(text: str) -> Iterator[str]:
    for node in Ps1Parser(text).parse().walk():
        if type(node) in THEIRS:
            yield THEIRS[type(node)]
        if isinstance(node, model.Ps1CommandInvocation):
            if isinstance(node.name, model.Ps1StringLiteral):
                yield f"command {node.name.value.lower()}"
        elif isinstance(node, model.Ps1MemberAccess | model.Ps1InvokeMember):
            if isinstance(node.member, str):
                call = "()" if isinstance(node, model.Ps1InvokeMember) else ""
                yield f"member {node.member.lower()}{call}"
        elif isinstance(node, model.Ps1Variable):
            yield f"variable {node.name.lower()}"
        elif isinstance(node, model.Ps1BinaryExpression):
            yield f"operator {node.operator.lower().lstrip('-') or '-'}"


@pytest.mark.parametrize("name", WHOLE)
def test_refinery_finds_the_same_names_operators_and_statements(name: str) -> None:
    text = text_of(name)
    mine, other = Counter(ours(text)), Counter(theirs(text))
    assert mine - other == Counter()
    assert other - mine == Counter()
    assert mine


@pytest.mark.parametrize("name", WHOLE)
def test_tree_sitter_finds_the_same_commands(name: str) -> None:
    text = text_of(name)
    found = Counter(_commands(text))
    mine = Counter(
        node.name.value.lower()
        for node in walk(parse(text))
        if isinstance(node, Command) and isinstance(node.name, Text)
    )
    assert mine == found


def _commands(text: str) -> Iterator[str]:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    waiting = [parser.parse(text.encode()).root_node]
    while waiting:
        node = waiting.pop()
        waiting += node.children
        if node.type == "command_name" and node.text is not None:
            name = node.text.decode().strip().lower()
            # It takes ranges and numbers with a suffix for commands.
            if not name[0].isdigit():
                yield name


@pytest.mark.parametrize("text", ["if ($x) {", "foo (", "$x = @{ a = }", "{% if x %}"])
def test_the_second_opinion_notices_what_is_broken(text: str) -> None:
    broken = text.startswith("{%")
    assert bool(second_opinion(text)) is not broken
