from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.testing.powershell.running import error, typed, value


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("1", "Int32", 1),
        ("2147483647", "Int32", 2147483647),
        ("2147483648", "Int64", 2147483648),
        ("-2147483648", "Int32", -2147483648),
        ("0xFFFFFFFF", "Int32", -1),
        ("0x80000000", "Int32", -2147483648),
        ("0x7FFFFFFF", "Int32", 2147483647),
        ("0x1FFFFFFFF", "Int64", 8589934591),
        ("0xFFFFFFFFL", "Int64", -1),
        ("10L", "Int64", 10),
        ("1kb", "Int32", 1024),
        ("4GB", "Int64", 4294967296),
        ("1.5", "Double", 1.5),
        ("1e3", "Double", 1000.0),
        ("1.5d", "Decimal", Decimal("1.5")),
    ],
)
def test_literals_have_the_type_that_5_1_gives_them(text: str, kind: str, expected: Any) -> None:
    assert typed(text) == (kind, expected)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("1 + 1", "Int32", 2),
        ("2147483647 + 1", "Double", 2147483648.0),
        ("-2147483648 - 1", "Double", -2147483649.0),
        ("65536 * 65536", "Double", 4294967296.0),
        ("[long]2147483647 + 1", "Int64", 2147483648),
        ("9223372036854775807 + 1", "Double", 9223372036854775808.0),
        ("[uint32]5 + [uint32]1", "UInt32", 6),
        ("[uint32]5 + 1", "Int64", 6),
        ("[byte]250 + 10", "Int32", 260),
        ("6 / 2", "Int32", 3),
        ("7 / 2", "Double", 3.5),
        ("-7 / 2", "Double", -3.5),
        ("7 % 3", "Int32", 1),
        ("-7 % 3", "Int32", -1),
        ("7 % -3", "Int32", 1),
        ("1.5 + 1", "Double", 2.5),
        ("1 / 0.0", "Double", float("inf")),
        ("1.5d * 2", "Decimal", Decimal("3.0")),
        ("1 + '2'", "Int32", 3),
        ("'1' + 2", "String", "12"),
        ("5 - '2'", "Int32", 3),
        ("'6' / '2'", "Int32", 3),
        ("$null + 5", "Int32", 5),
        ("5 + $null", "Int32", 5),
        ("$true + 1", "Int32", 2),
        ("'ab' * 3", "String", "ababab"),
        ("+'5'", "Int32", 5),
        ("-'5'", "Int32", -5),
    ],
)
def test_arithmetic_widens_and_converts(text: str, kind: str, expected: Any) -> None:
    assert typed(text) == (kind, expected)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("5 -band 3", "Int32", 1),
        ("5 -bor 3", "Int32", 7),
        ("5 -bxor 3", "Int32", 6),
        ("-bnot 5", "Int32", -6),
        ("-2145124338 -band 0xFFFFFFFF", "Int32", -2145124338),
        ("[uint32]4294967295 -band 0xFF", "Int64", 255),
        ("1 -shl 4", "Int32", 16),
        ("1 -shl 31", "Int32", -2147483648),
        ("-16 -shr 2", "Int32", -4),
        ("'5' -band 4", "Int32", 4),
    ],
)
def test_bitwise_operators_keep_the_sign(text: str, kind: str, expected: Any) -> None:
    assert typed(text) == (kind, expected)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("[int]2.5", "Int32", 2),
        ("[int]3.5", "Int32", 4),
        ("[int]-2.5", "Int32", -2),
        ("[int]'2.5'", "Int32", 2),
        ("[int]'0x10'", "Int32", 16),
        ("[int]' 7 '", "Int32", 7),
        ("[int]''", "Int32", 0),
        ("[int]$null", "Int32", 0),
        ("[int]$true", "Int32", 1),
        ("[int][char]'A'", "Int32", 65),
        ("[long]5", "Int64", 5),
        ("[uint32]5", "UInt32", 5),
        ("[double]'1e3'", "Double", 1000.0),
        ("[bool]''", "Boolean", False),
        ("[bool]'False'", "Boolean", True),
        ("[bool]0", "Boolean", False),
        ("[bool]@()", "Boolean", False),
        ("[bool]@(0)", "Boolean", False),
        ("[bool]@(0, 0)", "Boolean", True),
        ("[bool]@{}", "Boolean", True),
        ("[string]1.0", "String", "1"),
        ("[string]0.1", "String", "0.1"),
        ("[string](0.1 + 0.2)", "String", "0.3"),
        ("[string]1e20", "String", "1E+20"),
        ("[string]0.00001", "String", "1E-05"),
        ("[string]$true", "String", "True"),
        ("[string]$null", "String", ""),
        ("[string]@(1, 2)", "String", "1 2"),
        ("[char]65", "Char", "A"),
    ],
)
def test_casts(text: str, kind: str, expected: Any) -> None:
    assert typed(text) == (kind, expected)


@pytest.mark.parametrize(
    "text",
    ["[int]'x'", "[int]2147483648", "[byte]256", "[uint32]-1", "[datetime]'x'", "[guid]'x'"],
)
def test_a_cast_that_cannot_be_is_an_error(text: str) -> None:
    assert error(text).exception.kind.endswith("PSInvalidCastException")


def test_as_answers_null_instead() -> None:
    assert value("$null -eq ('x' -as [int])")
    assert value("'5' -as [int]") == 5


def test_a_typed_variable_stays_typed() -> None:
    assert typed("[int]$x = '5'; $x = '7'; $x") == ("Int32", 7)
    assert error("[int]$x = 5; $x = 'a'").error_id == "InvalidCast"


def test_division_by_zero_is_an_error_for_whole_numbers_only() -> None:
    assert error("1 / 0").exception.message == "Attempted to divide by zero."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'{0:X8}' -f -2145124338", "8024000E"),
        ("'{0:x}' -f 255", "ff"),
        ("'{0:D3}' -f 7", "007"),
        ("'{0:N0}' -f 1234567", "1,234,567"),
        ("'{0:F1}' -f 2.25", "2.3"),
        ("'{0:00.0}' -f 3.14159", "03.1"),
        ("'{0,5}|{1,-3}|' -f 'a', 'b'", "    a|b  |"),
        ("'{{{0}}}' -f 1", "{1}"),
        ("'{0} {0}' -f 'a'", "a a"),
        ("'{0}' -f $null", ""),
        ("'{0}' -f (1, 2)", "1"),
        ("'{0:P1}' -f 0.256", "25.6 %"),
    ],
)
def test_formats(text: str, expected: str) -> None:
    assert value(text) == expected


def test_a_format_that_asks_for_more_than_it_gets_is_an_error() -> None:
    assert error("'{1}' -f 1").error_id == "FormatError"
