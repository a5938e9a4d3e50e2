"""Reading, setting and calling members, and indexing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.compare import order
from patchyard.testing.windows.powershell.convert import convert, elements, to_int
from patchyard.testing.windows.powershell.errors import (
    ComError,
    ErrorRecord,
    NetError,
    NetException,
    Thrown,
    failure,
    invocation_failure,
)
from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.textual import formatted, shown_of, text_of
from patchyard.testing.windows.powershell.values import (
    NOTHING,
    Char,
    EnumValue,
    Hashtable,
    NetType,
    Ordered,
    Partial,
    Record,
    Value,
)

if TYPE_CHECKING:
    from patchyard.testing.windows.powershell.runtime import Runtime

GET = "System.Management.Automation.GetValueInvocationException"
SET = "System.Management.Automation.SetValueInvocationException"
NOT_FOUND = "System.Management.Automation.PropertyNotFoundException"
INTRINSIC: dict[str, Callable[[Runtime, Value, list[Value]], Value]] = {}
"""Methods that every object has, by lower-case name."""

VIEWS: dict[str, Callable[[Value], Value]] = {}
"""Properties that every object has, by lower-case name."""


def get_member(rt: Runtime, target: Value, name: str) -> Value:
    """Return a property; of an array, that property of its elements.

    Raises:
        Thrown: there is none, and the strict mode is on; or reading it failed.
        NotSimulated: it may exist on real Windows, and is not known here.
    """
    if isinstance(target, Hashtable | Record) and name in target:
        return target[name]
    if target is None:
        return _missing(rt, name)
    if name.lower() in VIEWS:
        return VIEWS[name.lower()](target)
    read = kinds.info_of(target).find("properties", name)
    if read is not None:
        return _guarded_get(read, target, name)
    items = elements(target)
    if items is not None:
        return _enumerated(rt, items, name)
    if isinstance(target, Partial | NetObject):
        raise NotSimulated(f"the property {name} of {label_of(target)}")
    return _missing(rt, name, scalar=True)


def label_of(target: Value) -> str:
    """Return what errors call an object's type."""
    if isinstance(target, Record):
        return target.kind
    info: NetInfo = kinds.info_of(target)
    return info.label


def _missing(rt: Runtime, name: str, *, scalar: bool = False) -> Value:
    if rt.strict:
        raise failure(
            f"The property '{name}' cannot be found on this object. "
            "Verify that the property exists.",
            NOT_FOUND,
            error_id="PropertyNotFoundStrict",
        )
    if name.lower() in {"count", "length"}:
        return 1 if scalar else 0
    return None


def _guarded_get(read: Callable[[Value], Value], target: Value, name: str) -> Value:
    try:
        return read(target)
    except ComError as error:
        raise invocation_failure(name, 0, error) from None
    except NetError as error:
        inner = error.exception
        message = f'Exception getting "{name}": "{inner.message}"'
        raise Thrown(ErrorRecord(NetException(GET, message, None, inner))) from None


def _enumerated(rt: Runtime, items: list[Value], name: str) -> Value:
    found: list[Value] = []
    for item in items:
        if not has_member(item, name):
            continue
        value = get_member(rt, item, name)
        more = elements(value)
        found += [value] if more is None else more
    if not found:
        return _missing(rt, name) if rt.strict else NOTHING
    return found[0] if len(found) == 1 else found


def has_member(target: Value, name: str) -> bool:
    """True where an object has a property of that name.

    Raises:
        NotSimulated: it may have one on real Windows, and is not known here.
    """
    if target is None:
        return False
    if isinstance(target, Hashtable | Record) and name in target:
        return True
    if kinds.info_of(target).find("properties", name):
        return True
    if isinstance(target, Partial | NetObject):
        raise NotSimulated(f"the property {name} of {label_of(target)}")
    return False


def set_member(target: Value, name: str, value: Value) -> None:
    """Set a property.

    Raises:
        Thrown: there is none that can be set, or setting it failed.
        NotSimulated: it may exist on real Windows, and is not known here.
    """
    if isinstance(target, Hashtable) or (isinstance(target, Record) and name in target):
        target[name] = value
        return
    if target is None or isinstance(target, Record) or not isinstance(target, NetObject):
        raise failure(
            f"The property '{name}' cannot be found on this object. "
            "Verify that the property exists and can be set.",
            error_id="PropertyNotFound",
        )
    write = target.net.find("setters", name)
    if write is None:
        raise NotSimulated(f"setting the property {name} of {label_of(target)}")
    try:
        write(target, value)
    except ComError as error:
        raise invocation_failure(name, 0, error) from None
    except NetError as error:
        inner = error.exception
        message = f'Exception setting "{name}": "{inner.message}"'
        raise Thrown(ErrorRecord(NetException(SET, message, None, inner))) from None


def call(rt: Runtime, target: Value, name: str, arguments: list[Value]) -> Value:
    """Call a method.

    Raises:
        Thrown: the object is $null, or the method failed.
        NotSimulated: the method is not known.
    """
    if target is None:
        raise failure(
            "You cannot call a method on a null-valued expression.", error_id="InvokeMethodOnNull"
        )
    method = kinds.info_of(target).find("methods", name)
    if method is not None:
        return guarded(name, len(arguments), lambda: method(target, rt, *arguments))
    if name.lower() in INTRINSIC:
        return INTRINSIC[name.lower()](rt, target, arguments)
    items = elements(target)
    if items is not None and items:
        found = [call(rt, item, name, arguments) for item in items]
        return [item for item in found if item is not NOTHING] or NOTHING
    raise NotSimulated(f"the method {name} of {label_of(target)}")


def guarded(name: str, count: int, run: Callable[[], Value]) -> Value:
    """Run something of .NET's, and turn what it raises into an error of the script.

    Raises:
        Thrown: it failed.
        NotSimulated: it was called with a number of arguments that is not known.
    """
    try:
        return run()
    except NetError as error:
        raise invocation_failure(name, count, error) from None
    except TypeError as error:
        if "positional argument" in str(error):
            raise NotSimulated(f"{name} with {count} arguments") from error
        raise


def get_static(rt: Runtime, target: Value, name: str) -> Value:
    """Return a static property.

    Raises:
        NotSimulated: it is not known.
    """
    info = _static_type(target)
    read = info.find("static_properties", name)
    if read is None:
        raise NotSimulated(f"[{info.name}]::{name}")
    return guarded(name, 0, lambda: read(rt))


def call_static(rt: Runtime, target: Value, name: str, arguments: list[Value]) -> Value:
    """Call a static method, or with `new` a constructor.

    Raises:
        NotSimulated: it is not known.
    """
    info = _static_type(target)
    method = info.construct if name.lower() == "new" else info.find("statics", name)
    if method is None:
        raise NotSimulated(f"[{info.name}]::{name}()")
    found = method
    return guarded(name, len(arguments), lambda: found(rt, *arguments))


def _static_type(target: Value) -> NetInfo:
    if not isinstance(target, NetType):
        raise NotSimulated(f":: after {text_of(target)}")
    info = kinds.find_type(target.name)
    if info is None:
        raise NotSimulated(f"the type [{target.name}]")
    return info


def get_index(rt: Runtime, target: Value, index: Value) -> Value:
    """Return an element, or with several indexes a list of them.

    Raises:
        Thrown: there is nothing to index, or no such element and the strict mode is on.
    """
    if target is None:
        raise failure("Cannot index into a null array.", error_id="NullArray")
    if isinstance(target, Ordered) and isinstance(index, int) and not isinstance(index, bool):
        return target.values()[index] if -len(target) <= index < len(target) else None
    if isinstance(target, Hashtable):
        return target.get(index)
    if isinstance(target, str):
        target = [Char(char) for char in target]
    own = getattr(target, "get_item", None)
    if own is not None:
        return guarded("Item", 1, lambda: own(index))
    items = elements(target)
    if items is None:
        if not rt.strict and index in (0, -1):
            return target
        raise failure(
            f"Unable to index into an object of type {kinds.type_name_of(target)}.",
            error_id="CannotIndex",
        )
    several = elements(index)
    if several is not None:
        chosen = (to_int(one) for one in several)
        return [items[one] for one in chosen if -len(items) <= one < len(items)]
    return _element(rt, items, to_int(index))


def _element(rt: Runtime, items: list[Value], index: int) -> Value:
    if -len(items) <= index < len(items):
        return items[index]
    if rt.strict:
        raise failure(
            "Index was outside the bounds of the array.",
            "System.IndexOutOfRangeException",
            error_id="System.IndexOutOfRangeException",
        )
    return None


def set_index(target: Value, index: Value, value: Value) -> None:
    """Set an element.

    Raises:
        Thrown: there is no such element.
        NotSimulated: the object is not known to take elements.
    """
    if target is None:
        raise failure("Cannot index into a null array.", error_id="NullArray")
    if isinstance(target, Ordered) and isinstance(index, int):
        raise NotSimulated("setting an element of an ordered dictionary by its place")
    if isinstance(target, Hashtable):
        if index is None:
            raise failure(
                "Array operation failed. Index operation failed; the array index "
                "evaluated to null.",
                error_id="NullArrayIndex",
            )
        target[index] = value
        return
    own = getattr(target, "set_item", None)
    if own is not None:
        guarded("Item", 2, lambda: own(index, value))
        return
    if not isinstance(target, list | bytearray):
        raise NotSimulated(f"setting an element of {label_of(target)}")
    at = to_int(index)
    if not -len(target) <= at < len(target):
        raise failure(
            "Index was outside the bounds of the array.",
            "System.IndexOutOfRangeException",
            error_id="System.IndexOutOfRangeException",
        )
    target[at] = convert(value, "byte") if isinstance(target, bytearray) else value


def _get_type(_rt: Runtime, target: Value, _arguments: list[Value]) -> Value:
    return NetType(kinds.type_name_of(target))


def _to_string(_rt: Runtime, target: Value, arguments: list[Value]) -> Value:

    if isinstance(target, Record):
        raise NotSimulated("ToString of a custom object")
    if not arguments:
        return shown_of(target)
    return formatted(target, text_of(arguments[0]))


def _equals(_rt: Runtime, target: Value, arguments: list[Value]) -> Value:
    other = arguments[0]
    if isinstance(target, str | int | EnumValue):
        return type(target) is type(other) and target == other
    return target is other or target == other


def _compare_to(_rt: Runtime, target: Value, arguments: list[Value]) -> Value:

    return order(target, arguments[0])


INTRINSIC.update(
    {"gettype": _get_type, "tostring": _to_string, "equals": _equals, "compareto": _compare_to}
)


@kinds.TYPE.property("FullName")
def _full_name(target: NetType) -> Value:
    return target.name


@kinds.TYPE.property("Name")
def _short_name(target: NetType) -> Value:
    return target.name.rpartition(".")[2]


@kinds.ARRAY.property("Length")
@kinds.ARRAY.property("Count")
@kinds.BYTES.property("Length")
@kinds.BYTES.property("Count")
def _length(target: Value) -> Value:
    return len(target)
