from __future__ import annotations

from typing import Any

import pytest

from tests.testing.powershell.running import STRICT, error, strict_error, value, values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@().Count", 0),
        ("@(1).Count", 1),
        ("@($null).Count", 1),
        ("@(@(1, 2)).Count", 2),
        ("@(1..3).Count", 3),
        ("(,1).Count", 1),
        ("(,(1, 2)).Count", 1),
        ("$x = & { }; @($x).Count", 0),
        ("$x = & { 1 }; $x", 1),
        ("$x = & { 1; 2 }; $x.Count", 2),
        ("$x = & { , @(1, 2) }; $x.Count", 2),
        ("function F { return @() }; $null -eq (F)", True),
        ("function F { return @(1) }; (F) -is [int]", True),
        ("$x = @(1); $x -is [array]", True),
        ("$x = if ($true) { @(1) }; $x -is [int]", True),
        ("$x = @(1) + 2; $x.Count", 2),
        ("$x = @(); $x += 1; $x += 2, 3; $x.Count", 3),
        ("(@(1, 2) * 2).Count", 4),
    ],
)
def test_arrays_collapse_and_unroll_as_in_5_1(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$null | ForEach-Object { 'x' }", ["x"]),
        ("@() | ForEach-Object { 'x' }", []),
        ("$x = & { }; $x | ForEach-Object { 'x' }", []),
        ("(1, (2, 3)) | ForEach-Object { @($_).Count }", [1, 2]),
        ("'abc' | ForEach-Object { $_ }", ["abc"]),
        ("@{ a = 1; b = 2 } | ForEach-Object { $_.Count }", [2]),
        ("foreach ($i in $null) { 'x' }", []),
        ("foreach ($i in @($null)) { 'x' }", ["x"]),
        ("foreach ($i in 5) { $i }", [5]),
    ],
)
def test_pipelines_and_loops_see_elements(text: str, expected: list[Any]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(1, 2, 3)[0]", [1]),
        ("(1, 2, 3)[-1]", [3]),
        ("(1, 2, 3)[0, 2]", [1, 3]),
        ("(1, 2, 3)[1..5]", [2, 3]),
        ("(1..5)[-2..-1]", [4, 5]),
        ("'abc'[1] -eq 'b'", [True]),
        ("$a = 1, 2; $a[1] = 9; $a", [1, 9]),
        ("$a, $b = 1, 2, 3; $a; $b.Count", [1, 2]),
        ("$a, $b = 1; $null -eq $b", [True]),
        ("$a, $b = $b, $a; 'ok'", ["ok"]),
    ],
)
def test_indexes_and_slices(text: str, expected: list[Any]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$h = @{ A = 1 }; $h.a", 1),
        ("$h = @{ A = 1 }; $h['a']", 1),
        ("$h = @{}; $h.x = 5; $h['X'] = 6; $h.Count", 1),
        ("@{ 1 = 'one' }[1]", "one"),
        ("@{ Count = 7 }.Count", 7),
        ("$null -eq @{}['none']", True),
        ("@{ a = 1 }.ContainsKey('A')", True),
        ("([ordered]@{ z = 1; a = 2 }).Keys -join ','", "z,a"),
        ("([ordered]@{ z = 1; a = 2 })[1]", 2),
        ("(@{ a = 1 } + @{ b = 2 }).Count", 2),
        ("$h = @{ a = 1 }; $h.Remove('a'); $h.Count", 0),
        ('@{ a = 1 }.GetEnumerator() | ForEach-Object { "$($_.Key)=$($_.Value)" }', "a=1"),
    ],
)
def test_hashtables(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "$h = @{ a = 1 }; foreach ($k in $h.Keys) { $h[$k] = 2 }",
        "$h = @{ a = 1 }; foreach ($e in $h.GetEnumerator()) { $h.Remove($e.Key) }",
        "$l = New-Object Collections.ArrayList; [void]$l.Add(1); foreach ($i in $l) { $l.Clear() }",
    ],
)
def test_a_collection_must_not_change_while_one_goes_through_it(text: str) -> None:
    assert "Collection was modified" in error(text).exception.message


def test_a_duplicate_key_in_a_literal_is_an_error() -> None:
    assert error("@{ a = 1; A = 2 }").error_id == "DuplicateKeyInHashLiteral"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$l = New-Object Collections.ArrayList; $l.Add('a'); $l.Count", [0, 1]),
        (
            "$l = New-Object 'Collections.Generic.List[string]'; $l.Add(5); $l[0] -is [string]",
            [True],
        ),
        ("$l = [Collections.Generic.List[object]]::new(); $l.Add(1); $l.ToArray().Count", [1]),
        (
            "$s = New-Object 'Collections.Generic.HashSet[string]'; $s.Add('a'); $s.Add('a')",
            [True, False],
        ),
        (
            "$l = New-Object Collections.ArrayList; [void]$l.AddRange(@(3, 1)); $l.Sort(); $l",
            [1, 3],
        ),
    ],
)
def test_collections_of_net(text: str, expected: list[Any]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$o = [pscustomobject]@{ a = 1; B = 2 }; $o.b", [2]),
        ("$o = [pscustomobject]@{ a = 1 }; $o.a = 5; $o.a", [5]),
        ("$o = [pscustomobject]@{ a = 1 }; $o.PSObject.Properties.Name", ["a"]),
        ("$o = [pscustomobject]@{ a = 1 }; $null -eq $o.PSObject.Properties['b']", [True]),
        ("$o = [pscustomobject]@{ a = 1 } | Add-Member NoteProperty b 2 -PassThru; $o.b", [2]),
        ("([pscustomobject]@{ a = 1 }, [pscustomobject]@{ a = 2 }).a", [1, 2]),
        ("(New-Object PSObject -Property @{ a = 1 }).a", [1]),
        ('"$([pscustomobject]@{ a = 1; b = $null })"', ["@{a=1; b=}"]),
    ],
)
def test_custom_objects(text: str, expected: list[Any]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$nothing", "VariableIsUndefined"),
        ("$x = 5; $x.Foo", "PropertyNotFoundStrict"),
        ("$x = 5; $x.Count", "PropertyNotFoundStrict"),
        ("$null.Foo", "PropertyNotFoundStrict"),
        ("@{}.foo", "PropertyNotFoundStrict"),
        ("([pscustomobject]@{ a = 1 }).b", "PropertyNotFoundStrict"),
        ("@().Foo", "PropertyNotFoundStrict"),
        ("(1, 2)[5]", "System.IndexOutOfRangeException"),
        ("$x = 5; $x[0]", "CannotIndex"),
        ("$null[0]", "NullArray"),
        ("$null.Foo()", "InvokeMethodOnNull"),
    ],
)
def test_the_strict_mode_is_strict(text: str, expected: str) -> None:
    assert strict_error(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$null -eq $nothing", True),
        ("$null -eq (5).Foo", True),
        ("(5).Count", 1),
        ("$null.Count", 0),
        ("$null -eq (1, 2)[5]", True),
        ("(5)[0]", 5),
    ],
)
def test_without_it_5_1_is_lenient(text: str, expected: Any) -> None:
    assert value(text) == expected


def test_a_property_of_an_array_is_that_of_its_elements() -> None:
    assert values(STRICT + "('a', 'bcd').Length") == [2]
    assert values(STRICT + "@('a', 'bcd') | ForEach-Object { $_.Length }") == [1, 3]
    assert values(STRICT + "('a', 'bcd').ToUpper()") == ["A", "BCD"]
