from __future__ import annotations

from typing import Any

import pytest

from tests.testing.powershell.running import value, values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'ABC' -eq 'abc'", True),
        ("'ABC' -ieq 'abc'", True),
        ("'ABC' -ceq 'abc'", False),
        ("'a' -cne 'A'", True),
        ("1 -eq '1'", True),
        ("'1' -eq 1", True),
        ("1 -eq 'x'", False),
        ("'01' -eq 1", False),
        ("1 -eq 1.0", True),
        ("$true -eq 'False'", True),
        ("'True' -eq $true", True),
        ("$null -eq ''", False),
        ("'' -eq $null", False),
        ("0 -eq $null", False),
        ("$null -eq $null", True),
        ("10 -gt '9'", True),
        ("'10' -gt 9", False),
        ("$null -lt 0", True),
        ("$null -gt -1", True),
        ("'a' -lt 'B'", True),
        ("[version]'10.0.20348.5499' -gt '10.0.20348.999'", True),
        ("[datetime]'2026-01-02' -gt [datetime]'2026-01-01'", True),
        ("'abc' -like 'A*'", True),
        ("'abc' -clike 'A*'", False),
        ("'abc' -notlike '?b?'", False),
        ("'a[1]' -like 'a`[1`]'", True),
        ("'KB5120242' -match '^kb\\d+$'", True),
        ("'KB1' -cmatch 'kb'", False),
        ("1, 2, 3 -contains 2", True),
        ("'a', 'B' -contains 'b'", True),
        ("'a', 'B' -ccontains 'b'", False),
        ("2 -in 1, 2", True),
        ("3 -notin 1, 2", True),
        ("1 -is [int]", True),
        ("1 -isnot [string]", True),
        ("'x' -is [object]", True),
        ("@(1) -is [array]", True),
        ("$null -is [object]", False),
        ("@{} -is [hashtable]", True),
        ("[ordered]@{} -is [hashtable]", False),
        ("$true -xor $true", False),
        ("-not $false", True),
        ("!1", False),
        ("$false -or ''", False),
        ("1 -and 'x'", True),
    ],
)
def test_comparisons_follow_the_left_operand(text: str, expected: bool) -> None:
    assert value(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-not $true -eq $false", True),
        ("1 + 2 * 3", 7),
        ("'{0}-{1}' -f 1, 2 + '!'", "1-2!"),
        ("1 -eq 1 -and 2 -eq 2", True),
        ("2 -band 3 -eq 3", False),
        ("(1, 2 + 3).Count", 3),
        ("-join ('a', 'b')", "ab"),
        ("1, 2, 3 -join '-'", "1-2-3"),
        ("$true -or $false -and $false", False),
        ("[int]'1' + 1", 2),
        ("-2 * 3", -6),
        ("10 - 2 - 3", 5),
    ],
)
def test_precedence(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1, 2, 3, 2 -eq 2", [2, 2]),
        ("1, 2, 3 -ne 2", [1, 3]),
        ("'a', 'b' -like 'A'", ["a"]),
        ("'ab', 'cd' -match 'B'", ["ab"]),
        ("1, 5, 9 -gt 4", [5, 9]),
        ("@() -eq 1", []),
        ("'a', 'ba' -replace 'a', 'x'", ["x", "bx"]),
        ("'a,b', 'c' -split ','", ["a", "b", "c"]),
    ],
)
def test_an_array_on_the_left_is_filtered(text: str, expected: list[Any]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'a, b' -split ',\\s*'", ["a", "b"]),
        ("'a.b' -split '.', 0, 'SimpleMatch'", ["a", "b"]),
        ("'a-b-c' -split '-', 2", ["a", "b-c"]),
        ("'aXbxc' -split 'x'", ["a", "b", "c"]),
        ("'aXbxc' -csplit 'x'", ["aXb", "c"]),
        ("-split ' a  b '", ["a", "b"]),
        ("'a1b' -split '(\\d)'", ["a", "1", "b"]),
    ],
)
def test_split(text: str, expected: list[str]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'abc' -replace 'B'", "ac"),
        ("'abc' -creplace 'B', 'x'", "abc"),
        ("'a-b' -replace '(\\w)-(\\w)', '$2-$1'", "b-a"),
        ("'ab' -replace '(?<x>a)', '${x}$$'", "a$b"),
        ("'ab' -replace 'a', '[$&]'", "[a]b"),
    ],
)
def test_replace(text: str, expected: str) -> None:
    assert value(text) == expected


def test_matches_holds_numbered_and_named_groups() -> None:
    assert values(
        "$null = 'KB12 x' -match 'KB(?<n>\\d+) (.)'; $Matches[0]; $Matches.n; $Matches[1]"
    ) == [
        "KB12 x",
        "12",
        "x",
    ]


def test_matches_is_left_alone_where_nothing_matches() -> None:
    assert value("$null = 'a' -match '(a)'; $null = 'b' -match 'c'; $Matches[1]") == "a"


def test_matches_is_that_of_single_strings_only() -> None:
    text = "$null = 'x' -match '(x)'; $null = 'a', 'b' -match '(a)'; $Matches[1]"
    assert value(text) == "x"


def test_a_range_goes_down_too() -> None:
    assert values("3..1") == [3, 2, 1]
    assert values("-1..1") == [-1, 0, 1]


def test_the_right_side_of_and_is_left_alone_where_the_left_decides() -> None:
    assert value("$false -and (throw 'x')") is False
    assert value("$true -or (throw 'x')") is True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"$x"', "5"),
        ('"$($x + 1)"', "6"),
        ('"${x}y"', "5y"),
        ('"$x.y"', "5.y"),
        ('"$h.a"', "System.Collections.Hashtable.a"),
        ('"$($h.a)"', "1"),
        ('"`$x"', "$x"),
        ('"a`tb`n"', "a\tb\n"),
        ('"say ""hi"""', 'say "hi"'),
        ("'it''s $x'", "it's $x"),
        ('"$(1, 2, 3)"', "1 2 3"),
        ('"$env:NOTHING|"', "|"),
        ('"[$null]"', "[]"),
        ('"100%"', "100%"),
        ('"a$"', "a$"),
        ("\"$([datetime]'2026-02-03T04:05:06')\"", "02/03/2026 04:05:06"),
    ],
)
def test_strings_expand(text: str, expected: str) -> None:
    assert value(f"$x = 5; $h = @{{ a = 1 }}\n{text}") == expected


def test_here_strings_keep_quotes_and_line_ends() -> None:
    assert value('$x = 1\n@"\na "$x"\n b\n"@') == 'a "1"\n b'
    assert value("@'\n$x ''\n'@") == "$x ''"
