from __future__ import annotations

import pytest

from patchyard.testing.windows.powershell import parse
from patchyard.testing.windows.powershell.reader import NotPowerShell
from patchyard.testing.windows.powershell.syntax import (
    Assign,
    Command,
    Expression,
    Node,
    Number,
    Option,
    Pipeline,
    Redirection,
    Text,
    walk,
)


def first(text: str) -> Node:
    statement = parse(text).end.statements[0]
    if isinstance(statement, Pipeline) and len(statement.stages) == 1:
        stage = statement.stages[0]
        return stage.value if isinstance(stage, Expression) else stage
    return statement


def command(text: str) -> Command:
    found = first(text)
    assert isinstance(found, Command)
    return found


def shown(node: Node) -> str:
    """Say in short what an argument is."""
    if isinstance(node, Option):
        return f"-{node.name}" + (f":{shown(node.value)}" if node.value else "")
    if isinstance(node, Text):
        return node.value
    return node.text if isinstance(node, Number) else type(node).__name__


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("foo a b.c 1 'x y'", ["a", "b.c", "1", "x y"]),
        ("foo -a -b:1 -c 'd'", ["-a", "-b:1", "-c", "d"]),
        ("foo a,b c", ["Comma", "c"]),
        ("foo $x $x.y $x[0] $x.z()", ["Variable", "Member", "Index", "Invoke"]),
        ("foo $dir\\file", ["Expandable"]),
        (
            'foo "a$b" (1 + 2) @(1) { 1 } @{ a = 1 }',
            ["Expandable", "Paren", "ArrayOf", "BlockOf", "HashOf"],
        ),
        ("foo @splat", ["Variable"]),
        ("foo -5 1kb 007x", ["-5", "1kb", "007x"]),
        ("foo HKLM:\\A\\* C:\\b", ["HKLM:\\A\\*", "C:\\b"]),
        ("foo `\n  a `\n  b", ["a", "b"]),
        ("foo a # comment", ["a"]),
        ("foo a#b <# c #> d", ["a#b", "d"]),
        ("New-Object IO.Thing($a, 1)", ["IO.Thing", "Paren"]),
        ("foo [int]", ["[int]"]),
        ("foo /r /t 2", ["/r", "/t", "2"]),
    ],
)
def test_arguments(text: str, expected: list[str]) -> None:
    assert [shown(element) for element in command(text).elements] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("foo 2>$null", [("2", True)]),
        ("foo 2>&1", [("2", False)]),
        ("foo > $null 2>&1", [("1", True), ("2", False)]),
        ("foo *>&1", [("*", False)]),
    ],
)
def test_redirections(text: str, expected: list[tuple[str, bool]]) -> None:
    found = command(text).redirections
    assert [(r.stream, r.target is not None) for r in found] == expected
    assert all(isinstance(r, Redirection) for r in found)


@pytest.mark.parametrize(
    "text", ["1..3", "10L", "$x.y", "-not $a", "'a' + 'b'", "[int]5", ",1", "@(1)", "5MB", "!$x"]
)
def test_what_begins_an_expression_is_no_command(text: str) -> None:
    assert not isinstance(first(text), Command)


@pytest.mark.parametrize("text", ["foo", "7z a", "foo.exe", "& $x", ". $x", "%", "Get-Item x"])
def test_what_is_a_command(text: str) -> None:
    assert isinstance(first(text), Command)


def test_lines_are_those_of_the_text() -> None:
    found = [
        node.line
        for node in walk(parse("1\n\nfoo `\n  bar\n@'\nx\n'@\nbaz"))
        if isinstance(node, Command)
    ]
    assert found == [3, 8]


def test_a_statement_may_be_the_value_of_an_assignment() -> None:
    found = first("$x = if ($a) { 1 } else { 2 }")
    assert isinstance(found, Assign)


@pytest.mark.parametrize(
    "text",
    [
        "$a ? 1 : 2",
        "$a ?? $b",
        "$a?.b",
        "$a ??= 1",
        "a && b",
        "a || b",
        "a &",
    ],
)
def test_what_came_after_5_1_is_refused(text: str) -> None:
    with pytest.raises(NotPowerShell):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "try { 1 }",
        "if $x { }",
        "foreach ($x in 1",
        "'open",
        '"open',
        "@'\nopen",
        "$x = ",
        "function { }",
        "switch ($x) { 1 }",
        "{ 1",
        "1)",
        "foo 'a'b",
        '"$x: y"',
        "trap { }",
        "class X { }",
        "foo > file.txt >> other",
        "\u201cx\u201d",
        "do { 1 }",
    ],
)
def test_what_is_no_powershell_is_refused(text: str) -> None:
    with pytest.raises(NotPowerShell, match=r"line [12]"):
        parse(text)


def test_the_error_names_the_line() -> None:
    with pytest.raises(NotPowerShell, match=r"job\.ps1, line 3: .*near '\?\? 2'"):
        parse("1\n2\n$x ?? 2", "job.ps1")
