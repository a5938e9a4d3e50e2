"""Get-ItemProperty and its like: the values of registry keys."""

from __future__ import annotations

from collections.abc import Iterable

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.cmdlets.places import (
    RegistryKey,
    data_value,
    missing,
    paths_of,
    place_of,
)
from patchyard.testing.windows.host.registry import KINDS
from patchyard.testing.windows.powershell.command import Call, Commands
from patchyard.testing.windows.powershell.compare import like
from patchyard.testing.windows.powershell.convert import elements, to_int
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import Record, Value

TABLE = Commands()
PATH = "Path:string[]@0| LiteralPath:string[] Name:string[]@1"
NO_PROPERTY = "System.Management.Automation.PSArgumentException"
PROVIDER = ("PSPath", "PSParentPath", "PSChildName", "PSDrive", "PSProvider")


def _key(call: Call, path: str) -> RegistryKey | None:
    place = place_of(path)
    if place.kind != "registry":
        raise NotSimulated(f"the properties of {path!r}, which is no registry key")
    key = call.around.computer.registry.key(place.path)
    if key is None:
        missing(call, path)
        return None
    return RegistryKey(call.around, place.path, key)


def _no_property(call: Call, name: str, path: str) -> None:
    call.fail(
        NO_PROPERTY,
        f"Property {name} does not exist at path {path}.",
        error_id="System.Management.Automation.PSArgumentException",
        category="InvalidArgument",
        target=name,
    )


def _wanted(call: Call, key: RegistryKey) -> list[tuple[str, Value]]:
    names = call.texts("name")
    values = list(key.key.values.values())
    if not names:
        return [(name, data_value(kind, data)) for name, kind, data in values]
    found: list[tuple[str, Value]] = []
    for wanted in names:
        matching = [v for v in values if like(v[0], wanted)]
        if not matching and "*" not in wanted:
            _no_property(call, wanted, key.shown())
        found += [(name, data_value(kind, data)) for name, kind, data in matching]
    return found


@TABLE.add("Get-ItemProperty", PATH, each=True)
def get_item_property(call: Call) -> Iterable[Value]:
    """Return values of a key as one object; a key without any gives nothing."""
    for path in paths_of(call):
        key = _key(call, path)
        values = _wanted(call, key) if key is not None else []
        if key is not None and values:
            made = Record(values)
            shown = f"Microsoft.PowerShell.Core\\Registry::{key.shown()}"
            for name, text in zip(
                PROVIDER,
                (
                    shown,
                    shown.rpartition("\\")[0],
                    key.key.name,
                    "HKLM",
                    "Microsoft.PowerShell.Core\\Registry",
                ),
                strict=True,
            ):
                made[name] = text
            yield made


@TABLE.add("Get-ItemPropertyValue", PATH, each=True)
def get_item_property_value(call: Call) -> Iterable[Value]:
    """Return the data of values of a key."""
    for path in paths_of(call):
        key = _key(call, path)
        for _, value in _wanted(call, key) if key is not None else []:
            found = elements(value)
            yield from [value] if found is None else found


@TABLE.add(
    "Set-ItemProperty", f"{PATH} Value@2 Type:string PropertyType:string Force:switch", each=True
)
@TABLE.add(
    "New-ItemProperty", f"{PATH} Value@2 Type:string PropertyType:string Force:switch", each=True
)
def set_item_property(call: Call) -> Iterable[Value]:
    """Set a value of a key."""
    for path in paths_of(call):
        key = _key(call, path)
        if key is None:
            continue
        name = call.texts("name")[0]
        new = call.cmdlet.name == "New-ItemProperty"
        if new and name.lower() in key.key.values and not call.flag("force"):
            call.fail(
                "System.IO.IOException",
                "The property already exists.",
                error_id="System.IO.IOException",
                category="ResourceExists",
            )
            continue
        kind = _kind(call)
        call.around.computer.registry.set(key.path, name, _data(call.get("value"), kind), kind)
        if new:
            yield Record([(name, call.get("value"))])


def _kind(call: Call) -> str:
    given = call.text("propertytype") or call.text("type")
    if not given:
        value = call.get("value")
        given = "DWord" if isinstance(value, int) and not isinstance(value, bool) else "String"
    found = next((kind for kind in KINDS if kind.lower() == given.lower()), None)
    if found is None:
        raise NotSimulated(f"a registry value of the type {given}")
    return found


def _data(value: Value, kind: str) -> object:
    if kind in {"DWord", "QWord"}:
        return int(value) if isinstance(value, int) else to_int(value)
    if kind == "MultiString":
        found = elements(value)
        return [text_of(item) for item in ([value] if found is None else found)]
    if kind == "Binary":
        return list(value)
    return text_of(value)


@TABLE.add("Remove-ItemProperty", f"{PATH} Force:switch", each=True)
def remove_item_property(call: Call) -> None:
    """Delete values of a key."""
    for path in paths_of(call):
        key = _key(call, path)
        for name in call.texts("name") if key is not None else []:
            if key is not None and not call.around.computer.registry.delete(key.path, name):
                _no_property(call, name, key.shown())
