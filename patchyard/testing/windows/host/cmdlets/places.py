"""Paths of the providers: which one a path belongs to, and the errors of paths not there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.inside import Inside
from patchyard.testing.windows.host.registry import Key
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.command import Call
from patchyard.testing.windows.powershell.convert import elements
from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import (
    Int64,
    Record,
    TypedArray,
    Value,
)

NOT_FOUND = "System.Management.Automation.ItemNotFoundException"
HIVES = (
    "hklm:",
    "hkey_local_machine",
    "registry::hkey_local_machine",
    "microsoft.powershell.core\\registry::hkey_local_machine",
)
OTHER_DRIVES = re.compile(r"(hkcu|hkcr|hku|cert|function|variable|alias|wsman|env):", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """A path and the provider that it belongs to."""

    kind: Literal["registry", "file", "environment"]
    path: str
    given: str


def place_of(path: str) -> Place:
    """Return where a path leads.

    Raises:
        NotSimulated: its provider or drive is not known.
    """
    plain = path.replace("/", "\\")
    lower = plain.lower()
    for hive in HIVES:
        if lower == hive or lower.startswith(f"{hive}\\"):
            return Place("registry", plain[len(hive) :].strip("\\"), path)
    if lower.startswith("env:"):
        return Place("environment", plain[4:].strip("\\"), path)
    if OTHER_DRIVES.match(plain) or not re.match(r"(?:c:|filesystem::c:)(?:\\|$)", lower):
        raise NotSimulated(f"the path {path!r}")
    return Place("file", re.sub("(?i)^filesystem::", "", plain).rstrip("\\"), path)


def paths_of(call: Call, *names: str) -> list[str]:
    """Return the paths that a cmdlet was given, by its parameters or through the pipeline."""
    if call.piped and call.items:
        return [path_text(item) for item in call.items]
    for name in names or ("literalpath", "path"):
        value = call.get(name)
        if value is None:
            continue
        found = elements(value)
        return [path_text(item) for item in ([value] if found is None else found)]
    return []


def path_text(item: Value) -> str:
    """Return the path of an object that a cmdlet gave, or of a string."""
    if isinstance(item, RegistryKey):
        return f"HKLM:\\{item.path}"
    if isinstance(item, Record) and "PSPath" in item:
        return text_of(item["PSPath"])
    return text_of(item)


def literal(call: Call) -> bool:
    """True where wildcards in a path stand for themselves."""
    return call.has("literalpath")


def missing(call: Call, path: str) -> None:
    """Report a path that is not there."""
    call.fail(
        NOT_FOUND,
        f"Cannot find path '{path}' because it does not exist.",
        error_id="PathNotFound",
        category="ObjectNotFound",
        target=path,
    )


def data_value(kind: str, data: Value) -> Value:
    """Return a registry value's data as PowerShell sees it: a DWord is an Int32 with a sign."""
    if kind == "DWord":
        number = int(data) & 0xFFFFFFFF
        return number - (1 << 32) if number >> 31 else number
    if kind == "QWord":
        return Int64(data)
    if kind == "MultiString":
        return TypedArray(list(data), "System.String")
    if kind == "Binary":
        return bytearray(data if isinstance(data, bytes) else bytes(data))
    return data


class RegistryKey(NetObject):
    """Microsoft.Win32.RegistryKey."""

    net = NetInfo("Microsoft.Win32.RegistryKey", base=kinds.OBJECT)

    def __init__(self, inside: Inside, path: str, key: Key) -> None:
        self.inside, self.path, self.key = inside, path, key

    def shown(self) -> str:
        """Return what ToString gives."""
        return f"HKEY_LOCAL_MACHINE\\{self.path}"

    net.property("Name")(lambda target: target.shown())
    net.property("PSChildName")(lambda target: target.key.name)
    net.property("PSPath")(lambda target: f"Microsoft.PowerShell.Core\\Registry::{target.shown()}")

    @net.property("Property")
    def _property(self) -> Value:
        return TypedArray([name for name, _, _ in self.key.values.values()], "System.String")

    @net.property("SubKeyCount")
    def _sub_key_count(self) -> Value:
        return len(self.inside.computer.registry.children(self.path))

    @net.property("ValueCount")
    def _value_count(self) -> Value:
        return len(self.key.values)

    @net.method("GetValue")
    def _get_value(self, _rt: Value, name: Value, default: Value = None) -> Value:
        found = self.key.values.get(text_of(name).lower())
        return default if found is None else data_value(found[1], found[2])

    @net.method("GetValueNames")
    def _value_names(self, _rt: Value) -> Value:
        return self._property()

    @net.method("GetSubKeyNames")
    def _sub_key_names(self, _rt: Value) -> Value:
        return TypedArray(self.inside.computer.registry.children(self.path), "System.String")

    @net.method("GetValueKind")
    def _value_kind(self, _rt: Value, name: Value) -> Value:
        return self.key.values[text_of(name).lower()][1]

    @net.method("Close")
    def _close(self, _rt: Value) -> Value:
        return None
