"""Cmdlets that take a pipeline element by element."""

from __future__ import annotations

from collections.abc import Callable

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell import compare, kinds
from patchyard.testing.windows.powershell.command import Call, Commands
from patchyard.testing.windows.powershell.convert import elements, to_int, truth
from patchyard.testing.windows.powershell.errors import Enough
from patchyard.testing.windows.powershell.execute import drop, iterate
from patchyard.testing.windows.powershell.invoke import run_here
from patchyard.testing.windows.powershell.members import call as call_method
from patchyard.testing.windows.powershell.members import get_member, has_member
from patchyard.testing.windows.powershell.runtime import ScriptBlock
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import NOTHING, Record, Value

TABLE = Commands()


def evaluated(call: Call, how: Value, item: Value) -> Value:
    """Return a property of an element, by its name or by a script block about $_."""
    if isinstance(how, ScriptBlock):
        found: list[Value] = []
        run_here(call.rt, how.script, item, found.append)
        return found[0] if len(found) == 1 else (found or None)
    name = text_of(how)
    if "*" in name or "?" in name:
        raise NotSimulated(f"a wildcard in the property {name!r}")
    return get_member(call.rt, item, name) if has_member(item, name) else None


class _Stage:
    def __init__(self, call: Call) -> None:
        self.call = call
        self.seen = 0

    def process(self, item: Value) -> None:
        """Take one element."""
        raise NotImplementedError

    def end(self) -> None:
        """Take the end of the input."""


@TABLE.add("ForEach-Object", "Process@0 Begin End MemberName InputObject|", stage=True)
class _ForEach(_Stage):
    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._begun = False

    def _begin(self) -> None:
        if not self._begun and self.call.has("begin"):
            run_here(self.call.rt, self.call.get("begin").script, NOTHING, self.call.emit)
        self._begun = True

    def process(self, item: Value) -> None:
        """Run the block for an element, or take a member of it."""
        self._begin()
        how = self.call.get("process", self.call.get("membername"))
        if isinstance(how, ScriptBlock):
            run_here(self.call.rt, how.script, item, self.call.emit)
            return
        name = text_of(how)
        if kinds.info_of(item).find("methods", name):
            value = call_method(self.call.rt, item, name, [])
        else:
            value = get_member(self.call.rt, item, name)
        for one in iterate(value):
            self.call.emit(one)

    def end(self) -> None:
        """Run the end block."""
        self._begin()
        if not self.call.piped and self.call.has("inputobject"):
            self.process(self.call.get("inputobject"))
        elif not self.call.piped:
            self.process(None)
        if self.call.has("end"):
            run_here(self.call.rt, self.call.get("end").script, NOTHING, self.call.emit)


_OPERATORS = (
    *("eq", "ne", "gt", "ge", "lt", "le", "like", "notlike", "match", "notmatch"),
    *("contains", "notcontains", "in", "notin", "is", "isnot"),
)
_WHERE = " ".join(f"{name.upper()}:switch" for name in _OPERATORS)


@TABLE.add(
    "Where-Object", f"Property@0 Value@1 InputObject| FilterScript Not:switch {_WHERE}", stage=True
)
class _Where(_Stage):
    def process(self, item: Value) -> None:
        """Pass an element on if it is wanted."""
        how = self.call.get("filterscript", self.call.get("property"))
        if isinstance(how, ScriptBlock):
            wanted = truth(evaluated(self.call, how, item))
        else:
            wanted = self._by_property(evaluated(self.call, how, item))
        if wanted:
            self.call.emit(item)

    def _by_property(self, value: Value) -> bool:
        given = [name for name in _OPERATORS if self.call.flag(name)]
        other = self.call.get("value")
        if not given:
            return truth(value) != self.call.flag("not")
        return truth(_TESTS[given[0]](value, other))


def _negated(test: Callable[[Value, Value], bool]) -> Callable[[Value, Value], bool]:
    return lambda left, right: not test(left, right)


def _matches(left: Value, right: Value) -> bool:
    return compare.regex(right).search(text_of(left)) is not None


_TESTS: dict[str, Callable[[Value, Value], bool]] = {
    "eq": compare.equal,
    "ne": _negated(compare.equal),
    "gt": lambda a, b: compare.order(a, b) > 0,
    "ge": lambda a, b: compare.order(a, b) >= 0,
    "lt": lambda a, b: compare.order(a, b) < 0,
    "le": lambda a, b: compare.order(a, b) <= 0,
    "like": compare.like,
    "notlike": _negated(compare.like),
    "match": _matches,
    "notmatch": _negated(_matches),
    "contains": compare.contains,
    "notcontains": _negated(compare.contains),
    "in": lambda a, b: compare.contains(b, a),
    "notin": lambda a, b: not compare.contains(b, a),
    "is": lambda a, b: kinds.is_a(a, b.name),
    "isnot": lambda a, b: not kinds.is_a(a, b.name),
}


@TABLE.add(
    "Select-Object",
    "Property@0 InputObject| First Last Skip ExpandProperty:string Unique:switch",
    stage=True,
)
class _Select(_Stage):
    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._kept: list[Value] = []
        self._first = to_int(call.get("first")) if call.has("first") else None
        self._skip = call.number("skip")
        self._shown: list[Value] = []

    def process(self, item: Value) -> None:
        """Take an element; with -First and enough of them, stop what comes before."""
        self.seen += 1
        if self._first == 0:
            raise Enough(self)
        if self.seen <= self._skip:
            return
        if self.call.has("last"):
            self._kept.append(item)
            return
        self._put(item)
        if self._first is not None and self.seen - self._skip >= self._first:
            raise Enough(self)

    def end(self) -> None:
        """Put out the last ones."""
        if not self.call.piped and self.call.has("inputobject"):
            self.process(self.call.get("inputobject"))
        last = self.call.number("last")
        for item in self._kept[-last:] if last else []:
            self._put(item)

    def _put(self, item: Value) -> None:
        for shaped in self._shape(item):
            if self.call.flag("unique"):
                if any(_same(shaped, other) for other in self._shown):
                    continue
                self._shown.append(shaped)
            self.call.emit(shaped)

    def _shape(self, item: Value) -> list[Value]:
        if self.call.has("expandproperty"):
            name = self.call.text("expandproperty")
            if not has_member(item, name):
                self.call.fail(
                    "System.Management.Automation.PSArgumentException",
                    f'Property "{name}" cannot be found.',
                    error_id="ExpandPropertyNotFound",
                )
                return []
            value = get_member(self.call.rt, item, name)
            found = elements(value)
            return [value] if found is None else list(found)
        if not self.call.has("property"):
            return [item]
        return [self._record(item)]

    def _record(self, item: Value) -> Value:
        value = self.call.get("property")
        wanted = elements(value)
        made = Record(kind="Selected.System.Management.Automation.PSCustomObject")
        for how in [value] if wanted is None else wanted:
            name, source = column(how)
            made[name] = evaluated(self.call, source, item)
        return made


def column(how: Value) -> tuple[str, Value]:
    """Return the name of a property and where its value comes from; it may be calculated."""
    if not hasattr(how, "items") or isinstance(how, str):
        return text_of(how), how
    keys = {text_of(key).lower(): value for key, value in how.items()}
    source = keys.get("expression", keys.get("e"))
    return text_of(keys.get("name", keys.get("n", keys.get("label", keys.get("l", ""))))), source


def _same(left: Value, right: Value) -> bool:
    if isinstance(left, Record) and isinstance(right, Record):
        names = list(left)
        return all(compare.equal(left[n], right.get(n), case=True) for n in names)
    return compare.equal(left, right, case=True)


@TABLE.add("Out-Null", "InputObject|", stage=True)
class _OutNull(_Stage):
    def process(self, item: Value) -> None:
        """Take it and be silent."""
        drop(item)
