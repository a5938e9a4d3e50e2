"""Cmdlets that need all of their input before they put anything out."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cmp_to_key
from itertools import groupby

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell import compare
from patchyard.testing.windows.powershell.cmdlets.objects import column, evaluated
from patchyard.testing.windows.powershell.command import Call, Commands
from patchyard.testing.windows.powershell.convert import elements, to_double, truth
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import Hashtable, Record, Value

TABLE = Commands()


def _listed(value: Value) -> list[Value]:
    found = elements(value)
    return [value] if found is None else found


@TABLE.add("Sort-Object", "Property@0 InputObject| Descending:switch Unique:switch")
def sort_object(call: Call) -> Iterable[Value]:
    """Sort; elements that are equal keep their order."""
    wanted = _listed(call.get("property")) if call.has("property") else [None]
    columns = [_sort_column(how, descending=call.flag("descending")) for how in wanted]
    rows = [(item, [_key(call, source, item) for source, _ in columns]) for item in call.items]

    def in_order(left: tuple[Value, list[Value]], right: tuple[Value, list[Value]]) -> int:
        for at, (_, descending) in enumerate(columns):
            sign = _loose_order(left[1][at], right[1][at])
            if sign:
                return -sign if descending else sign
        return 0

    ordered = sorted(rows, key=cmp_to_key(in_order))
    if call.flag("unique"):
        chosen: list[tuple[Value, list[Value]]] = []
        for row in ordered:
            if not chosen or in_order(chosen[-1], row) != 0:
                chosen.append(row)
        ordered = chosen
    return [item for item, _ in ordered]


def _sort_column(how: Value, *, descending: bool) -> tuple[Value, bool]:
    if isinstance(how, Hashtable):
        _, source = column(how)
        return source, truth(how.get("descending", descending))
    return how, descending


def _key(call: Call, source: Value, item: Value) -> Value:
    return item if source is None else evaluated(call, source, item)


def _loose_order(left: Value, right: Value) -> int:
    if type(left) is not type(right) and isinstance(left, str) != isinstance(right, str):
        if left is None or right is None:
            return compare.order(left, right)
        return compare.order(text_of(left), text_of(right))
    return compare.order(left, right)


@TABLE.add(
    "Measure-Object",
    "Property:string[]@0 InputObject| Sum:switch Average:switch Maximum:switch Minimum:switch",
)
def measure_object(call: Call) -> Iterable[Value]:
    """Count, and add up or compare what is asked for."""
    names = call.texts("property")
    if len(names) > 1:
        raise NotSimulated("Measure-Object of several properties")
    values = [evaluated(call, names[0], item) if names else item for item in call.items]
    present = [value for value in values if value is not None]
    found = Record(kind="Microsoft.PowerShell.Commands.GenericMeasureInfo")
    found["Count"] = len(present)
    numbers = [to_double(value) for value in present] if _asks_numbers(call) else []
    found["Average"] = sum(numbers) / len(numbers) if call.flag("average") and numbers else None
    found["Sum"] = sum(numbers) if call.flag("sum") and numbers else None
    found["Maximum"] = _extreme(present, 1) if call.flag("maximum") else None
    found["Minimum"] = _extreme(present, -1) if call.flag("minimum") else None
    found["Property"] = names[0] if names else None
    return [found]


def _asks_numbers(call: Call) -> bool:
    return call.flag("sum") or call.flag("average")


def _extreme(values: list[Value], sign: int) -> Value:
    best: Value = None
    for value in values:
        if best is None or compare.order(value, best) * sign > 0:
            best = value
    return float(best) if isinstance(best, int) and not isinstance(best, bool) else best


@TABLE.add(
    "Group-Object", "Property@0 InputObject| NoElement:switch AsHashTable:switch AsString:switch"
)
def group_object(call: Call) -> Iterable[Value]:
    """Group by a property or a block."""
    how = call.get("property")
    keyed = [(item if how is None else evaluated(call, how, item), item) for item in call.items]
    order: list[str] = []
    members: dict[str, list[Value]] = {}
    keys: dict[str, Value] = {}
    for key, item in keyed:
        folded = text_of(key).lower()
        if folded not in members:
            order.append(folded)
            keys[folded] = key
        members.setdefault(folded, []).append(item)
    if call.flag("ashashtable"):
        named = (
            (text_of(keys[k]) if call.flag("asstring") else keys[k], members[k]) for k in order
        )
        return [Hashtable(named)]
    return [_group(text_of(keys[name]), members[name], call) for name in order]


def _group(name: str, items: list[Value], call: Call) -> Value:
    entries: list[tuple[Value, Value]] = [("Count", len(items)), ("Name", name)]
    if not call.flag("noelement"):
        entries.append(("Group", list(items)))
    return Record(entries, "Microsoft.PowerShell.Commands.GroupInfo")


@TABLE.add("Get-Unique", "InputObject| AsString:switch")
def get_unique(call: Call) -> Iterable[Value]:
    """Leave out what equals the element before it, case-sensitively."""
    return [next(group) for _, group in groupby(call.items, key=text_of)]
