"""Test-Path, Get-Item and their like, on the registry and the file system."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.access import Security
from patchyard.testing.windows.host.cmdlets.places import (
    Place,
    RegistryKey,
    literal,
    missing,
    path_text,
    paths_of,
    place_of,
)
from patchyard.testing.windows.host.net.items import ItemInfo
from patchyard.testing.windows.powershell.command import Call, Commands
from patchyard.testing.windows.powershell.compare import like
from patchyard.testing.windows.powershell.errors import NetError
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import NotedText, Record, Value

TABLE = Commands()
PATH = "Path:string[]@0| LiteralPath:string[]"
EXISTS = "System.IO.IOException"


def _found(call: Call, place: Place) -> Value:
    """Return what lies at a place, or None."""
    computer = call.around.computer
    if place.kind == "registry":
        key = computer.registry.key(place.path)
        return None if key is None else RegistryKey(call.around, place.path, key)
    if place.kind == "environment":
        value = call.around.variable(place.path)
        if value is None:
            return None
        return Record(
            [("Name", place.path), ("Value", value)], "System.Collections.DictionaryEntry"
        )
    node = computer.files.find(place.path)
    return None if node is None else ItemInfo(call.around, node)


def _is_pattern(call: Call, path: str) -> bool:
    return not literal(call) and any(char in path for char in "*?[")


def expand(call: Call, path: str) -> list[Value]:
    """Return what a path leads to; wildcards may stand in its last part only.

    Raises:
        NotSimulated: they stand elsewhere.
    """
    if not _is_pattern(call, path):
        found = _found(call, place_of(path))
        return [] if found is None else [found]
    head, _, tail = path.replace("/", "\\").rpartition("\\")
    if any(char in head for char in "*?["):
        raise NotSimulated(f"a wildcard inside the path {path!r}")
    return [item for item in _children(call, place_of(head)) if like(_name(item), tail)]


def _name(item: Value) -> str:
    return item.key.name if isinstance(item, RegistryKey) else str(item.node.name)


def _children(call: Call, place: Place) -> list[Value]:
    computer = call.around.computer
    if place.kind == "registry":
        found: list[Value] = []
        for name in computer.registry.children(place.path):
            path = f"{place.path}\\{name}".strip("\\")
            found.append(RegistryKey(call.around, path, computer.registry.key(path)))
        return found
    return [ItemInfo(call.around, node) for node in computer.files.children(place.path)]


@TABLE.add("Test-Path", f"{PATH} PathType:string", each=True)
def test_path(call: Call) -> Iterable[Value]:
    """Tell whether something lies at a path."""
    for path in paths_of(call):
        if not path:
            raise NetError(
                "System.ArgumentException",
                "Cannot bind argument to parameter 'Path' because it is an empty string.",
            )
        found = expand(call, path)
        wanted = call.text("pathtype", "any").lower()
        if wanted != "any" and found:
            folder = isinstance(found[0], RegistryKey) or found[0].node.data is None
            found = found if folder == (wanted == "container") else []
        yield bool(found)


@TABLE.add("Get-Item", f"{PATH} Force:switch", each=True)
def get_item(call: Call) -> Iterable[Value]:
    """Return what lies at a path."""
    for path in paths_of(call):
        found = expand(call, path)
        if not found and not _is_pattern(call, path):
            missing(call, path)
        yield from found


@TABLE.add(
    "Get-ChildItem",
    f"{PATH} Filter:string@1 Recurse:switch Force:switch File:switch Directory:switch Name:switch",
    each=True,
)
def get_child_item(call: Call) -> Iterable[Value]:
    """Return what lies below a path."""
    for path in paths_of(call):
        if _is_pattern(call, path):
            yield from expand(call, path)
            continue
        place = place_of(path)
        if _found(call, place) is None:
            missing(call, path)
            continue
        yield from _below(call, place)


def _below(call: Call, place: Place) -> Iterable[Value]:
    for item in _children(call, place):
        folder = isinstance(item, RegistryKey) or item.node.data is None
        wanted = not (call.flag("file") and folder) and not (call.flag("directory") and not folder)
        if wanted and like(_name(item), call.text("filter", "*")):
            yield _name(item) if call.flag("name") else item
        if call.flag("recurse") and folder:
            inner = item.path if isinstance(item, RegistryKey) else item.node.path
            yield from _below(call, Place(place.kind, inner, inner))


@TABLE.add("New-Item", "Path:string[]@0 Name:string ItemType:string Value Force:switch")
def new_item(call: Call) -> Iterable[Value]:
    """Make a key, a folder or a file."""
    for given in call.texts("path"):
        path = f"{given}\\{call.text('name')}" if call.has("name") else given
        place = place_of(path)
        if _found(call, place) is not None and not call.flag("force"):
            call.fail(
                EXISTS,
                f"An item with the specified name {path} already exists.",
                error_id="DirectoryExist",
                category="ResourceExists",
            )
            continue
        _make(call, place)
        yield _found(call, place)


def _make(call: Call, place: Place) -> None:
    computer, around = call.around.computer, call.around
    if place.kind == "registry":
        parent = place.path.rpartition("\\")[0]
        if not computer.registry.exists(parent) and not call.flag("force"):
            raise NetError(EXISTS, "The registry key at the specified path does not exist.")
        computer.registry.make(place.path)
        return
    kind = call.text("itemtype", "file").lower()
    if kind in {"directory", "container"}:
        computer.files.make_folder(place.path, around.owner, around.time())
    elif kind == "file":
        data = text_of(call.get("value")).encode("utf-8")
        computer.files.write(place.path, data, around.owner, around.time())
    else:
        raise NotSimulated(f"New-Item -ItemType {kind}")


@TABLE.add("Remove-Item", f"{PATH} Recurse:switch Force:switch", each=True)
def remove_item(call: Call) -> None:
    """Remove what lies at a path."""
    for path in paths_of(call):
        found = expand(call, path)
        if not found and not _is_pattern(call, path):
            missing(call, path)
        for item in found:
            _remove(call, item)


def _remove(call: Call, item: Value) -> None:
    computer = call.around.computer
    if isinstance(item, RegistryKey):
        if computer.registry.children(item.path) and not call.flag("recurse"):
            raise NotSimulated("Remove-Item of a key with keys below, which asks without -Recurse")
        computer.registry.remove(item.path)
        return
    if isinstance(item, Record):
        call.around.set_variable(text_of(item["Name"]), None)
        return
    children = item.node.data is None and computer.files.children(item.node.path)
    if children and not call.flag("recurse"):
        raise NotSimulated("Remove-Item of a folder with content, which asks without -Recurse")
    computer.files.remove(item.node.path)


@TABLE.add("Copy-Item", f"{PATH} Destination:string@1 Force:switch")
def copy_item(call: Call) -> None:
    """Copy a file."""
    files = call.around.computer.files
    for path in paths_of(call):
        target = call.text("destination")
        if files.is_folder(target):
            target = f"{target}\\{path.rpartition(chr(92))[2]}"
        if not files.is_file(path):
            missing(call, path)
            continue
        files.write(target, files.read(path), call.around.owner, call.around.time())


@TABLE.add("Move-Item", f"{PATH} Destination:string@1 Force:switch")
def move_item(call: Call) -> None:
    """Move a file or a folder; with -Force over a file that is there."""
    files = call.around.computer.files
    for path in paths_of(call):
        target = call.text("destination")
        if files.find(path) is None:
            missing(call, path)
            continue
        if files.is_folder(target):
            target = f"{target}\\{path.rpartition(chr(92))[2]}"
        if files.find(target) is not None:
            if not call.flag("force"):
                call.fail(
                    EXISTS,
                    "Cannot create a file when that file already exists.\r\n",
                    hresult=0x800700B7,
                )
                continue
            files.remove(target)
        files.move(path, target)


@TABLE.add("Get-Content", f"{PATH} Raw:switch Encoding:string TotalCount:int Tail:int", each=True)
def get_content(call: Call) -> Iterable[Value]:
    """Return a file's text, which carries note properties in 5.1."""
    for path in paths_of(call):
        files = call.around.computer.files
        if not files.is_file(place_of(path).path):
            missing(call, path)
            continue
        encoding = call.text("encoding", "utf8").lower()
        if encoding not in {"utf8", "ascii", "default"}:
            raise NotSimulated(f"Get-Content -Encoding {encoding}")
        text = files.read(path).decode("utf-8-sig", "replace")
        if call.flag("raw"):
            yield NotedText(text)
            continue
        lines = text.splitlines()
        lines = lines[: call.number("totalcount")] if call.has("totalcount") else lines
        lines = lines[-call.number("tail") :] if call.has("tail") else lines
        yield from (NotedText(line) for line in lines)


@TABLE.add(
    "Set-Content",
    "Path:string[]@0 LiteralPath:string[] Value@1| Encoding:string NoNewline:switch Force:switch",
)
def set_content(call: Call) -> None:
    """Write a file; 5.1 has no UTF-8 without a mark here."""
    encoding = call.text("encoding").lower()
    if encoding != "ascii":
        raise NotSimulated("Set-Content: 5.1 writes ANSI or UTF-8 with a mark; use [IO.File]")
    lines = [text_of(item) for item in (call.items if call.piped else [call.get("value")])]
    end = "" if call.flag("nonewline") else "\r\n"
    data = "".join(f"{line}{end}" for line in lines).encode("ascii", "replace")
    for path in call.texts("literalpath") or call.texts("path"):
        call.around.computer.files.write(path, data, call.around.owner, call.around.time())


@TABLE.add("Resolve-Path", PATH)
def resolve_path(call: Call) -> Iterable[Value]:
    """Return a path that is there."""
    for path in paths_of(call):
        found = expand(call, path)
        if not found:
            missing(call, path)
        for item in found:
            shown = path_text(item)
            yield Record(
                [("Path", shown), ("ProviderPath", shown)], "System.Management.Automation.PathInfo"
            )


@TABLE.add("Get-Acl", PATH, each=True)
def get_acl(call: Call) -> Iterable[Value]:
    """Return what protects a file or a folder."""
    for path in paths_of(call):
        node = call.around.computer.files.find(place_of(path).path)
        if node is None:
            missing(call, path)
        else:
            yield Security.of(node)


@TABLE.add("Set-Acl", "Path:string[]@0 LiteralPath:string[] AclObject@1")
def set_acl(call: Call) -> None:
    """Let an object protect a file or a folder."""
    for path in call.texts("literalpath") or call.texts("path"):
        node = call.around.computer.files.find(place_of(path).path)
        if node is None:
            missing(call, path)
        else:
            call.get("aclobject").apply(node)


@TABLE.add("Get-FileHash", f"{PATH} Algorithm:string InputStream", each=True)
def get_file_hash(call: Call) -> Iterable[Value]:
    """Return a file's hash."""
    if call.text("algorithm", "sha256").lower() != "sha256" or call.has("inputstream"):
        raise NotSimulated("Get-FileHash but for a file by SHA256")
    for path in paths_of(call):
        files = call.around.computer.files
        if not files.is_file(place_of(path).path):
            missing(call, path)
            continue
        digest = hashlib.sha256(files.read(path)).hexdigest().upper()
        yield Record(
            [("Algorithm", "SHA256"), ("Hash", digest), ("Path", path)],
            "Microsoft.Powershell.Utility.FileHash",
        )
