from __future__ import annotations

from typing import Any

import pytest

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell import run
from tests.testing.powershell.running import error, typed, value, values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@{ a = 1 }", '{"a":1}'),
        ("[ordered]@{ b = $null; a = $true }", '{"b":null,"a":true}'),
        ("[pscustomobject]@{ a = 'x' }", '{"a":"x"}'),
        ("'a<b>&''\"\\/'", '"a\\u003cb\\u003e\\u0026\\u0027\\"\\\\/"'),
        ('"`t`n`0"', '"\\t\\n\\u0000"'),
        ("'\u00e9\u20ac'", '"\u00e9\u20ac"'),
        ("1.0", "1"),
        ("1.5", "1.5"),
        ("[long]5", "5"),
        ("[decimal]12", "12"),
        ("[DateTimeKind]::Utc", "1"),
        ("[datetime]'2026-01-02T03:04:05Z'", '"\\/Date(1767323045000)\\/"'),
        ("[guid]'7971f918-a847-4430-9279-4a52d1efe18d'", '"7971f918-a847-4430-9279-4a52d1efe18d"'),
        (
            "@{ v = [version]'1.2' }",
            '{"v":{"Major":1,"Minor":2,"Build":-1,"Revision":-1,"MajorRevision":-1,"MinorRevision":-1}}',
        ),
        ("[byte[]](1, 2)", "[1,2]"),
        ("@(1)", "[1]"),
        ("@()", "[]"),
        ("@{ a = @() }", '{"a":[]}'),
        ("@{ a = @($null) }", '{"a":[null]}'),
        ("@{ a = & { } }", '{"a":{}}'),
        ("@{ a = (& { }) }", '{"a":{}}'),
        ("@{ a = & { $null } }", '{"a":null}'),
    ],
)
def test_values_as_json(text: str, expected: str) -> None:
    assert value(f"ConvertTo-Json -InputObject ({text}) -Compress") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@(1) | ConvertTo-Json -Compress", ["1"]),
        ("1, 2 | ConvertTo-Json -Compress", ["[1,2]"]),
        ("@() | ConvertTo-Json -Compress", []),
        ("$null | ConvertTo-Json -Compress", []),
        ("1, $null, 2 | ConvertTo-Json -Compress", ["[1,2]"]),
        ("ConvertTo-Json -InputObject $null -Compress", []),
    ],
)
def test_the_pipeline_unrolls_before_it(text: str, expected: list[str]) -> None:
    assert values(text) == expected


def test_what_lies_too_deep_becomes_text() -> None:
    nested = "@{ a = @{ b = @{ c = @{ d = 1 } } } }"
    assert value(f"ConvertTo-Json -InputObject {nested} -Compress") == (
        '{"a":{"b":{"c":"System.Collections.Hashtable"}}}'
    )
    assert value(f"ConvertTo-Json -InputObject {nested} -Compress -Depth 8") == (
        '{"a":{"b":{"c":{"d":1}}}}'
    )
    assert (
        value("ConvertTo-Json -InputObject @{ a = @{ b = @{ c = 1, 2 } } } -Compress")
        == '{"a":{"b":{"c":"1 2"}}}'
    )


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("1", "Int32", 1),
        ("3000000000", "Int64", 3000000000),
        ("1e2", "Double", 100.0),
        ('"x"', "String", "x"),
        ("true", "Boolean", True),
    ],
)
def test_json_as_values(text: str, kind: str, expected: Any) -> None:
    assert typed(f"ConvertFrom-Json '{text}'") == (kind, expected)


def test_a_real_number_is_a_decimal_in_5_1() -> None:
    assert typed("ConvertFrom-Json '1.5'")[0] == "Decimal"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("('[1,2]' | ConvertFrom-Json).Count", 2),
        ("@('[1,2]' | ConvertFrom-Json).Count", 1),
        ('(\'{"a":{"B":[1]}}\' | ConvertFrom-Json).a.b[0]', 1),
        ("$null -eq ('{\"a\":null}' | ConvertFrom-Json).a", True),
        ('(ConvertFrom-Json \'{"d":"\\/Date(0)\\/"}\').d.Year', 1970),
        ('(ConvertFrom-Json \'{"d":"2026-01-01T00:00:00Z"}\').d -is [string]', True),
        ("('{', '\"a\": 1 }' | ConvertFrom-Json).a", 1),
    ],
)
def test_reading_json(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize("text", ["{", "{x}", "[1,,2]", '{"a":1,"A":2}', '{"":1}'])
def test_json_that_5_1_refuses(text: str) -> None:
    assert error(f"$ErrorActionPreference = 'Stop'; ConvertFrom-Json '{text}'").error_id


def test_there_and_back() -> None:
    text = "$o = [pscustomobject]@{ a = 1; b = @('x', $null); c = @{ d = $true } }\n"
    again = (
        "(ConvertTo-Json -InputObject $o -Compress -Depth 5 | ConvertFrom-Json | "
        "ConvertTo-Json -Compress -Depth 5)"
    )
    assert value(f"{text}{again} -eq (ConvertTo-Json -InputObject $o -Compress -Depth 5)")


@pytest.mark.parametrize(
    "text",
    ["$x = & { }; $h = @{ a = $x }", "$h = @{}; $h.a = & { }", "$h = @{ a = $(if (0) { 1 }) }"],
)
def test_no_output_is_an_empty_object_and_no_null(text: str) -> None:
    assert value(f"{text}; ConvertTo-Json -InputObject $h -Compress") == '{"a":{}}'
    assert value(f"{text}; $null -eq $h.a")


def test_layout_is_not_known() -> None:
    with pytest.raises(NotSimulated, match="-Compress"):
        run("ConvertTo-Json -InputObject 1")
