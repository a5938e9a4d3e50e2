"""Numbers: System.Math, System.Convert, System.BitConverter, and Parse of the number types."""

from __future__ import annotations

import base64
import binascii
import math
from decimal import Decimal

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.arithmetic import calculate
from patchyard.testing.windows.powershell.compare import order
from patchyard.testing.windows.powershell.convert import (
    convert,
    elements,
    limits,
    number_of,
    to_double,
    to_int,
    truth,
)
from patchyard.testing.windows.powershell.errors import NetError, Thrown
from patchyard.testing.windows.powershell.objects import NetInfo
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import EnumValue, Int64, Sized, Value

MATH = NetInfo("System.Math", base=kinds.OBJECT)
CONVERT = NetInfo("System.Convert", base=kinds.OBJECT)
BITS = NetInfo("System.BitConverter", base=kinds.OBJECT)
ROUNDING = kinds.enumeration("System.MidpointRounding", {"ToEven": 0, "AwayFromZero": 1})
FORMAT = "System.FormatException"


@MATH.static("Round")
def _round(_rt: Value, value: Value, places: Value = 0, mode: Value = None) -> Value:
    if isinstance(places, EnumValue | str):
        places, mode = 0, places
    digits = to_int(places)
    number = number_of(value)
    away = mode is not None and text_of(mode).lower() == "awayfromzero"
    if not away:
        return (
            round(number, digits) if isinstance(number, Decimal) else float(round(number, digits))
        )
    scaled = to_double(number) * 10**digits
    return math.copysign(math.floor(abs(scaled) + 0.5), scaled) / 10**digits


def _of_kind(value: Value, result: Value) -> Value:
    return result if isinstance(value, Decimal) else float(result)


MATH.static("Floor")(lambda _rt, value: _of_kind(value, math.floor(number_of(value))))
MATH.static("Ceiling")(lambda _rt, value: _of_kind(value, math.ceil(number_of(value))))
MATH.static("Truncate")(lambda _rt, value: _of_kind(value, math.trunc(number_of(value))))
MATH.static("Sqrt")(lambda _rt, value: math.sqrt(to_double(value)))
MATH.static("Pow")(lambda _rt, a, b: math.pow(to_double(a), to_double(b)))
MATH.static("Abs")(lambda _rt, value: calculate("-", 0, value) if number_of(value) < 0 else value)
MATH.static("Max")(lambda _rt, a, b: a if order(a, b) >= 0 else b)
MATH.static("Min")(lambda _rt, a, b: a if order(a, b) <= 0 else b)


@CONVERT.static("ToBase64String")
def _to_base64(_rt: Value, data: Value, start: Value = 0, length: Value = None) -> Value:
    if not isinstance(data, bytearray):
        data = convert(data, "byte[]")
    end = len(data) if length is None else to_int(start) + to_int(length)
    return base64.b64encode(bytes(data[to_int(start) : end])).decode()


@CONVERT.static("FromBase64String")
def _from_base64(_rt: Value, text: Value) -> Value:
    plain = "".join(text_of(text).split())
    try:
        return bytearray(base64.b64decode(plain, validate=True))
    except (binascii.Error, ValueError):
        raise NetError(
            FORMAT,
            "The input is not a valid Base-64 string as it contains a non-base 64 character, more "
            "than two padding characters, or an illegal character among the padding characters.",
        ) from None


@CONVERT.static("ToInt32")
def _to_int32(_rt: Value, value: Value, base: Value = 10) -> Value:
    if to_int(base) == 16:  # noqa: PLR2004
        number = _in_base(value, 16)
        return number - (1 << 32) if number >> 31 else number
    return _in_base(value, to_int(base)) if to_int(base) != 10 else to_int(value)  # noqa: PLR2004


@CONVERT.static("ToInt64")
def _to_int64(_rt: Value, value: Value, base: Value = 10) -> Value:
    if to_int(base) != 10:  # noqa: PLR2004
        return Int64(_in_base(value, to_int(base)))
    return convert(value, "long")


@CONVERT.static("ToUInt32")
def _to_uint32(_rt: Value, value: Value, base: Value = 10) -> Value:
    if to_int(base) != 10:  # noqa: PLR2004
        return kinds.UInt32(_in_base(value, to_int(base)))
    return convert(value, "uint32")


def _in_base(value: Value, base: int) -> int:
    try:
        return int(text_of(value), base)
    except ValueError:
        raise NetError(FORMAT, "Could not find any recognizable digits.") from None


CONVERT.static("ToString")(lambda _rt, value: text_of(value))
CONVERT.static("ToBoolean")(lambda _rt, value: truth(value))
CONVERT.static("ToDouble")(lambda _rt, value: to_double(value))
CONVERT.static("ToByte")(lambda _rt, value: convert(value, "byte"))


@BITS.static("ToString")
def _hexadecimal(_rt: Value, data: Value) -> Value:
    if not isinstance(data, bytearray):
        raise NotSimulated("BitConverter.ToString of anything but bytes")
    return "-".join(f"{byte:02X}" for byte in data)


@BITS.static("ToInt32")
def _read_int32(_rt: Value, data: Value, at: Value) -> Value:
    return int.from_bytes(data[to_int(at) : to_int(at) + 4], "little", signed=True)


@BITS.static("GetBytes")
def _get_bytes(_rt: Value, value: Value) -> Value:
    size = value.bits // 8 if isinstance(value, Sized) else 4
    if not isinstance(value, int) or isinstance(value, bool):
        raise NotSimulated("BitConverter.GetBytes of anything but a whole number")
    return bytearray((value & ((1 << size * 8) - 1)).to_bytes(size, "little"))


def _parsed(name: str, text: Value) -> Value:
    if text is None:
        raise NetError("System.ArgumentNullException", "Value cannot be null.")
    if not text_of(text).strip() or "x" in text_of(text).lower():
        raise NetError(FORMAT, "Input string was not in a correct format.")
    if name != "System.Double" and not text_of(text).strip().lstrip("+-").isdigit():
        raise NetError(FORMAT, "Input string was not in a correct format.")
    try:
        return convert(text_of(text), name)
    except Thrown as thrown:
        raise NetError("System.OverflowException", thrown.record.exception.message) from None


for _info in (kinds.INT32, kinds.DOUBLE, *kinds.SIZED.values()):
    _info.static("Parse")(lambda _rt, text, *_rest, name=_info.name: _parsed(name, text))
for _kind, _info in kinds.SIZED.items():
    _low, _high = limits(_kind)
    _info.static_property("MaxValue")(lambda _rt, kind=_kind, value=_high: kind(value))
    _info.static_property("MinValue")(lambda _rt, kind=_kind, value=_low: kind(value))
kinds.INT32.static_property("MaxValue")(lambda _rt: (1 << 31) - 1)
kinds.INT32.static_property("MinValue")(lambda _rt: -(1 << 31))
kinds.BOOLEAN.static("Parse")(lambda _rt, text: text_of(text).strip().lower() == "true")


@kinds.TYPE.method("IsInstanceOfType")
def _is_instance(target: Value, _rt: Value, value: Value) -> Value:
    return kinds.is_a(value, target.name)


@kinds.ENUM.static("GetName")
def _enum_name(_rt: Value, kind: Value, value: Value) -> Value:
    return kinds.enum_of(kind.name, value).name


@kinds.ENUM.property("value__")
def _enum_number(value: EnumValue) -> Value:
    return value.number


def bytes_of(value: Value) -> bytes:
    """Return bytes that a script holds in whatever form."""
    if isinstance(value, bytearray):
        return bytes(value)
    return bytes(int(item) for item in elements(value) or [])
