"""How values become text: ToString, string conversion, and the format operator."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.dates import DateTime
from patchyard.testing.windows.powershell.errors import failure
from patchyard.testing.windows.powershell.objects import NetObject
from patchyard.testing.windows.powershell.values import (
    EnumValue,
    Hashtable,
    NetType,
    Nothing,
    Ordered,
    Record,
    Sized,
    TypedArray,
    Value,
)

ACCELERATORS = {
    "System.String": "string",
    "System.Int32": "int",
    "System.Int64": "long",
    "System.Boolean": "bool",
    "System.Double": "double",
    "System.DateTime": "datetime",
    "System.Guid": "guid",
    "System.Version": "version",
    "System.Collections.Hashtable": "hashtable",
}
ITEM = re.compile(r"\{\{|\}\}|\{(\d+)(?:,(-?\d+))?(?::([^{}]*))?\}|[{}]")


def text_of(value: Value) -> str:
    """Return a value as a string, as a cast to [string] and "$value" do."""
    if isinstance(value, list | bytearray):
        return " ".join(text_of(item) for item in value)
    if isinstance(value, DateTime):
        return value.format("MM/dd/yyyy HH:mm:ss")
    if isinstance(value, NetObject):
        items = value.enumerate()
        return value.shown() if items is None else " ".join(text_of(item) for item in items)
    if isinstance(value, NetType):
        return ACCELERATORS.get(value.name, value.name)
    if isinstance(value, Record):
        shown = "; ".join(f"{name}={text_of(item)}" for name, item in value.items())
        return f"@{{{shown}}}"
    return shown_of(value)


def shown_of(value: Value) -> str:
    """Return what ToString of a value gives.

    Raises:
        NotSimulated: it is not known.
    """
    for kind, show in _SHOWN:
        if isinstance(value, kind):
            return str(show(value))
    raise NotSimulated(f"the text of a {type(value).__name__}")


def double_text(value: float) -> str:
    """Return a double as the .NET Framework writes it: 15 significant digits."""
    if value != value:  # noqa: PLR0124 - not a number
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    text = format(value, ".15G")
    mantissa, exponent, power = text.partition("E")
    if exponent:
        return f"{mantissa}E{power[0]}{power[1:].rjust(2, '0')}"
    if value and abs(value) < 1e-4:  # noqa: PLR2004 - .NET changes to exponents one place later
        return text
    return text if text != "-0" else "0"


def decimal_text(value: Decimal) -> str:
    """Return a decimal without an exponent."""
    return format(value, "f")


_SHOWN: tuple[tuple[type | tuple[type, ...], Value], ...] = (
    ((type(None), Nothing), lambda _: ""),
    (bool, str),
    (Sized, lambda value: str(int(value))),
    (int, str),
    (float, double_text),
    (Decimal, decimal_text),
    (str, str),
    (EnumValue, lambda value: value.name),
    (NetType, lambda value: value.name),
    (NetObject, lambda value: value.shown()),
    (TypedArray, lambda value: f"{value.element}[]"),
    (list, lambda _: "System.Object[]"),
    (bytearray, lambda _: "System.Byte[]"),
    (Ordered, lambda _: "System.Collections.Specialized.OrderedDictionary"),
    (Hashtable, lambda _: "System.Collections.Hashtable"),
)


def formatted(value: Value, form: str) -> str:
    """Return a value by a .NET format, invariant."""
    if not form:
        return text_of(value) if isinstance(value, DateTime | Record) else shown_of(value)
    if isinstance(value, DateTime):
        return value.format(form)
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return shown_of(value)
    if isinstance(value, int | float | Decimal):
        return _number(value, form)
    custom = getattr(value, "formatted", None)
    if custom is None:
        raise NotSimulated(f"the format {form!r} of {shown_of(value)}")
    return str(custom(form))


def _number(value: float | Decimal, form: str) -> str:
    kind, digits = form[0], form[1:]
    if kind in "xX" and isinstance(value, int):
        bits = value.bits if isinstance(value, Sized) else 32
        text = format(value & ((1 << bits) - 1), kind)
        return text.rjust(int(digits or 0), "0")
    if kind in "dD" and isinstance(value, int) and (digits.isdigit() or not digits):
        sign = "-" if value < 0 else ""
        return sign + str(abs(int(value))).rjust(int(digits or 0), "0")
    if kind in "nNfFpP" and (digits.isdigit() or not digits):
        return _fixed(value, kind.lower(), int(digits or 2))
    if re.fullmatch(r"[#,]*0+(?:\.[0#]+)?", form):
        return _custom(value, form)
    raise NotSimulated(f"the format {form!r} of a number")


def _fixed(value: float | Decimal, kind: str, places: int) -> str:
    factor = 100 if kind == "p" else 1
    exact = (
        Decimal(
            repr(value)
            if isinstance(value, float)
            else int(value)
            if isinstance(value, int)
            else value
        )
        * factor
    )
    rounded = exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    text = format(rounded, "f" if kind == "f" else ",f")
    return f"{text} %" if kind == "p" else text


def _custom(value: float | Decimal, form: str) -> str:
    whole, _, fraction = form.partition(".")
    text = _fixed(value, "n" if "," in whole else "f", len(fraction))
    head, _, tail = text.partition(".")
    optional = len(fraction) - len(fraction.rstrip("#"))
    while optional and tail.endswith("0"):
        tail, optional = tail[:-1], optional - 1
    sign, head = ("-", head[1:]) if head.startswith("-") else ("", head)
    head = head.rjust(whole.count("0"), "0")
    return f"{sign}{head}.{tail}" if tail else sign + head


def format_string(pattern: str, items: list[Value]) -> str:
    """Return what the operator -f makes of a pattern.

    Raises:
        Thrown: the pattern asks for what was not given, or is no pattern.
    """

    def fill(found: re.Match[str]) -> str:
        if found[0] in {"{{", "}}"}:
            return found[0][0]
        if not found[1] or int(found[1]) >= len(items):
            raise failure(
                "Error formatting a string: Index (zero based) must be greater than or equal to "
                "zero and less than the size of the argument list..",
                error_id="FormatError",
            )
        text = formatted(items[int(found[1])], found[3] or "")
        width = int(found[2] or 0)
        return text.rjust(width) if width >= 0 else text.ljust(-width)

    return ITEM.sub(fill, pattern)
