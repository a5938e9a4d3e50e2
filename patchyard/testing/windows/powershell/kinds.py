"""Which type a value has, and the small .NET types that other modules build on."""

from __future__ import annotations

import re
import uuid
from decimal import Decimal
from typing import Any

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.dates import DateTime
from patchyard.testing.windows.powershell.errors import NetError
from patchyard.testing.windows.powershell.objects import (
    OBJECT,
    TYPES,
    NetInfo,
    NetObject,
    find_type,
)
from patchyard.testing.windows.powershell.values import (
    Byte,
    Char,
    EnumValue,
    Hashtable,
    Int16,
    Int64,
    NetType,
    Nothing,
    Ordered,
    Record,
    Sized,
    TypedArray,
    UInt16,
    UInt32,
    UInt64,
    Value,
)

_COLLECTION = (
    "System.Collections.IEnumerable",
    "System.Collections.ICollection",
    "System.Collections.IList",
)
_DICTIONARY = (
    "System.Collections.IDictionary",
    "System.Collections.IEnumerable",
    "System.Collections.ICollection",
)
STRING = NetInfo("System.String", "string", base=OBJECT)
BOOLEAN = NetInfo("System.Boolean", "bool", "boolean", base=OBJECT)
INT32 = NetInfo("System.Int32", "int", "int32", base=OBJECT, bases=("System.ValueType",))
DOUBLE = NetInfo("System.Double", "double", base=OBJECT, bases=("System.ValueType",))
DECIMAL = NetInfo("System.Decimal", "decimal", base=OBJECT, bases=("System.ValueType",))
CHAR = NetInfo("System.Char", "char", base=OBJECT, bases=("System.ValueType",))
ARRAY = NetInfo(
    "System.Object[]", "array", "object[]", base=OBJECT, bases=("System.Array", *_COLLECTION)
)
BYTES = NetInfo("System.Byte[]", "byte[]", base=OBJECT, bases=("System.Array", *_COLLECTION))
HASHTABLE = NetInfo("System.Collections.Hashtable", "hashtable", base=OBJECT, bases=_DICTIONARY)
ORDERED = NetInfo(
    "System.Collections.Specialized.OrderedDictionary", "ordered", base=OBJECT, bases=_DICTIONARY
)
RECORD = NetInfo(
    "System.Management.Automation.PSCustomObject",
    "pscustomobject",
    base=OBJECT,
    bases=("System.Management.Automation.PSObject",),
)
ENUM = NetInfo("System.Enum", "enum", base=OBJECT, bases=("System.ValueType",))
TYPE = NetInfo(
    "System.RuntimeType", "type", "reflection.typeinfo", base=OBJECT, bases=("System.Type",)
)
VOID = NetInfo("System.Void", "void")
SIZED: dict[type[Sized], NetInfo] = {
    kind: NetInfo(kind.type_name, *aliases, base=OBJECT, bases=("System.ValueType",))
    for kind, aliases in (
        (Int64, ("long", "int64")),
        (UInt64, ("uint64",)),
        (UInt32, ("uint32",)),
        (Int16, ("int16",)),
        (UInt16, ("uint16",)),
        (Byte, ("byte",)),
    )
}
NUMERIC = frozenset(
    {"System.Int32", "System.Double", "System.Decimal", *(kind.type_name for kind in SIZED)}
)

_BY_CLASS: dict[type[Any], NetInfo] = {
    bool: BOOLEAN,
    int: INT32,
    float: DOUBLE,
    Decimal: DECIMAL,
    Char: CHAR,
    str: STRING,
    bytearray: BYTES,
    TypedArray: ARRAY,
    list: ARRAY,
    Ordered: ORDERED,
    Hashtable: HASHTABLE,
    Record: RECORD,
    NetType: TYPE,
}
_BY_CLASS.update(SIZED)


def info_of(value: Value) -> NetInfo:
    """Return the members that a value's type has.

    Raises:
        NotSimulated: the value is $null, or of no known type.
    """
    if isinstance(value, NetObject):
        return value.net
    if isinstance(value, EnumValue):
        return ENUMS.get(value.type_name, ENUM)
    found = _BY_CLASS.get(type(value))
    if found is None:
        found = next((i for kind, i in _BY_CLASS.items() if isinstance(value, kind)), None)
    if found is None:
        raise NotSimulated(f"the type of {value!r}")
    return found


def type_name_of(value: Value) -> str:
    """Return the full name of a value's type."""
    if isinstance(value, TypedArray):
        return f"{value.element}[]"
    if isinstance(value, EnumValue | NetObject):
        return value.type_name
    return info_of(value).name


def is_a(value: Value, name: str) -> bool:
    """Return what `-is [name]` answers; `name` is a full name."""
    if value is None or isinstance(value, Nothing):
        return False
    if isinstance(value, Record):
        return name in {value.kind, "System.Object", RECORD.name, *RECORD.bases}
    if isinstance(value, EnumValue):
        return name in {value.type_name, "System.Enum", "System.Object", "System.ValueType"}
    if isinstance(value, NetObject):
        return value.is_a(name)
    return name == type_name_of(value) or (name != "System.Object[]" and info_of(value).is_a(name))


ENUMS: dict[str, NetInfo] = {}
_MEMBERS: dict[str, dict[str, int]] = {}


def enumeration(name: str, members: dict[str, int], *aliases: str, flags: bool = False) -> NetInfo:
    """Declare a .NET enumeration: its members are static, and strings and numbers become it."""
    info = NetInfo(name, *aliases, base=ENUM)
    ENUMS[name] = info
    _MEMBERS[name] = members
    for member, number in members.items():
        info.static_property(member)(
            lambda _rt, member=member, number=number: EnumValue(name, member, number)
        )
    info.converter(lambda value: enum_of(name, value, flags=flags))
    return info


def enum_of(name: str, value: Value, *, flags: bool = False) -> EnumValue:
    """Return a member of an enumeration by its name or number; flags may be several.

    Raises:
        NetError: there is no such member.
    """
    members = _MEMBERS[name]
    if isinstance(value, EnumValue):
        value = value.number
    if isinstance(value, int):
        found = next((m for m, number in members.items() if number == value), None)
        return EnumValue(name, found or _flag_names(members, value), int(value))
    by_name = {member.lower(): number for member, number in members.items()}
    words = [word.strip().lower() for word in str(value).split(",")]
    if any(word not in by_name for word in words) or (len(words) > 1 and not flags):
        raise NetError(
            "System.Management.Automation.PSInvalidCastException",
            f'Cannot convert value "{value}" to type "{name}".',
        )
    number = 0
    for word in words:
        number |= by_name[word]
    return enum_of(name, number)


def _flag_names(members: dict[str, int], value: int) -> str:
    names = [name for name, number in members.items() if number and value & number == number]
    return ", ".join(names) or str(value)


class Guid(NetObject):
    """System.Guid."""

    net = NetInfo("System.Guid", "guid", base=OBJECT)

    def __init__(self, value: uuid.UUID) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Guid) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def shown(self) -> str:
        """Return what ToString gives."""
        return str(self.value)

    def formatted(self, form: str) -> str:
        """Return it by one of the formats of a GUID."""
        forms = {"d": str(self.value), "n": self.value.hex, "b": f"{{{self.value}}}"}
        if form.lower() not in forms:
            raise NotSimulated(f"the format {form!r} of a GUID")
        return forms[form.lower()]

    @net.method("ToString")
    def _to_string(self, _rt: Value, form: Value = "D") -> Value:
        return self.formatted(str(form))

    @net.static("NewGuid")
    @staticmethod
    def _new(_rt: Value) -> Value:
        return Guid(uuid.uuid4())

    @net.static_property("Empty")
    @staticmethod
    def _empty(_rt: Value) -> Value:
        return Guid(uuid.UUID(int=0))


@Guid.net.converter
def guid_of(value: Value) -> Value:
    """Return a GUID from its text."""
    if isinstance(value, Guid):
        return value
    try:
        return Guid(uuid.UUID(str(value)))
    except ValueError:
        raise NetError("System.FormatException", "Unrecognized Guid format.") from None


Guid.net.static("Parse")(lambda _rt, value: guid_of(value))
Guid.net.constructor(lambda _rt, value: guid_of(value))


class Version(NetObject):
    """System.Version; parts that were not given are -1."""

    net = NetInfo("System.Version", "version", base=OBJECT)

    def __init__(self, parts: tuple[int, ...]) -> None:
        self.parts = (*parts, -1, -1)[:4]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.parts)

    def shown(self) -> str:
        """Return what ToString gives."""
        return ".".join(str(part) for part in self.parts if part >= 0)

    @net.property("Major")
    def _major(self) -> int:
        return self.parts[0]

    @net.property("Minor")
    def _minor(self) -> int:
        return self.parts[1]

    @net.property("Build")
    def _build(self) -> int:
        return self.parts[2]

    @net.property("Revision")
    def _revision(self) -> int:
        return self.parts[3]


@Version.net.converter
def version_of(value: Value) -> Value:
    """Return a version from its text."""
    if isinstance(value, Version):
        return value
    if not re.fullmatch(r"\d+(?:\.\d+){1,3}", str(value).strip()):
        raise NetError(
            "System.Management.Automation.PSInvalidCastException",
            f'Cannot convert value "{value}" to type "System.Version".',
        )
    return Version(tuple(int(part) for part in str(value).split(".")))


Version.net.constructor(lambda _rt, *parts: version_of(".".join(str(p) for p in parts)))
Version.net.static("Parse")(lambda _rt, value: version_of(value))
DATE_KIND = enumeration("System.DateTimeKind", {"Unspecified": 0, "Utc": 1, "Local": 2})


def comparable(value: Value) -> Value:
    """Return what decides the order of dates and versions, or None."""
    if isinstance(value, DateTime):
        return value.ticks
    return value.parts if isinstance(value, Version) else getattr(value, "ticks", None)


__all__ = [
    "OBJECT",
    "TYPES",
    "Byte",
    "UInt32",
    "find_type",
    "info_of",
    "is_a",
    "type_name_of",
]
