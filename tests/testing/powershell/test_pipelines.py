from __future__ import annotations

from typing import Any

import pytest

from patchyard.testing.windows.powershell import run
from tests.testing.powershell.running import error, value, values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1..5 | Where-Object { $_ % 2 }", [1, 3, 5]),
        ("@{ n = 1 }, @{ n = 2 } | Where-Object n -eq 2 | ForEach-Object n", [2]),
        ("'a', 'bb' | Where-Object Length -gt 1", ["bb"]),
        ("'a', '', $null | Where-Object { $_ }", ["a"]),
        ("'a', 'b' | ForEach-Object ToUpper", ["A", "B"]),
        ("1..3 | ForEach-Object -Begin { 'b' } -Process { $_ } -End { 'e' }", ["b", 1, 2, 3, "e"]),
        ("1..9 | Select-Object -First 2", [1, 2]),
        ("1..9 | Select-Object -Last 2", [8, 9]),
        ("1..9 | Select-Object -Skip 7", [8, 9]),
        ("'b', 'a', 'b' | Select-Object -Unique", ["b", "a"]),
        ("[pscustomobject]@{ a = 1; b = 2 } | Select-Object -ExpandProperty b", [2]),
        ("([pscustomobject]@{ a = 1; b = 2 } | Select-Object a).PSObject.Properties.Name", ["a"]),
        ("('x' | Select-Object @{ n = 'l'; e = { $_.Length } }).l", [1]),
        ("3, 1, 2 | Sort-Object", [1, 2, 3]),
        ("3, 1, 2 | Sort-Object -Descending", [3, 2, 1]),
        ("'b', 'A', 'c' | Sort-Object", ["A", "b", "c"]),
        ("'10', '9' | Sort-Object { [int]$_ }", ["9", "10"]),
        (
            "(@{ n = 2; m = 1 }, @{ n = 1; m = 9 }, @{ n = 1; m = 3 } | Sort-Object n, m).m",
            [3, 9, 1],
        ),
        ("1, 2, 2 | Sort-Object -Unique", [1, 2]),
        ("(1, 2, 3 | Measure-Object).Count", [3]),
        ("(1, 2, 3 | Measure-Object -Sum -Maximum).Sum", [6.0]),
        (
            "('a', 'b', 'A' | Group-Object | ForEach-Object { \"$($_.Name)$($_.Count)\" })",
            ["a2", "b1"],
        ),
        ("1, 2 | Out-Null", []),
        ("Write-Output 1, 2 | ForEach-Object { $_ }", [1, 2]),
        ("(Write-Output 1, 2 -NoEnumerate).Count", [2]),
    ],
)
def test_cmdlets_of_the_pipeline(text: str, expected: list[Any]) -> None:
    assert values(text) == expected


def test_elements_go_through_the_whole_pipeline_one_after_the_other() -> None:
    text = '1..2 | ForEach-Object { "a$_" } | ForEach-Object { "b$_"; }'
    order = (
        '$log = @(); 1..2 | ForEach-Object { $log += "a$_"; $_ } | ForEach-Object { '
        "$log += \"b$_\" }; $log -join ','"
    )
    assert values(text) == ["ba1", "ba2"]
    assert value(order) == "a1,b1,a2,b2"


def test_first_stops_what_comes_before() -> None:
    text = "$n = 0; $x = 1..9 | ForEach-Object { $n++; $_ } | Select-Object -First 2; $n"
    assert value(text) == 2


def test_what_comes_after_first_is_still_told_of_the_end() -> None:
    assert value("(1..9 | Select-Object -First 3 | Measure-Object).Count") == 3


def test_break_in_a_block_of_a_pipeline_leaves_the_loop_around_it() -> None:
    assert values(
        "foreach ($i in 1, 2) { 1..3 | ForEach-Object { if ($_ -eq 2) { break }; $_ } }; 'x'"
    ) == [
        1,
        "x",
    ]


def test_return_in_a_block_of_a_pipeline_only_ends_its_turn() -> None:
    assert values("1..3 | ForEach-Object { if ($_ -eq 2) { return }; $_ }") == [1, 3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write-Error 'x' 2>$null; 'after'", ["after"]),
        ("function F { 1; Write-Error 'x' }; F 2>$null", [1]),
        ("(Write-Error 'x' 2>&1).Exception.Message", ["x"]),
        ("Write-Output 1 > $null", []),
        ("function F { 1; Write-Warning 'w' }; F 3>$null", [1]),
        ("function F { 1; Write-Error 'x' }; F *>$null", []),
    ],
)
def test_redirections(text: str, expected: list[Any]) -> None:
    assert values(text) == expected


def test_errors_that_go_on_are_written_and_remembered() -> None:
    ran = run("Write-Error 'one'; Write-Error 'two'; $Error.Count; \"$($Error[0])\"")
    assert ran.output == [2, "two"]
    assert ran.stream("2") == ["one", "two"]


@pytest.mark.parametrize(
    ("action", "output", "written"),
    [
        ("Continue", ["after", 1], ["x"]),
        ("SilentlyContinue", ["after", 1], []),
        ("Ignore", ["after", 0], []),
    ],
)
def test_error_actions(action: str, output: list[Any], written: list[str]) -> None:
    ran = run(f"Write-Error 'x' -ErrorAction {action}; 'after'; $Error.Count")
    assert (ran.output, ran.stream("2")) == (output, written)


def test_stop_makes_an_error_terminate() -> None:
    assert error("Write-Error 'x' -ErrorAction Stop; 'after'").exception.message == "x"
    assert error("$ErrorActionPreference = 'Stop'; Write-Error 'x'; 1").exception.message == "x"


def test_warnings_follow_their_preference() -> None:
    assert run("Write-Warning 'w'").stream("3") == ["w"]
    assert run("$WarningPreference = 'SilentlyContinue'; Write-Warning 'w'").written == []
    assert run("Write-Verbose 'v'").written == []
