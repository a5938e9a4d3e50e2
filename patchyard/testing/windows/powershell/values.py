"""The values of the language: Python's own where one fits, and small classes where none does.

`int` is Int32, `float` Double, `str` String, `list` object[], `bytearray` byte[], `None` $null.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

Value = Any
"""A value of the language; what it is, is known at run time only."""


class Nothing:
    """What a command without output leaves: empty in a pipeline, $null anywhere else."""

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING = Nothing()


class Sized(int):
    """An integer that is no Int32."""

    type_name: ClassVar[str]
    bits: ClassVar[int]
    signed: ClassVar[bool] = True


class Int64(Sized):
    """System.Int64."""

    type_name = "System.Int64"
    bits = 64


class UInt64(Sized):
    """System.UInt64."""

    type_name = "System.UInt64"
    bits = 64
    signed = False


class UInt32(Sized):
    """System.UInt32."""

    type_name = "System.UInt32"
    bits = 32
    signed = False


class Int16(Sized):
    """System.Int16."""

    type_name = "System.Int16"
    bits = 16


class UInt16(Sized):
    """System.UInt16."""

    type_name = "System.UInt16"
    bits = 16
    signed = False


class Byte(Sized):
    """System.Byte."""

    type_name = "System.Byte"
    bits = 8
    signed = False


class Char(str):
    """System.Char."""

    __slots__ = ()


class NotedText(str):
    """A string that carries note properties, as Get-Content gives in 5.1."""

    __slots__ = ()


class TypedArray(list[Value]):
    """An array whose elements have one type, such as string[]."""

    def __init__(self, items: Iterable[Value], element: str) -> None:
        super().__init__(items)
        self.element = element


class Folded:
    """Names and values in order, found without regard to case."""

    def __init__(self, entries: Iterable[tuple[Value, Value]] = ()) -> None:
        self._entries: dict[Value, tuple[Value, Value]] = {}
        self.version = 0
        """Counts changes: .NET ends an enumeration of what changes meanwhile."""
        for key, value in entries:
            self[key] = value

    @staticmethod
    def _fold(key: Value) -> Value:
        return key.lower() if isinstance(key, str) else (type(key), key)

    def __getitem__(self, key: Value) -> Value:
        return self._entries[self._fold(key)][1]

    def __setitem__(self, key: Value, value: Value) -> None:
        folded = self._fold(key)
        shown = self._entries[folded][0] if folded in self._entries else key
        self._entries[folded] = (shown, value)
        self.version += 1

    def __delitem__(self, key: Value) -> None:
        self.version += 1
        del self._entries[self._fold(key)]

    def __contains__(self, key: Value) -> bool:
        return self._fold(key) in self._entries

    def __iter__(self) -> Iterator[Value]:
        return (key for key, _ in list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Value, default: Value = None) -> Value:
        """Return a value, or the default."""
        found = self._entries.get(self._fold(key))
        return default if found is None else found[1]

    def items(self) -> list[tuple[Value, Value]]:
        """Return names and values."""
        return list(self._entries.values())

    def values(self) -> list[Value]:
        """Return the values."""
        return [value for _, value in self._entries.values()]


class Hashtable(Folded):
    """System.Collections.Hashtable. It keeps the order of insertion, where .NET's has none."""


class Ordered(Hashtable):
    """System.Collections.Specialized.OrderedDictionary."""


class Record(Folded):
    """A PSCustomObject. `kind` is its type name where a cmdlet gave it another."""

    def __init__(
        self,
        entries: Iterable[tuple[Value, Value]] = (),
        kind: str = "System.Management.Automation.PSCustomObject",
    ) -> None:
        super().__init__(entries)
        self.kind = kind


class Partial(Record):
    """An object of Windows' own of which some properties are known; the others are not absent."""


class EnumValue:
    """A value of a .NET enumeration."""

    __slots__ = ("name", "number", "type_name")

    def __init__(self, type_name: str, name: str, number: int) -> None:
        self.type_name = type_name
        self.name = name
        self.number = number

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EnumValue):
            return NotImplemented
        return (self.type_name, self.number) == (other.type_name, other.number)

    def __hash__(self) -> int:
        return hash((self.type_name, self.number))

    def __repr__(self) -> str:
        return f"<{self.type_name}.{self.name}>"


class NetType:
    """A .NET type as a value, such as `[int]`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NetType) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


def is_number(value: Value) -> bool:
    """True for numbers that arithmetic takes as they are."""
    return isinstance(value, int | float) and not isinstance(value, bool)
