"""Collections of .NET, and the methods of hashtables and arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.compare import equal, order
from patchyard.testing.windows.powershell.convert import convert, elements, to_int, truth
from patchyard.testing.windows.powershell.errors import NetError
from patchyard.testing.windows.powershell.invoke import run_here
from patchyard.testing.windows.powershell.kinds import ARRAY, BYTES, HASHTABLE, ORDERED
from patchyard.testing.windows.powershell.members import INTRINSIC
from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.runtime import Runtime, ScriptBlock
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import (
    NOTHING,
    Folded,
    Hashtable,
    Ordered,
    TypedArray,
    Value,
)

RANGE = "System.ArgumentOutOfRangeException"
_LIST = (
    "System.Collections.IEnumerable",
    "System.Collections.ICollection",
    "System.Collections.IList",
)


class Items(NetObject):
    """What ArrayList and List[T] share."""

    net = NetInfo(
        "System.Collections.ArrayList", "collections.arraylist", base=kinds.OBJECT, bases=_LIST
    )
    element = ""

    def __init__(self, items: list[Value] | None = None) -> None:
        self.items = items or []
        self.version = 0

    def enumerate(self) -> list[Value] | None:
        """Return the elements."""
        return self.items

    def get_item(self, index: Value) -> Value:
        """Return one element, or several.

        Raises:
            NetError: there is none.
        """
        several = elements(index)
        if several is not None:
            return [self.items[to_int(one)] for one in several]
        at = to_int(index)
        if not -len(self.items) <= at < len(self.items):
            raise NetError(
                RANGE,
                "Index was out of range. Must be non-negative and less than the "
                "size of the collection.",
            )
        return self.items[at]

    def set_item(self, index: Value, value: Value) -> None:
        """Set one element."""
        self.items[to_int(index)] = self.fitted(value)
        self.version += 1

    def fitted(self, value: Value) -> Value:
        """Return a value as the elements' type."""
        return convert(value, self.element) if self.element else value

    def changed(self) -> Value:
        """Note a change; a method that returns nothing ends with it."""
        self.version += 1
        return NOTHING

    @net.property("Count")
    def _count(self) -> Value:
        return len(self.items)

    @net.method("Add")
    def _add(self, _rt: Value, value: Value) -> Value:
        self.items.append(self.fitted(value))
        self.changed()
        # ArrayList.Add puts out the index, which litters a function's output; List.Add does not.
        return NOTHING if self.element else len(self.items) - 1

    @net.method("AddRange")
    def _add_range(self, _rt: Value, values: Value) -> Value:
        self.items += [self.fitted(value) for value in elements(values) or []]
        return self.changed()

    @net.method("Insert")
    def _insert(self, _rt: Value, at: Value, value: Value) -> Value:
        self.items.insert(to_int(at), self.fitted(value))
        return self.changed()

    @net.method("Remove")
    def _remove(self, _rt: Value, value: Value) -> Value:
        at = next((i for i, item in enumerate(self.items) if equal(item, value, case=True)), -1)
        if at >= 0:
            del self.items[at]
            self.version += 1
        return at >= 0 if self.element else NOTHING

    @net.method("RemoveAt")
    def _remove_at(self, _rt: Value, at: Value) -> Value:
        if not 0 <= to_int(at) < len(self.items):
            raise NetError(RANGE, "Index was out of range.")
        del self.items[to_int(at)]
        return self.changed()

    @net.method("Clear")
    def _clear(self, _rt: Value) -> Value:
        self.items.clear()
        return self.changed()

    @net.method("Contains")
    def _contains(self, _rt: Value, value: Value) -> Value:
        return any(equal(item, value, case=True) for item in self.items)

    @net.method("IndexOf")
    def _index_of(self, _rt: Value, value: Value) -> Value:
        return next((i for i, item in enumerate(self.items) if equal(item, value, case=True)), -1)

    @net.method("ToArray")
    def _to_array(self, _rt: Value) -> Value:
        if self.element in {"", "System.Object"}:
            return list(self.items)
        if self.element == "System.Byte":
            return bytearray(int(item) for item in self.items)
        return TypedArray(self.items, self.element)

    @net.method("Sort")
    def _sort(self, _rt: Value) -> Value:
        self.items.sort(key=cmp_to_key(lambda a, b: order(a, b, case=True)))
        return self.changed()


@Items.net.constructor
def _new_list(_rt: Value, given: Value = None) -> Value:
    return Items(list(elements(given) or []))


def _declare_list(name: str, full: str) -> None:
    info = NetInfo(
        f"System.Collections.Generic.List`1[{full}]",
        f"collections.generic.list[{name}]",
        f"collections.generic.list[system.{name}]",
        base=Items.net,
        bases=_LIST,
    )
    made = type(f"List_{name}", (Items,), {"net": info, "element": full})
    info.constructor(
        lambda _rt, given=None: made([made().fitted(i) for i in elements(given) or []])
    )


def _declare_set(name: str, full: str) -> None:
    info = NetInfo(
        f"System.Collections.Generic.HashSet`1[{full}]",
        f"collections.generic.hashset[{name}]",
        base=kinds.OBJECT,
    )
    made = type(f"Set_{name}", (HashSet,), {"net": info, "element": full})

    def construct(_rt: Value, *given: Value) -> Value:
        comparer = next((g for g in given if isinstance(g, Comparer)), None)
        found = made(fold=comparer is not None and comparer.fold)
        for item in next((elements(g) or [] for g in given if not isinstance(g, Comparer)), []):
            found.add(item)
        return found

    info.constructor(construct)
    for member, function in _SET_METHODS.items():
        info.method(member)(function)
    info.property("Count")(lambda found: len(found.items))


class Comparer(NetObject):
    """System.StringComparer."""

    net = NetInfo("System.StringComparer", base=kinds.OBJECT)

    def __init__(self, *, fold: bool) -> None:
        self.fold = fold


for _name in ("Ordinal", "InvariantCulture"):
    Comparer.net.static_property(_name)(lambda _rt: Comparer(fold=False))
    Comparer.net.static_property(f"{_name}IgnoreCase")(lambda _rt: Comparer(fold=True))


class HashSet(NetObject):
    """System.Collections.Generic.HashSet[T]."""

    element = ""

    def __init__(self, *, fold: bool = False) -> None:
        self.fold = fold
        self.items: dict[Value, Value] = {}
        self.version = 0

    def _key(self, value: Value) -> Value:
        return value.lower() if self.fold and isinstance(value, str) else value

    def enumerate(self) -> list[Value] | None:
        """Return the elements."""
        return list(self.items.values())

    def add(self, value: Value) -> bool:
        """Add an element; tell whether it was new."""
        item = convert(value, self.element)
        if self._key(item) in self.items:
            return False
        self.items[self._key(item)] = item
        self.version += 1
        return True

    def has(self, value: Value) -> bool:
        """True where it is an element."""
        return self._key(convert(value, self.element)) in self.items

    def remove(self, value: Value) -> bool:
        """Take an element out; tell whether it was there."""
        self.version += 1
        return self.items.pop(self._key(convert(value, self.element)), None) is not None


_SET_METHODS: dict[str, Callable[..., Value]] = {
    "Add": lambda found, _rt, value: found.add(value),
    "Contains": lambda found, _rt, value: found.has(value),
    "Remove": lambda found, _rt, value: found.remove(value),
}
for _short, _full in (
    ("object", "System.Object"),
    ("psobject", "System.Object"),
    ("string", "System.String"),
    ("int", "System.Int32"),
    ("byte", "System.Byte"),
    ("hashtable", "System.Collections.Hashtable"),
):
    _declare_list(_short, _full)
    _declare_set(_short, _full)


class View(NetObject):
    """The keys or the values of a hashtable, which may not change while one goes through them."""

    net = NetInfo("System.Collections.ICollection", base=kinds.OBJECT)

    def __init__(self, table: Folded, items: list[Value]) -> None:
        self.table = table
        self.items = items

    @property
    def version(self) -> int:
        """Counts the changes of the hashtable."""
        return self.table.version

    def enumerate(self) -> list[Value] | None:
        """Return the keys or values."""
        return self.items

    @net.property("Count")
    def _count(self) -> Value:
        return len(self.items)


class Entry(NetObject):
    """System.Collections.DictionaryEntry."""

    net = NetInfo("System.Collections.DictionaryEntry", base=kinds.OBJECT)

    def __init__(self, key: Value, value: Value) -> None:
        self.key, self.value = key, value

    net.property("Key")(lambda entry: entry.key)
    net.property("Name")(lambda entry: entry.key)
    net.property("Value")(lambda entry: entry.value)


class Pairs(View):
    """What GetEnumerator of a hashtable gives."""

    net = NetInfo("System.Collections.IDictionaryEnumerator", base=View.net)


def _add_key(table: Hashtable, _rt: Value, key: Value, value: Value) -> Value:
    if key in table:
        raise NetError(
            "System.ArgumentException",
            f"Item has already been added. Key in "
            f"dictionary: '{text_of(key)}'  Key being added: '{text_of(key)}'",
        )
    table[key] = value
    return NOTHING


def _remove_key(table: Hashtable, _rt: Value, key: Value) -> Value:
    if key in table:
        del table[key]
    return NOTHING


def _clear(table: Hashtable, _rt: Value) -> Value:
    for key in list(table):
        del table[key]
    return NOTHING


def _has_value(table: Hashtable, _rt: Value, value: Value) -> Value:
    return any(equal(item, value, case=True) for item in table.values())


def _pairs(table: Hashtable, _rt: Value) -> Value:
    return Pairs(table, [Entry(key, value) for key, value in table.items()])


for _info in (HASHTABLE, ORDERED):
    _info.property("Count")(len)
    _info.property("Keys")(lambda table: View(table, list(table)))
    _info.property("Values")(lambda table: View(table, table.values()))
    _info.method("Add")(_add_key)
    _info.method("Remove")(_remove_key)
    _info.method("Clear")(_clear)
    _info.method("Contains")(lambda table, _rt, key: key in table)
    _info.method("GetEnumerator")(_pairs)
HASHTABLE.method("ContainsKey")(lambda table, _rt, key: key in table)
HASHTABLE.method("ContainsValue")(_has_value)
HASHTABLE.method("Clone")(lambda table, _rt: type(table)(table.items()))
HASHTABLE.constructor(lambda _rt: Hashtable())
ORDERED.constructor(lambda _rt: Ordered())

ARRAY_STATIC = NetInfo("System.Array", base=kinds.OBJECT)


@ARRAY_STATIC.static("IndexOf")
def _index_of(_rt: Value, items: Value, value: Value) -> Value:
    found = (i for i, item in enumerate(elements(items) or []) if equal(item, value, case=True))
    return next(found, -1)


@ARRAY_STATIC.static("Reverse")
def _reverse(_rt: Value, items: Value) -> Value:
    items.reverse()
    return NOTHING


@ARRAY_STATIC.static("Copy")
def _copy(_rt: Value, source: Value, *rest: Value) -> Value:
    numbers = [to_int(n) for n in rest if isinstance(n, int) and not isinstance(n, bool)]
    target = next(n for n in rest if isinstance(n, list | bytearray))
    from_at, to_at = (numbers[0], numbers[1]) if len(numbers) == 3 else (0, 0)  # noqa: PLR2004
    length = numbers[-1]
    target[to_at : to_at + length] = source[from_at : from_at + length]
    return NOTHING


ARRAY.method("Clone")(lambda items, _rt: list(items))
ARRAY.method("Contains")(
    lambda items, _rt, value: any(equal(item, value, case=True) for item in items)
)
BYTES.method("Clone")(lambda items, _rt: bytearray(items))


def _where(rt: Runtime, target: Value, arguments: list[Value]) -> Value:
    block = arguments[0]
    if len(arguments) != 1 or not isinstance(block, ScriptBlock):
        raise NotSimulated("Where() but with one block")
    found = []
    for item in _all(target):
        answers: list[Value] = []
        run_here(rt, block.script, item, answers.append)
        if truth(answers):
            found.append(item)
    return found


def _for_each(rt: Runtime, target: Value, arguments: list[Value]) -> Value:
    block = arguments[0]
    if len(arguments) != 1 or not isinstance(block, ScriptBlock):
        raise NotSimulated("ForEach() but with one block")
    found: list[Value] = []
    for item in _all(target):
        run_here(rt, block.script, item, found.append)
    return found


def _all(target: Value) -> list[Value]:
    found = elements(target)
    return [target] if found is None else list(found)


INTRINSIC.update({"where": _where, "foreach": _for_each})
