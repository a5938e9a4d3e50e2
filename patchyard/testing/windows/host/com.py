"""COM objects by their names, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.objects import COM_OBJECT, NetInfo, NetObject
from patchyard.testing.windows.powershell.values import Value

if TYPE_CHECKING:
    from patchyard.testing.windows.host.inside import Inside

CLASSES: dict[str, Callable[[Inside], Value]] = {}


def com_info(label: str, base: NetInfo | None = None) -> NetInfo:
    """Return a table of members for an interface."""
    return NetInfo(COM_OBJECT, label=label, base=base or kinds.OBJECT)


def kept(info: NetInfo, *names: str) -> None:
    """Declare properties that are kept in the object's `values` as they are set."""
    for name in names:
        _keep(info, name, name.lower())


def _keep(info: NetInfo, name: str, key: str) -> None:
    info.property(name)(lambda target: target.values.get(key))
    info.setter(name)(lambda target, value: target.values.__setitem__(key, value))


class ComObject(NetObject):
    """An object of a COM interface."""

    net = com_info("IDispatch")


def com_class(name: str) -> Callable[[Callable[[Inside], Value]], Callable[[Inside], Value]]:
    """Declare how the COM object of that name is made."""

    def add(make: Callable[[Inside], Value]) -> Callable[[Inside], Value]:
        CLASSES[name.lower()] = make
        return make

    return add


def com_object(inside: Inside, name: str) -> Value:
    """Make a COM object.

    Raises:
        NotSimulated: it is not known.
    """
    make = CLASSES.get(name.lower())
    if make is None:
        raise NotSimulated(f"the COM class {name}")
    return make(inside)


class Strings(ComObject):
    """IStringCollection, and any other collection that is only read."""

    net = com_info("IStringCollection")

    def __init__(self, items: list[Value]) -> None:
        self.items = items

    def enumerate(self) -> list[Value] | None:
        """Return the elements."""
        return self.items

    def get_item(self, index: Value) -> Value:
        """Return one element."""
        return self.items[int(index)]

    @net.property("Count")
    def _count(self) -> Value:
        return len(self.items)

    @net.method("Item")
    def _item(self, _rt: Value, index: Value) -> Value:
        return self.items[int(index)]
