from __future__ import annotations

from typing import Any

import pytest

from patchyard.testing.windows.powershell import run
from tests.testing.powershell.running import error, value, values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("if (0) { 1 } elseif ('x') { 2 } else { 3 }", [2]),
        ("if ($null) { 1 }\nelse { 3 }", [3]),
        ("for ($i = 0; $i -lt 3; $i++) { $i }", [0, 1, 2]),
        ("$i = 3; while ($i) { $i; $i-- }", [3, 2, 1]),
        ("$i = 0; do { $i } while ($i++ -lt 2)", [0, 1, 2]),
        ("$i = 0; do { $i++ } until ($i -eq 5); $i", [5]),
        (
            "foreach ($i in 1..9) { if ($i -eq 2) { continue }; if ($i -gt 3) { break }; $i }",
            [1, 3],
        ),
        (
            (
                ":a foreach ($i in 1, 2) { foreach ($j in 1, 2) { if ($j -eq 2) { continue a "
                '}; "$i$j" } }'
            ),
            ["11", "21"],
        ),
        (":a while ($true) { while ($true) { break a } }\n'out'", ["out"]),
        ("$x = foreach ($i in 1, 2) { $i * 2 }; $x[1]", [4]),
        ("$x = switch (2) { 1 { 'a' } 2 { 'b' } }; $x", ["b"]),
        ("$i = 5; $i += 2; $i *= 3; $i", [21]),
        ("$s = 'a'; $s += 1; $s", ["a1"]),
        ("$i = 1; ($i++); $i", [1, 2]),
        ("$i = 1; $i++; ++$i; $i", [3]),
        ("$a = $b = 4; $a + $b", [8]),
        ("($x = 5)", [5]),
        ("$h = @{ n = 1 }; $h.n++; $h.n += 5; $h.n", [7]),
    ],
)
def test_control_flow(text: str, expected: list[Any]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("switch ('b') { 'a' { 1 } 'B' { 2 } default { 3 } }", [2]),
        ("switch ('x') { 'a' { 1 } default { 3 } }", [3]),
        ("switch (1, 2) { 1 { 'a' } 2 { 'b' } }", ["a", "b"]),
        ("switch ('a') { 'a' { 1 } 'a' { 2 } }", [1, 2]),
        ("switch ('a') { 'a' { 1; break } 'a' { 2 } }", [1]),
        ("switch -Regex ('KB12') { '^kb(\\d+)' { $Matches[1] } }", ["12"]),
        ("switch -Wildcard ('abc') { 'a*' { 1 } '*z' { 2 } }", [1]),
        ("switch -CaseSensitive ('A') { 'a' { 1 } 'A' { 2 } }", [2]),
        ("switch (5) { { $_ -gt 3 } { 'big' } }", ["big"]),
        ("switch (@()) { default { 1 } }", []),
        ("switch (1, 2, 3) { 2 { continue } default { $_ } }", [1, 3]),
    ],
)
def test_switch(text: str, expected: list[Any]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("function F { 1; 2; return 3; 4 }; F", [1, 2, 3]),
        ('function F($a, $b) { "$a-$b" }; F 1 2; F -b 2 -a 1; F -B:2 1', ["1-2", "1-2", "1-2"]),
        ("function F($a = 5) { $a }; F; F 6", [5, 6]),
        ("function F($a, $b = $a * 2) { $b }; F 4", [8]),
        ("function F { $args.Count; $args[1] }; F a b c", [3, "b"]),
        (
            'function F { param([int]$n, [switch]$s) "$n $s" }; F; F -s 3; F 3 -s:$false',
            ["0 False", "3 True", "3 False"],
        ),
        ('function F([string]$s) { "[$s]" }; F; F $null', ["[]", "[]"]),
        ("function F($x) { $x.Count }; F 1, 2, 3", [3]),
        ("function F([string[]]$x) { $x.Count }; F a", [1]),
        ("$p = @{ a = 1; b = 2 }; function F($a, $b) { $a + $b }; F @p", [3]),
        ("$p = 1, 2; function F($a, $b) { $a - $b }; F @p", [-1]),
        ("function F { process { $_ * 2 } }; 1, 2 | F", [2, 4]),
        ("function F { begin { 'b' } process { $_ } end { 'e' } }; 1, 2 | F", ["b", 1, 2, "e"]),
        ("function F { $input | ForEach-Object { $_ + 1 } }; 1, 2 | F", [2, 3]),
        (
            "function F { param([Parameter(ValueFromPipeline=$true)]$v) process { $v } }; 1, 2 | F",
            [1, 2],
        ),
        ("filter F { $_ + 1 }; 1 | F", [2]),
        ("& { param($x, $y) $x - $y } 5 3", [2]),
        ("$b = { $args[0] }; & $b 7; . $b 8; $b.Invoke(9)", [7, 8, 9]),
        ("$name = 'F'; function F { 'called' }; & $name", ["called"]),
    ],
)
def test_functions_and_blocks(text: str, expected: list[Any]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$x = 1; function F { $x = 2 }; F; $x", [1]),
        ("$x = 1; function F { $x }; F", [1]),
        ("$x = 1; function F { $script:x = 2 }; F; $x", [2]),
        ("function F { $global:y = 3 }; F; $y", [3]),
        ("$x = 1; & { $x = 2 }; $x", [1]),
        ("$x = 1; . { $x = 2 }; $x", [2]),
        ("$x = 0; 1..3 | ForEach-Object { $x += $_ }; $x", [6]),
        ("function G { $z }; function F { $z = 5; G }; F", [5]),
        ("function G { 1; 2 }; $t = 0; G | ForEach-Object { $t += $_ }; $t", [3]),
        ("function G { $i = 9; 1 }; $i = 5; G | ForEach-Object { $i }", [5]),
    ],
)
def test_scopes_are_dynamic(text: str, expected: list[Any]) -> None:
    assert values(text) == expected


def test_a_mandatory_parameter_that_is_missing_is_an_error() -> None:
    text = "function F { param([Parameter(Mandatory)]$x) $x }; F"
    assert error(text).error_id.startswith("MissingMandatoryParameter")


def test_a_value_outside_of_a_set_is_an_error() -> None:
    text = "function F { param([ValidateSet('a', 'b')][string]$x) $x }\n"
    assert value(f"{text}F B") == "B"
    assert error(f"{text}F c").error_id == "ParameterArgumentValidationError"


def test_an_argument_becomes_what_its_parameter_is() -> None:
    text = "function F([int]$x, [string[]]$y) { $x.GetType().Name; $y.GetType().Name }\n"
    assert values(f"{text}F '5' a") == ["Int32", "String[]"]
    assert error(f"{text}F abc").exception.kind.endswith("PSInvalidCastException")


def test_exit_ends_the_script_with_its_code() -> None:
    ran = run("function F { exit 3 }; 'a'; F; 'b'")
    assert (ran.output, ran.exit_code) == (["a"], 3)


def test_a_script_without_an_error_ends_with_0_and_one_with_an_error_with_1() -> None:
    assert run("1").exit_code == 0
    assert run("throw 'x'").exit_code == 1


def test_assignments_put_nothing_out() -> None:
    assert values("$x = 5; $x++; [void]'x'; $null = 7; $x += 1") == []
