"""Arithmetic and bitwise operators: which type a result has, and where it overflows."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.convert import (
    INT32,
    elements,
    limits,
    number_of,
    to_int,
    truth,
    whole,
)
from patchyard.testing.windows.powershell.dates import DateTime, TimeSpan
from patchyard.testing.windows.powershell.errors import failure
from patchyard.testing.windows.powershell.kinds import type_name_of
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import (
    Char,
    Hashtable,
    Int64,
    Ordered,
    Sized,
    UInt32,
    UInt64,
    Value,
    is_number,
)

Number = int | float | Decimal
RANGE_LIMIT = 1_000_000


def add(left: Value, right: Value) -> Value:
    """Return what + gives: the left operand decides whether it joins or adds."""
    items = elements(left)
    if items is not None:
        more = elements(right)
        return [*items, *([right] if more is None else more)]
    if isinstance(left, str) and not isinstance(left, Char):
        return left + text_of(right)
    if isinstance(left, Hashtable):
        return _merged(left, right)
    if left is None:
        return right
    if isinstance(left, DateTime | TimeSpan) and isinstance(right, TimeSpan):
        ticks = left.ticks + right.ticks
        return DateTime(ticks, left.kind) if isinstance(left, DateTime) else TimeSpan(ticks)
    return calculate("+", left, right)


def _merged(left: Hashtable, right: Value) -> Value:
    if not isinstance(right, Hashtable):
        raise failure(
            "A hash table can only be added to another hash table.",
            error_id="AddHashTableToNonHashTable",
        )
    for key in right:
        if key in left:
            raise failure(f"Item has already been added. Key in dictionary: '{text_of(key)}'")
    kind = Ordered if isinstance(left, Ordered) else Hashtable
    return kind([*left.items(), *right.items()])


def subtract(left: Value, right: Value) -> Value:
    """Return what - gives."""
    if isinstance(left, DateTime):
        if isinstance(right, TimeSpan):
            return DateTime(left.ticks - right.ticks, left.kind)
        if isinstance(right, DateTime):
            return TimeSpan(left.ticks - right.ticks)
    if isinstance(left, TimeSpan) and isinstance(right, TimeSpan):
        return TimeSpan(left.ticks - right.ticks)
    return calculate("-", left, right)


def multiply(left: Value, right: Value) -> Value:
    """Return what * gives: strings and arrays are repeated."""
    items = elements(left)
    if items is not None:
        return list(items) * to_int(right)
    if isinstance(left, str) and not isinstance(left, Char):
        return left * to_int(right)
    return calculate("*", left, right)


def calculate(operator: str, left: Value, right: Value) -> Value:
    """Return a result of arithmetic proper.

    Raises:
        Thrown: the operands have no such operator, or the divisor is zero.
    """
    a, b = _operand(operator, left), _operand(operator, right)
    if isinstance(a, float) or isinstance(b, float):
        return _float(operator, float(a), float(b))
    if isinstance(a, Decimal) or isinstance(b, Decimal):
        return _decimal(operator, Decimal(a), Decimal(b))
    return _whole(operator, a, b)


def _operand(operator: str, value: Value) -> Number:
    if value is None or isinstance(value, str | bool) or is_number(value):
        return number_of(value)
    if isinstance(value, Decimal):
        return value
    raise failure(
        f"Method invocation failed because [{type_name_of(value)}] does not contain a method "
        f"named '{_METHODS[operator]}'.",
        error_id="MethodNotFound",
    )


_METHODS = {
    "+": "op_Addition",
    "-": "op_Subtraction",
    "*": "op_Multiply",
    "/": "op_Division",
    "%": "op_Modulus",
}


def _float(operator: str, a: float, b: float) -> float:
    if operator in "/%" and b == 0:
        if operator == "%" or a == 0 or math.isnan(a):
            return math.nan
        return math.copysign(math.inf, a)
    operations: dict[str, Callable[[float, float], float]] = {
        "+": lambda x, y: x + y,
        "-": lambda x, y: x - y,
        "*": lambda x, y: x * y,
        "/": lambda x, y: x / y,
        "%": math.fmod,
    }
    return operations[operator](a, b)


def _decimal(operator: str, a: Decimal, b: Decimal) -> Decimal:
    if operator in "/%" and b == 0:
        raise _by_zero()
    operations: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
        "+": lambda x, y: x + y,
        "-": lambda x, y: x - y,
        "*": lambda x, y: x * y,
        "/": lambda x, y: x / y,
        "%": lambda x, y: x % y,
    }
    return operations[operator](a, b)


def _by_zero() -> Exception:
    return failure("Attempted to divide by zero.", error_id="RuntimeException")


def _whole(operator: str, a: int, b: int) -> Value:
    if operator in "/%":
        return _divided(operator, a, b)
    exact = {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}[operator]
    return sized_like(exact, a, b)


def _divided(operator: str, a: int, b: int) -> Value:
    if b == 0:
        raise _by_zero()
    quotient, rest = divmod(abs(int(a)), abs(int(b)))
    if operator == "%":
        return sized_like(-rest if a < 0 else rest, a, b)
    if rest:
        return a / b
    return sized_like(-quotient if (a < 0) != (b < 0) else quotient, a, b)


def wider(a: int, b: int) -> type[int]:
    """Return the type in which two whole numbers are computed."""
    kinds = {type(a), type(b)}
    if UInt64 in kinds:
        signed = any(not isinstance(x, Sized) or x.signed for x in (a, b))
        if signed:
            raise NotSimulated("arithmetic of UInt64 with a signed number")
        return UInt64
    if Int64 in kinds:
        return Int64
    if UInt32 in kinds:
        return UInt32 if all(isinstance(x, Sized) and not x.signed for x in (a, b)) else Int64
    return int


def sized_like(value: int, a: int, b: int) -> Value:
    """Return a whole result in the operands' wider type; what overflows it is a double."""
    kind = wider(a, b)
    low, high = limits(kind) if issubclass(kind, Sized) else INT32
    return kind(value) if low <= value <= high else float(value)


def bitwise(operator: str, left: Value, right: Value) -> Value:
    """Return what -band, -bor and -bxor give."""
    a, b = _bits(left), _bits(right)
    kind = wider(a, b)
    x, y = int(a), int(b)
    exact = {"band": x & y, "bor": x | y, "bxor": x ^ y}[operator]
    return kind(exact)


def _bits(value: Value) -> int:
    number = number_of(value)
    if isinstance(number, float | Decimal):
        low, high = limits(Int64)
        exact = whole(number, "System.Int64", low, high)
        return exact if INT32[0] <= exact <= INT32[1] else Int64(exact)
    return number


def invert(value: Value) -> Value:
    """Return what -bnot gives."""
    number = _bits(value)
    if isinstance(number, Sized):
        kind = type(number)
        if kind.signed:
            return kind(~int(number))
        return kind(~int(number) & ((1 << kind.bits) - 1))
    return ~number


def shift(operator: str, left: Value, right: Value) -> Value:
    """Return what -shl and -shr give for Int32 and Int64."""
    number = _bits(left)
    bits = 64 if isinstance(number, Int64) else 32
    if isinstance(number, Sized) and not isinstance(number, Int64):
        raise NotSimulated(f"-{operator} of a {number.type_name}")
    count = to_int(right) & (bits - 1)
    shifted = int(number) << count if operator == "shl" else int(number) >> count
    kept = shifted & ((1 << bits) - 1)
    signed = kept - (1 << bits) if kept >> (bits - 1) else kept
    return Int64(signed) if bits == 64 else signed  # noqa: PLR2004


def span(left: Value, right: Value) -> Value:
    """Return what .. gives: whole numbers up or down, both ends included."""
    first, last = to_int(left), to_int(right)
    if abs(last - first) > RANGE_LIMIT:
        raise NotSimulated("a range of more than a million numbers")
    step = 1 if last >= first else -1
    return list(range(first, last + step, step))


def negate(value: Value) -> Value:
    """Return what the unary - gives."""
    return calculate("-", 0, value)


def exclusive(left: Value, right: Value) -> bool:
    """Return what -xor gives."""
    return truth(left) != truth(right)
