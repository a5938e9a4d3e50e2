"""Get-WinEvent."""

from __future__ import annotations

from collections.abc import Iterable

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.events import LEVELS, LOGS, Event
from patchyard.testing.windows.host.inside import Inside
from patchyard.testing.windows.host.net.common import when
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.command import Call, Commands
from patchyard.testing.windows.powershell.compare import like
from patchyard.testing.windows.powershell.convert import convert, elements, to_int
from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import Byte, Hashtable, Int64, Value

TABLE = Commands()
KNOWN = {"logname", "providername", "id", "level", "starttime", "endtime"}
NONE_FOUND = "No events were found that match the specified selection criteria."


class EventObject(NetObject):
    """System.Diagnostics.Eventing.Reader.EventLogRecord."""

    net = NetInfo("System.Diagnostics.Eventing.Reader.EventLogRecord", base=kinds.OBJECT)

    def __init__(self, inside: Inside, event: Event) -> None:
        self.inside, self.event = inside, event

    net.property("Id")(lambda target: target.event.id)
    net.property("LogName")(lambda target: target.event.log)
    net.property("ProviderName")(lambda target: target.event.provider)
    net.property("Level")(lambda target: Byte(target.event.level))
    net.property("LevelDisplayName")(lambda target: LEVELS[target.event.level])
    net.property("TimeCreated")(lambda target: when(target.event.time).local())
    net.property("Message")(lambda target: target.event.message)
    net.property("RecordId")(lambda target: Int64(target.event.record))


class EventProperty(NetObject):
    """System.Diagnostics.Eventing.Reader.EventProperty."""

    net = NetInfo("System.Diagnostics.Eventing.Reader.EventProperty", base=kinds.OBJECT)

    def __init__(self, value: str) -> None:
        self.value = value

    net.property("Value")(lambda target: target.value)


@EventObject.net.property("Properties")
def _properties(target: EventObject) -> Value:
    return [EventProperty(value) for value in target.event.properties]


def _all(value: Value) -> list[Value]:
    found = elements(value)
    return [value] if found is None else found


@TABLE.add(
    "Get-WinEvent",
    "FilterHashtable LogName:string[]@0 MaxEvents:long FilterXPath:string "
    "FilterXml:string ProviderName:string[] Oldest:switch",
)
def get_win_event(call: Call) -> Iterable[Value]:
    """Return records, the newest first; none at all is an error."""
    if call.has("filterxpath") or call.has("filterxml"):
        raise NotSimulated("Get-WinEvent by XPath or XML")
    wanted = _filter(call)
    records = call.around.computer.events.records
    found = [e for e in list(records) if _fits(e, wanted)]
    if not call.flag("oldest"):
        found.reverse()
    if call.has("maxevents"):
        found = found[: to_int(call.get("maxevents"))]
    if not found:
        call.fail(
            "System.Exception",
            NONE_FOUND,
            error_id="NoMatchingEventsFound",
            category="ObjectNotFound",
        )
    return [EventObject(call.around, event) for event in found]


def _filter(call: Call) -> dict[str, Value]:
    table = call.get("filterhashtable")
    if not isinstance(table, Hashtable):
        table = Hashtable([("LogName", call.get("logname"))])
        if call.has("providername"):
            table["ProviderName"] = call.get("providername")
    wanted = {text_of(key).lower(): value for key, value in table.items() if value is not None}
    unknown = set(wanted) - KNOWN
    if unknown:
        raise NotSimulated(f"Get-WinEvent -FilterHashtable with {min(unknown)}")
    for log in _all(wanted.get("logname", [])):
        if text_of(log).lower() not in {known.lower() for known in LOGS}:
            raise NotSimulated(f"the event log {text_of(log)!r}")
    return wanted


def _fits(event: Event, wanted: dict[str, Value]) -> bool:
    shown = {"logname": event.log, "providername": event.provider}
    for name, value in shown.items():
        if name in wanted and not any(like(value, one) for one in _all(wanted[name])):
            return False
    for name, number in (("id", event.id), ("level", event.level)):
        if name in wanted and number not in {to_int(one) for one in _all(wanted[name])}:
            return False
    moment = when(event.time).ticks
    if "starttime" in wanted and moment < convert(wanted["starttime"], "datetime").utc().ticks:
        return False
    return not ("endtime" in wanted and moment > convert(wanted["endtime"], "datetime").utc().ticks)
