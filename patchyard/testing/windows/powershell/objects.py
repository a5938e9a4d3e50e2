"""What .NET and COM objects show: one table of members for each type, read by the lint too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar

from patchyard.testing.windows.powershell.values import Value

Function = TypeVar("Function", bound=Callable[..., Any])
COM_OBJECT = "System.__ComObject"


class NetInfo:
    """The members of one type. Names are found without regard to case.

    Properties take the object; methods take the object, the runtime and their arguments;
    static members take the runtime and their arguments.
    """

    def __init__(
        self,
        name: str,
        *aliases: str,
        base: NetInfo | None = None,
        bases: tuple[str, ...] = (),
        label: str = "",
    ) -> None:
        self.name = name
        self.label = label or name
        self.base = base
        self.bases = bases
        self.properties: dict[str, tuple[str, Callable[[Any], Value]]] = {}
        self.setters: dict[str, Callable[[Any, Value], None]] = {}
        self.methods: dict[str, tuple[str, Callable[..., Value]]] = {}
        self.statics: dict[str, tuple[str, Callable[..., Value]]] = {}
        self.static_properties: dict[str, tuple[str, Callable[[Any], Value]]] = {}
        self.construct: Callable[..., Value] | None = None
        self.convert: Callable[[Value], Value] | None = None
        INFOS.append(self)
        if name != COM_OBJECT:
            for known in (name, *aliases):
                TYPES[_plain(known)] = self

    def property(self, name: str) -> Callable[[Function], Function]:
        """Declare a function to be how a property is read."""
        return self._adding(self.properties, name)

    def method(self, name: str) -> Callable[[Function], Function]:
        """Declare a function to be a method."""
        return self._adding(self.methods, name)

    def static(self, name: str) -> Callable[[Function], Function]:
        """Declare a function to be a static method."""
        return self._adding(self.statics, name)

    def static_property(self, name: str) -> Callable[[Function], Function]:
        """Declare a function to be how a static property is read."""
        return self._adding(self.static_properties, name)

    def setter(self, name: str) -> Callable[[Function], Function]:
        """Declare a function to be how a property is written."""

        def add(function: Function) -> Function:
            self.setters[name.lower()] = function
            return function

        return add

    def constructor(self, function: Function) -> Function:
        """Declare a function to be how an object is made; it takes the runtime and arguments."""
        self.construct = function
        return function

    def converter(self, function: Function) -> Function:
        """Declare a function to be the cast."""
        self.convert = function
        return function

    @staticmethod
    def _adding(
        table: dict[str, tuple[str, Callable[..., Value]]], name: str
    ) -> Callable[[Function], Function]:
        def add(function: Function) -> Function:
            table[name.lower()] = (name, function)
            return function

        return add

    def lineage(self) -> Iterator[NetInfo]:
        """Yield this type and the types from which it inherits members."""
        found: NetInfo | None = self
        while found is not None:
            yield found
            found = found.base

    def find(self, table: str, name: str) -> Callable[..., Value] | None:
        """Return a member from one of the tables of this type or its bases."""
        for info in self.lineage():
            entry = getattr(info, table).get(name.lower())
            if entry is not None:
                found: Callable[..., Value] = entry[1] if isinstance(entry, tuple) else entry
                return found
        return None

    def is_a(self, name: str) -> bool:
        """True where an object of this type is also of the type of that full name."""
        return any(name in (info.name, *info.bases) for info in self.lineage())


INFOS: list[NetInfo] = []
TYPES: dict[str, NetInfo] = {}


def _plain(name: str) -> str:
    return name.lower().removeprefix("system.")


def find_type(name: str) -> NetInfo | None:
    """Return a type by its name as a script writes it."""
    return TYPES.get(_plain(name))


OBJECT = NetInfo("System.Object", "object", "psobject", "management.automation.psobject")


class NetObject:
    """An object whose members are in its type's table."""

    net: ClassVar[NetInfo] = OBJECT

    @property
    def type_name(self) -> str:
        """The full name of its type."""
        return self.net.name

    def enumerate(self) -> list[Value] | None:
        """Return its elements where a pipeline unrolls it; None for a single object."""
        return None

    def shown(self) -> str:
        """Return what ToString gives."""
        return self.type_name

    def is_a(self, name: str) -> bool:
        """True where it is of that type."""
        return self.net.is_a(name)

    @classmethod
    def elements(cls) -> bool:
        """True where objects of this class are unrolled."""
        return cls.enumerate is not NetObject.enumerate
