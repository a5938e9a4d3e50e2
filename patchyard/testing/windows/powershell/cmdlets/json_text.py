"""ConvertTo-Json and ConvertFrom-Json as Windows PowerShell 5.1 has them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.command import Call, Commands
from patchyard.testing.windows.powershell.convert import elements, limits
from patchyard.testing.windows.powershell.dates import (
    UNIX_TICKS,
    UTC_KIND,
    DateTime,
    TimeSpan,
)
from patchyard.testing.windows.powershell.errors import NetError
from patchyard.testing.windows.powershell.kinds import Guid, Version
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import (
    NOTHING,
    EnumValue,
    Hashtable,
    Int64,
    NotedText,
    Partial,
    Record,
    Value,
)

TABLE = Commands()
ESCAPED = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "<": "\\u003c",
    ">": "\\u003e",
    "'": "\\u0027",
    "&": "\\u0026",
    "\x85": "\\u0085",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}
MILLISECOND = 10_000
INVALID = "System.ArgumentException"


@TABLE.add("ConvertTo-Json", "InputObject@0| Depth:int Compress:switch")
def convert_to_json(call: Call) -> Iterable[Value]:
    """Return JSON. What lies deeper than -Depth becomes text, as 5.1 does without a word."""
    if not call.flag("compress"):
        raise NotSimulated("ConvertTo-Json without -Compress: its layout is not known")
    depth = call.number("depth", 2)
    given = call.items if call.piped else [call.get("inputobject")]
    items = [item for item in given if item is not None and item is not NOTHING]
    if not items:
        return []  # 5.1 writes nothing at all for $null
    value = items[0] if len(items) == 1 else items
    for path in _nothings(value, "", depth):
        call.around.wrote_nothing(path)
    return [_written(value, depth)]


def _nothings(value: Value, path: str, depth: int) -> Iterator[str]:
    """Yield the places of what a command without output left."""
    if value is NOTHING:
        yield path
    elif depth >= 0 and isinstance(value, Hashtable | Record):
        for key, item in value.items():
            yield from _nothings(item, f"{path}.{text_of(key)}".lstrip("."), depth - 1)
    elif depth >= 0 and isinstance(value, list):
        for at, item in enumerate(value):
            yield from _nothings(item, f"{path}[{at}]", depth - 1)


def _written(value: Value, depth: int) -> str:
    simple = _simple(value)
    if simple is not None:
        return simple
    entries = _entries(value)
    items = None if entries is not None else elements(value)
    if entries is None and items is None:
        raise NotSimulated(f"ConvertTo-Json of a {value.type_name}")
    if depth < 0:
        return quoted(text_of(value))
    if items is not None:
        return f"[{','.join(_written(item, depth - 1) for item in items)}]"
    parts = (f"{quoted(text_of(k))}:{_written(v, depth - 1)}" for k, v in entries or [])
    return f"{{{','.join(parts)}}}"


def _entries(value: Value) -> list[tuple[Value, Value]] | None:
    if isinstance(value, Partial):
        raise NotSimulated(f"ConvertTo-Json of a whole {value.kind}")
    if isinstance(value, Hashtable | Record):
        return value.items()
    if isinstance(value, Version):
        names = ("Major", "Minor", "Build", "Revision", "MajorRevision", "MinorRevision")
        revision = value.parts[3]
        numbers = (*value.parts, revision >> 16 if revision > 0 else revision, revision)
        return list(zip(names, numbers, strict=True))
    if isinstance(value, TimeSpan):
        raise NotSimulated("ConvertTo-Json of a TimeSpan")
    return None


def _simple(value: Value) -> str | None:
    if value is None:
        return "null"
    if value is NOTHING:
        return "{}"  # what a command without output leaves is no $null to 5.1
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    return None


def _noted(_value: Value) -> str:
    raise NotSimulated(
        "ConvertTo-Json of what Get-Content gave: 5.1 writes its note properties too; "
        "read it by [IO.File] instead"
    )


def _double(value: float) -> str:
    if value != value or abs(value) == float("inf"):  # noqa: PLR0124 - not a number
        raise NotSimulated("ConvertTo-Json of a double that is no number")
    text = repr(value)
    return text.removesuffix(".0").replace("e", "E") if "e" not in text else text.upper()


def _date(value: DateTime) -> str:
    if value.noted:
        raise NotSimulated(
            "ConvertTo-Json of what Get-Date gave: 5.1 writes an object for it; "
            "make it a string first"
        )
    milliseconds = (value.utc().ticks - UNIX_TICKS) // MILLISECOND
    return f'"\\/Date({milliseconds})\\/"'


def quoted(text: str) -> str:
    """Return a string in JSON, with the escapes of 5.1."""
    escaped = (ESCAPED.get(c) or (f"\\u{ord(c):04x}" if c < " " else c) for c in text)
    return f'"{"".join(escaped)}"'


_WRITERS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (bool, lambda value: "true" if value else "false"),
    (EnumValue, lambda value: str(value.number)),
    (int, lambda value: str(int(value))),
    (float, _double),
    (Decimal, lambda value: format(value, "f")),
    (NotedText, _noted),
    (str, quoted),
    (DateTime, _date),
    (Guid, lambda value: quoted(str(value.value))),
)


@TABLE.add("ConvertFrom-Json", "InputObject:string[]@0|!")
def convert_from_json(call: Call) -> Iterable[Value]:
    """Return what JSON says; an array comes out as one object, and only 5.1 does that."""
    texts = [text_of(item) for item in call.items] if call.piped else call.texts("inputobject")
    return [read("\n".join(texts))]


def read(text: str) -> Value:
    """Return JSON as values.

    Raises:
        NetError: it is none that 5.1 takes.
    """
    if not text.strip():
        return None
    try:
        return json.loads(
            text,
            parse_int=_whole,
            parse_float=_real,
            object_pairs_hook=_record,
            strict=False,
        )
    except json.JSONDecodeError as error:
        message = f"Invalid JSON primitive: {text[error.pos : error.pos + 20].strip()}."
        raise NetError(INVALID, message) from None


def _whole(text: str) -> int | Decimal:
    value = int(text)
    low, high = limits(Int64)
    if -(1 << 31) <= value < 1 << 31:
        return value
    return Int64(value) if low <= value <= high else Decimal(text)


def _real(text: str) -> float | Decimal:
    return float(text) if "e" in text.lower() else Decimal(text)


def _record(pairs: list[tuple[str, Value]]) -> Record:
    made = Record()
    for name, value in pairs:
        if name in made:
            raise NetError(
                "System.InvalidOperationException",
                "Cannot convert the JSON string because a dictionary that was converted from the "
                f"string contains the duplicated keys '{name}'.",
            )
        if not name:
            raise NetError(
                "System.InvalidOperationException",
                "Cannot convert the JSON string because it contains an empty key.",
            )
        made[name] = _dated(value)
    return made


def _dated(value: Value) -> Value:
    found = re.fullmatch(r"/Date\((-?\d+)\)/", value) if isinstance(value, str) else None
    if found is None:
        return value
    return DateTime(UNIX_TICKS + int(found[1]) * MILLISECOND, UTC_KIND)
