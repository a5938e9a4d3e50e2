"""Our values against those of binary-refinery's partial evaluator, which others have made."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from patchyard.testing.windows.powershell import run
from patchyard.testing.windows.powershell.kinds import type_name_of

PREFIX = "Write-Output "
FEWEST = 0.6
"""The share of expressions that the evaluator has to decide; else this would prove nothing."""

WRITTEN = [
    "1 + 2",
    "7 / 2",
    "6 / 2",
    "-7 % 3",
    "2147483647 + 1",
    "'a' + 1",
    "1 + '2'",
    "'x' * 3",
    "[int]2.5",
    "[int]3.5",
    "[int]-1.5",
    "[int]'0x10'",
    "[int]'12'",
    "[bool]'False'",
    "[bool]''",
    "[string](1, 2)",
    "[string]1.5",
    "[char]65",
    "[long]1",
    "[string]$true",
    "'{0:X8}' -f -1",
    "'{0:D3}' -f 7",
    "'{0,5}' -f 'a'",
    "'{1}{0}' -f 'a', 'b'",
    "'{0:x}' -f 255",
    "'a,b' -split ','",
    "'a1b2' -split '\\d'",
    "1, 2, 3 -join '-'",
    "'a b' -split ' '",
    "'abc' -replace 'b', 'x'",
    "'abc' -replace 'B', 'x'",
    "'abc' -creplace 'B', 'x'",
    "'ab' -replace '(a)(b)', '$2$1'",
    "'ABC' -eq 'abc'",
    "'ABC' -ceq 'abc'",
    "1 -eq '1'",
    "'1' -eq 1",
    "$null -eq ''",
    "5 -gt 3",
    "'a' -lt 'b'",
    "2 -ne 2",
    "'10' -gt 9",
    "5 -band 3",
    "5 -bor 3",
    "5 -bxor 3",
    "-bnot 5",
    "1 -shl 4",
    "0xFF -band 0x0F",
    "-not ''",
    "-not 1",
    "$true -and $false",
    "$true -or $false",
    "$true -xor $true",
    "'abc'[1]",
    "'abc'[-1]",
    "(1, 2, 3)[1]",
    "@(1, 2, 3)[-1]",
    "('a', 'b', 'c')[0, 2]",
    "'abc'[-1..-3] -join ''",
    "(1..3 | ForEach-Object { $_ * 2 }) -join ','",
    "(1..4 | Where-Object { $_ -gt 2 }) -join ','",
    "'Hello'.Substring(1, 3)",
    "'abc'.Length",
    "'a-b'.Replace('-', '+')",
    "'aBc'.ToUpper()",
    "'aBc'.ToLower()",
    "' a '.Trim()",
    "'abc'.IndexOf('c')",
    "'a,b'.Split(',')",
    "[string]::Join('-', @('a', 'b'))",
    "[convert]::ToInt32('ff', 16)",
    '"a$(1 + 1)b"',
    '"`$x"',
    "'it''s'",
    "1.5 + 1",
    "10 - 2 - 3",
    "1 + 2 * 3",
    "(1 + 2) * 3",
    "2 * 3 % 4",
    "-2 * 3",
    "1..4 -join ''",
    "3..1 -join ''",
]


@pytest.fixture(scope="module")
def folded() -> Callable[[str], str | None]:
    """What the evaluator makes of an expression; None where it leaves it as it was."""
    from refinery.units.scripting.dps1 import dps1  # noqa: PLC0415

    unit = dps1()

    def fold(expression: str) -> str | None:
        out = bytes(unit.process(bytearray(f"{PREFIX}({expression})".encode()))).decode()
        said = out.strip()
        if not said.startswith(PREFIX):
            return None
        plain = said.removeprefix(PREFIX)
        return None if plain.replace(" ", "") == f"({expression})".replace(" ", "") else plain

    return fold


def _shape(text: str) -> list[tuple[str, Any]]:
    ran = run(text)
    assert ran.error is None, (text, ran.error.exception.message)
    return [(type_name_of(item), item) for item in ran.output]


def _disagreements(
    expressions: list[str], fold: Callable[[str], str | None]
) -> tuple[list[str], int]:
    wrong: list[str] = []
    decided = 0
    for expression in expressions:
        theirs = fold(expression)
        if theirs is None:
            continue
        decided += 1
        if _shape(f"({expression})") != _shape(f"({theirs})"):
            wrong.append(f"{expression} is {_shape(f'({expression})')}, they say {theirs}")
    return wrong, decided


def test_written_expressions_agree(folded: Callable[[str], str | None]) -> None:
    wrong, decided = _disagreements(WRITTEN, folded)
    assert wrong == []
    assert decided > FEWEST * len(WRITTEN)


def _generated() -> Iterator[str]:
    chance = random.Random(20220811)
    numbers = ["0", "1", "2", "7", "13", "255", "1.5", "2147483647", "0x10"]
    texts = ["'a'", "'B'", "'ab'", "'5'", "'x y'"]
    for _ in range(60):
        a, b, c = (chance.choice(numbers) for _ in range(3))
        first, second = (chance.choice(["+", "-", "*"]) for _ in range(2))
        yield f"{a} {first} {b} {second} {c}"
        yield f"({a} {first} {b}) {second} {c}"
    for _ in range(30):
        a, b = chance.choice(numbers[:6]), chance.choice(numbers[1:6])
        yield f"{a} {chance.choice(['-band', '-bor', '-bxor'])} {b}"
        yield f"{a} {chance.choice(['/', '%'])} {b}"
    for _ in range(30):
        a, b = chance.choice(texts), chance.choice(texts + numbers[:5])
        yield f"{a} + {b}"
        yield f"{a} {chance.choice(['-eq', '-ne', '-ceq'])} {b}"


def test_generated_expressions_agree(folded: Callable[[str], str | None]) -> None:
    expressions = sorted(set(_generated()))
    wrong, decided = _disagreements(expressions, folded)
    assert wrong == []
    assert decided > FEWEST * len(expressions)
