"""Conversions between types, as casts, operators and parameters make them."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.dates import DateTime, TimeSpan, parse_date, parse_span
from patchyard.testing.windows.powershell.errors import ErrorRecord, NetError, NetException, Thrown
from patchyard.testing.windows.powershell.kinds import SIZED, find_type, is_a
from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import (
    NOTHING,
    Char,
    EnumValue,
    Hashtable,
    Int64,
    NetType,
    Ordered,
    Record,
    Sized,
    TypedArray,
    Value,
)

CAST = "System.Management.Automation.PSInvalidCastException"
NUMERAL = re.compile(r"[+-]?(?:\d+(?:,\d{3})*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
INT32 = (-(1 << 31), (1 << 31) - 1)


def limits(kind: type[Sized]) -> tuple[int, int]:
    """Return the least and the greatest value of a whole number's type."""
    if kind.signed:
        return -(1 << (kind.bits - 1)), (1 << (kind.bits - 1)) - 1
    return 0, (1 << kind.bits) - 1


def truth(value: Value) -> bool:
    """Return a value as a condition sees it."""
    items = elements(value)
    if items is not None:
        if len(items) != 1:
            return len(items) > 1
        inner = items[0]
        return truth(inner) if elements(inner) is None else True
    if isinstance(value, str):
        return value != ""
    if isinstance(value, bool | int | float | Decimal):
        return value != 0
    if isinstance(value, EnumValue):
        return value.number != 0
    return value is not None and value is not NOTHING


def elements(value: Value) -> list[Value] | None:
    """Return what a pipeline would unroll a value into; None for a single object."""
    if isinstance(value, list):
        return value
    if isinstance(value, bytearray):
        return [kinds.Byte(item) for item in value]
    return value.enumerate() if isinstance(value, NetObject) else None


def number_of(value: Value) -> int | float | Decimal:
    """Return a value as a number, as arithmetic with a number on the other side does.

    Raises:
        Thrown: it is none.
    """
    if value is None or value is NOTHING:
        return 0
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float | Decimal):
        return value
    if isinstance(value, EnumValue):
        return value.number
    if isinstance(value, Char):
        return ord(value)
    if isinstance(value, str):
        return _numeral(value, "System.Int32")
    raise cannot(value, "System.Int32")


def _numeral(text: str, wanted: str) -> int | float:
    stripped = text.strip()
    if not stripped:
        return 0
    if re.fullmatch(r"[+-]?0[xX][0-9a-fA-F]+", stripped):
        value = int(stripped, 16)
        return value - (1 << 32) if 1 << 31 <= value < 1 << 32 else value
    if not NUMERAL.fullmatch(stripped):
        raise cannot(text, wanted, "Input string was not in a correct format.")
    plain = stripped.replace(",", "")
    if not re.fullmatch(r"[+-]?\d+", plain):
        return float(plain)
    value = int(plain)
    if INT32[0] <= value <= INT32[1]:
        return value
    low, high = limits(Int64)
    return Int64(value) if low <= value <= high else float(value)


def cannot(value: Value, wanted: str, reason: str = "") -> Thrown:
    """Return the error of a conversion that is none."""
    shown = text_of(value)
    message = f'Cannot convert value "{shown}" to type "{wanted}".'
    if reason:
        message += f' Error: "{reason}"'
    return Thrown(ErrorRecord(NetException(CAST, message), error_id="InvalidCast"))


def whole(value: Value, wanted: str, low: int, high: int) -> int:
    """Return a value as a whole number within limits: halves go to the even one.

    Raises:
        Thrown: it is no number, or beyond the limits.
    """
    if isinstance(value, DateTime | Record | Hashtable) or elements(value) is not None:
        raise cannot(value, wanted)
    number = _numeral(value, wanted) if _is_text(value) else number_of(value)
    if isinstance(number, float) and (number != number or abs(number) == float("inf")):  # noqa: PLR0124
        raise cannot(value, wanted, _too_large(wanted))
    if isinstance(number, Decimal):
        rounded = int(number.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
    else:
        rounded = round(number)
    if not low <= rounded <= high:
        raise cannot(value, wanted, _too_large(wanted))
    return rounded


def _is_text(value: Value) -> bool:
    return isinstance(value, str) and not isinstance(value, Char)


def _too_large(wanted: str) -> str:
    article = "an" if wanted.rpartition(".")[2][0] in "IU" else "a"
    name = wanted.rpartition(".")[2]
    return f"Value was either too large or too small for {article} {name}."


def to_int(value: Value) -> int:
    """Return a value as Int32."""
    return whole(value, "System.Int32", *INT32)


def to_double(value: Value) -> float:
    """Return a value as Double."""
    if _is_text(value):
        return float(_numeral(value, "System.Double"))
    return float(number_of(value))


def _to_decimal(value: Value) -> Decimal:
    try:
        if isinstance(value, float):
            return Decimal(format(value, ".15g"))
        return value if isinstance(value, Decimal) else Decimal(str(value or 0).strip())
    except InvalidOperation:
        raise cannot(value, "System.Decimal") from None


def _to_char(value: Value) -> Value:
    if isinstance(value, int) and not isinstance(value, bool):
        return Char(chr(value))
    if isinstance(value, str) and len(value) == 1:
        return Char(value)
    raise cannot(value, "System.Char")


def _to_bytes(value: Value) -> Value:
    if isinstance(value, bytearray):
        return value
    items = elements(value)
    items = [value] if items is None else items
    return bytearray(whole(item, "System.Byte", 0, 255) for item in items)


def _to_array(value: Value) -> Value:
    if value is None or isinstance(value, list | bytearray):
        return value
    items = elements(value)
    return [value] if items is None else list(items)


def _to_hashtable(value: Value) -> Value:
    if isinstance(value, Hashtable) or value is None:
        return value
    raise cannot(value, "System.Collections.Hashtable")


def _to_ordered(value: Value) -> Value:
    return Ordered(value.items()) if isinstance(value, Hashtable) else _to_hashtable(value)


def _to_record(value: Value) -> Value:
    return Record(value.items()) if isinstance(value, Hashtable) else value


def _to_date(value: Value) -> Value:
    if isinstance(value, DateTime):
        return value
    if isinstance(value, str):
        return parse_date(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return DateTime(int(value))
    raise cannot(value, "System.DateTime")


def _to_span(value: Value) -> Value:
    if isinstance(value, TimeSpan):
        return value
    return parse_span(value) if isinstance(value, str) else TimeSpan(int(value))


def _to_type(value: Value) -> Value:
    found = find_type(str(value))
    if found is None:
        raise NotSimulated(f"the type {value}")
    return NetType(found.name)


def _to_switch(value: Value) -> Value:
    return truth(value)


def _same(value: Value) -> Value:
    return value


_CONVERTERS: tuple[tuple[NetInfo, Callable[[Value], Value]], ...] = (
    (kinds.STRING, text_of),
    (kinds.BOOLEAN, truth),
    (kinds.INT32, to_int),
    (kinds.DOUBLE, to_double),
    (kinds.DECIMAL, _to_decimal),
    (kinds.CHAR, _to_char),
    (kinds.BYTES, _to_bytes),
    (kinds.ARRAY, _to_array),
    (kinds.HASHTABLE, _to_hashtable),
    (kinds.ORDERED, _to_ordered),
    (kinds.RECORD, _to_record),
    (kinds.OBJECT, _same),
    (kinds.TYPE, _to_type),
    (kinds.VOID, lambda _: NOTHING),
    (DateTime.net, _to_date),
    (TimeSpan.net, _to_span),
)
for _info, _converter in _CONVERTERS:
    _info.converter(_converter)
for _kind, _info in SIZED.items():
    _info.converter(lambda value, kind=_kind: kind(whole(value, kind.type_name, *limits(kind))))
SWITCH = NetInfo("System.Management.Automation.SwitchParameter", "switch", base=kinds.OBJECT)
SWITCH.converter(_to_switch)


def convert(value: Value, name: str) -> Value:
    """Return a value as the type of that name, as a cast does.

    Raises:
        Thrown: it cannot be.
        NotSimulated: the type, or the conversion to it, is not known.
    """
    value = None if value is NOTHING and name.lower() != "void" else value
    info = find_type(name)
    if info is None and name.endswith("[]"):
        return typed_array(value, name.removesuffix("[]"))
    if info is None:
        raise NotSimulated(f"the type [{name}]")
    if is_a(value, info.name) and info is not kinds.RECORD and info is not kinds.STRING:
        return value
    if info.convert is None:
        raise NotSimulated(f"a conversion to [{name}]")
    if value is None and info.name in _NULL_REFUSED:
        raise cannot(value, info.name)
    try:
        return info.convert(value)
    except NetError as error:
        raise cannot(value, info.name, error.exception.message) from None


_NULL_REFUSED = {"System.DateTime", "System.TimeSpan", "System.Guid", "System.Char"}


def typed_array(value: Value, element: str) -> Value:
    """Return an array whose elements are all of one type."""
    info = find_type(element)
    if info is None:
        raise NotSimulated(f"the type [{element}]")
    if value is None:
        return None
    items = elements(value)
    items = [value] if items is None else items
    return TypedArray([convert(item, info.name) for item in items], info.name)
