"""What `.PSObject` of an object shows: its properties by name."""

from __future__ import annotations

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.members import VIEWS, has_member, label_of
from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import NOTHING, Partial, Record, Value


class PropertyBag(NetObject):
    """What `.PSObject` of an object gives: its properties by name."""

    net = NetInfo("System.Management.Automation.PSMemberSet", label="PSObject")

    def __init__(self, target: Value) -> None:
        self.target = target

    @net.property("Properties")
    def _properties(self) -> Value:
        return Properties(self.target)

    @net.property("TypeNames")
    def _type_names(self) -> Value:
        target = self.target
        return [target.kind if isinstance(target, Record) else kinds.type_name_of(target)]


class Properties(NetObject):
    """The properties of an object, found by name or one after the other."""

    net = NetInfo("System.Management.Automation.PSMemberInfoCollection", label="Properties")

    def __init__(self, target: Value) -> None:
        self.target = target

    def enumerate(self) -> list[Value] | None:
        """Return the properties, in order.

        Raises:
            NotSimulated: not all of them are known.
        """
        if not isinstance(self.target, Record) or isinstance(self.target, Partial):
            raise NotSimulated(f"all properties of {label_of(self.target)}")
        return [NoteProperty(self.target, name) for name in self.target]

    def get_item(self, name: Value) -> Value:
        """Return one property, or $null."""
        text = text_of(name)
        if isinstance(self.target, Record) and not isinstance(self.target, Partial):
            return NoteProperty(self.target, text) if text in self.target else None
        read = kinds.info_of(self.target).find("properties", text)
        if read is None and not isinstance(self.target, Partial):
            return None
        found = has_member(self.target, text)
        return NoteProperty(self.target, text) if found else None

    @net.method("Remove")
    def _remove(self, _rt: Value, name: Value) -> Value:
        if text_of(name) in self.target:
            del self.target[text_of(name)]
        return NOTHING

    @net.method("Add")
    def _add(self, _rt: Value, item: Value) -> Value:
        if not isinstance(item, NoteProperty) or not isinstance(self.target, Record):
            raise NotSimulated("Properties.Add of anything but a PSNoteProperty")
        self.target[item.name] = item.value
        return NOTHING


class NoteProperty(NetObject):
    """One property of an object, or one to be added."""

    net = NetInfo(
        "System.Management.Automation.PSNoteProperty",
        "psnoteproperty",
        "management.automation.psnoteproperty",
    )

    def __init__(self, target: Value, name: str) -> None:
        self.target = target
        self.name = name
        self.value: Value = None
        if isinstance(target, Record):
            self.name = next((n for n in target if n.lower() == name.lower()), name)

    @net.property("Name")
    def _name(self) -> str:
        return self.name

    @net.property("Value")
    def _value(self) -> Value:
        if self.target is None:
            return self.value
        if isinstance(self.target, Record):
            return self.target[self.name]
        read = kinds.info_of(self.target).find("properties", self.name)
        return read(self.target) if read else None

    @net.setter("Value")
    def _set_value(self, value: Value) -> None:
        if not isinstance(self.target, Record):
            raise NotSimulated("setting a property through PSObject")
        self.target[self.name] = value


@NoteProperty.net.constructor
def _new_note(_rt: Value, name: Value, value: Value) -> Value:
    made = NoteProperty(None, text_of(name))
    made.value = value
    return made


VIEWS["psobject"] = PropertyBag
