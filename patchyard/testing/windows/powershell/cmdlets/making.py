"""Cmdlets that make objects."""

from __future__ import annotations

import random
from collections.abc import Iterable

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.command import Call, Commands
from patchyard.testing.windows.powershell.convert import convert, elements, to_int
from patchyard.testing.windows.powershell.dates import SECOND, DateTime, TimeSpan
from patchyard.testing.windows.powershell.errors import NetError
from patchyard.testing.windows.powershell.members import guarded, set_member
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import Hashtable, Record, Value

TABLE = Commands()
CLASS_NOT_REGISTERED = 0x80040154


@TABLE.add("New-Object", "TypeName:string@0 ArgumentList@1 ComObject:string Property Strict:switch")
def new_object(call: Call) -> Iterable[Value]:
    """Make an object of a .NET type, or a COM object."""
    if call.has("comobject"):
        made = call.attempt(lambda: [call.around.com(call.text("comobject"))])
    else:
        made = [_of_type(call, call.text("typename"))]
    properties = call.get("property")
    for one in made:
        for name, value in properties.items() if properties is not None else ():
            set_member(one, text_of(name), value)
    return made


def _of_type(call: Call, name: str) -> Value:
    if name.lower() in {"psobject", "pscustomobject", "system.management.automation.psobject"}:
        properties = call.get("property")
        made = Record()
        for key in properties if isinstance(properties, Hashtable) else ():
            made[key] = None
        return made
    value = call.get("argumentlist")
    arguments = elements(value)
    given = ([] if value is None else [value]) if arguments is None else list(arguments)
    if name.endswith("[]") and len(given) == 1:
        return (
            convert([None] * to_int(given[0]), name)
            if name != "byte[]"
            else bytearray(to_int(given[0]))
        )
    info = kinds.find_type(name)
    if info is None or info.construct is None:
        raise NotSimulated(f"New-Object {name}")
    make = info.construct
    return guarded(".ctor", len(given), lambda: make(call.rt, *given))


@TABLE.add(
    "Add-Member",
    "InputObject| MemberType:string@0 Name:string@1 Value@2 "
    "NotePropertyName:string NotePropertyValue NotePropertyMembers Force:switch "
    "PassThru:switch",
    each=True,
)
def add_member(call: Call) -> Iterable[Value]:
    """Add note properties to custom objects."""
    for item in call.given("inputobject"):
        if not isinstance(item, Record):
            raise NotSimulated("Add-Member to anything but a custom object")
        for name, value in _members(call):
            if name in item and not call.flag("force"):
                call.fail(
                    "System.InvalidOperationException",
                    f'Cannot add a member with the name "{name}" because a member with that name '
                    "already exists.",
                    error_id="MemberAlreadyExists",
                )
                continue
            item[name] = value
        if call.flag("passthru"):
            yield item


def _members(call: Call) -> list[tuple[str, Value]]:
    if call.has("notepropertymembers"):
        return [(text_of(key), value) for key, value in call.get("notepropertymembers").items()]
    if call.has("notepropertyname"):
        return [(call.text("notepropertyname"), call.get("notepropertyvalue"))]
    if call.text("membertype").lower() != "noteproperty":
        raise NotSimulated(f"Add-Member -MemberType {call.text('membertype')}")
    return [(call.text("name"), call.get("value"))]


@TABLE.add(
    "Get-Date",
    "Date@0| Format:string UFormat:string Year:int Month:int Day:int Hour:int "
    "Minute:int Second:int",
)
def get_date(call: Call) -> Iterable[Value]:
    """Return the computer's own time, or a date that is given."""
    parts = [n for n in ("year", "month", "day", "hour", "minute", "second") if call.has(n)]
    if parts or call.has("uformat"):
        raise NotSimulated(f"Get-Date -{(parts or ['UFormat'])[0]}")
    given = call.given("date")
    now = DateTime.of(call.around.now()).local()
    date: DateTime = convert(given[0], "datetime") if given else now
    if call.has("format"):
        return [date.format(call.text("format"))]
    return [DateTime(date.ticks, date.kind, noted=True)]


@TABLE.add("Start-Sleep", "Seconds@0 Milliseconds:int")
def start_sleep(call: Call) -> None:
    """Wait, on the computer's own clock."""
    # In 5.1 -Seconds is an Int32: 0.5 is rounded to 0.
    seconds = (
        call.number("milliseconds") / 1000
        if call.has("milliseconds")
        else float(call.number("seconds"))
    )
    call.around.sleep(seconds)


@TABLE.add("New-TimeSpan", "Start@0 End@1 Days:int Hours:int Minutes:int Seconds:int")
def new_time_span(call: Call) -> Iterable[Value]:
    """Return a span of time."""
    if call.has("start") or call.has("end"):
        now = DateTime.of(call.around.now()).local()
        start = convert(call.get("start", now), "datetime")
        end = convert(call.get("end", now), "datetime")
        return [TimeSpan(end.ticks - start.ticks)]
    hours = call.number("days") * 24 + call.number("hours")
    minutes = hours * 60 + call.number("minutes")
    return [TimeSpan((minutes * 60 + call.number("seconds")) * SECOND)]


@TABLE.add("Get-Random", "InputObject@0| Minimum:int Maximum:int Count:int")
def get_random(call: Call) -> Iterable[Value]:
    """Return a number at random."""
    if call.piped or call.has("inputobject") or call.has("count"):
        raise NotSimulated("Get-Random but for one number")
    top = call.number("maximum", (1 << 31) - 1)
    return [random.randrange(call.number("minimum"), top)]  # noqa: S311 - no secret


@TABLE.add("New-Guid")
def new_guid(_call: Call) -> Iterable[Value]:
    """Return a GUID."""
    info = kinds.find_type("guid")
    if info is None:
        raise NetError("System.TypeLoadException", "guid")
    return [info.statics["newguid"][1](None)]
