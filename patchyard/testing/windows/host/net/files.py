"""System.IO: File, Directory, Path, DriveInfo, FileStream."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.files import not_found
from patchyard.testing.windows.host.net.common import full_path, inside_of, when
from patchyard.testing.windows.host.net.items import ItemInfo
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.compare import like
from patchyard.testing.windows.powershell.convert import elements
from patchyard.testing.windows.powershell.dates import DateTime
from patchyard.testing.windows.powershell.errors import NetError
from patchyard.testing.windows.powershell.net.numbers import bytes_of
from patchyard.testing.windows.powershell.net.text import Encoding
from patchyard.testing.windows.powershell.objects import NetInfo
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import (
    NOTHING,
    EnumValue,
    TypedArray,
    Value,
)

if TYPE_CHECKING:
    from patchyard.testing.windows.powershell.runtime import Runtime

FILE = NetInfo("System.IO.File", base=kinds.OBJECT)
DIRECTORY = NetInfo("System.IO.Directory", base=kinds.OBJECT)
PATH = NetInfo("System.IO.Path", base=kinds.OBJECT)
UTF8 = Encoding("utf-8")
EXISTS = 0x800700B7


def _encoding(given: Value) -> Encoding:
    return given if isinstance(given, Encoding) else UTF8


def write_file(rt: Runtime, path: Value, data: bytes) -> Value:
    """Write a file.

    Raises:
        NetError: the disk is full, or the path is none.
    """
    inside = inside_of(rt)
    room = inside.computer.free_bytes()
    node = inside.computer.files.find(full_path(rt, path))
    before = len(node.data) if node and node.data else 0
    if len(data) - before > room:
        raise NetError(
            "System.IO.IOException", "There is not enough space on the disk.\r\n", 0x80070070
        )
    inside.computer.files.write(full_path(rt, path), data, inside.owner, inside.time())
    return NOTHING


def _decoded(data: bytes, encoding: Encoding) -> str:
    for mark, codec in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le")):
        if data.startswith(mark):
            return data[len(mark) :].decode(codec, "replace")
    return encoding.decode(data)


@FILE.static("Exists")
def _exists(rt: Runtime, path: Value) -> Value:
    if not text_of(path):
        return False
    return inside_of(rt).computer.files.is_file(full_path(rt, path))


@FILE.static("ReadAllText")
def _read_all_text(rt: Runtime, path: Value, encoding: Value = None) -> Value:
    return _decoded(inside_of(rt).computer.files.read(full_path(rt, path)), _encoding(encoding))


@FILE.static("ReadAllLines")
def _read_all_lines(rt: Runtime, path: Value, encoding: Value = None) -> Value:
    text = _decoded(inside_of(rt).computer.files.read(full_path(rt, path)), _encoding(encoding))
    return TypedArray(text.splitlines(), "System.String")


@FILE.static("ReadAllBytes")
def _read_all_bytes(rt: Runtime, path: Value) -> Value:
    return bytearray(inside_of(rt).computer.files.read(full_path(rt, path)))


@FILE.static("WriteAllText")
def _write_all_text(rt: Runtime, path: Value, text: Value, encoding: Value = None) -> Value:
    how = _encoding(encoding)
    return write_file(rt, path, how.mark + how.encode(text_of(text)))


@FILE.static("WriteAllBytes")
def _write_all_bytes(rt: Runtime, path: Value, data: Value) -> Value:
    return write_file(rt, path, bytes_of(data))


@FILE.static("WriteAllLines")
def _write_all_lines(rt: Runtime, path: Value, lines: Value, encoding: Value = None) -> Value:
    found = elements(lines) or []
    text = "".join(f"{text_of(line)}\r\n" for line in found)
    return _write_all_text(rt, path, text, encoding)


@FILE.static("AppendAllText")
def _append(rt: Runtime, path: Value, text: Value, encoding: Value = None) -> Value:
    files = inside_of(rt).computer.files
    before = files.read(full_path(rt, path)) if files.is_file(full_path(rt, path)) else b""
    return write_file(rt, path, before + _encoding(encoding).encode(text_of(text)))


@FILE.static("Delete")
def _delete(rt: Runtime, path: Value) -> Value:
    files = inside_of(rt).computer.files
    if files.is_folder(full_path(rt, path)):
        raise NetError(
            "System.UnauthorizedAccessException", f"Access to the path '{text_of(path)}' is denied."
        )
    files.parent(full_path(rt, path))
    files.remove(full_path(rt, path))
    return NOTHING


@FILE.static("Move")
def _move(rt: Runtime, source: Value, target: Value) -> Value:
    files = inside_of(rt).computer.files
    if not files.is_file(full_path(rt, source)):
        raise not_found(text_of(source))
    if files.find(full_path(rt, target)) is not None:
        raise NetError(
            "System.IO.IOException",
            "Cannot create a file when that file already exists.\r\n",
            EXISTS,
        )
    files.parent(full_path(rt, target))
    files.move(full_path(rt, source), full_path(rt, target))
    return NOTHING


@FILE.static("Replace")
def _replace(
    rt: Runtime, source: Value, target: Value, backup: Value, _ignore: Value = None
) -> Value:
    """Replace a file by another; it keeps the access list of the one that is replaced.

    A script has to pass [NullString]::Value where it wants no backup: $null becomes an empty
    string on its way into a .NET method, and an empty path is refused.
    """
    files = inside_of(rt).computer.files
    if backup is not NULL_STRING:
        if not text_of(backup):
            raise NetError("System.ArgumentException", "The path is not of a legal form.")
        raise NotSimulated("File.Replace with a backup")
    if not files.is_file(full_path(rt, source)):
        raise not_found(text_of(source))
    old = files.find(full_path(rt, target))
    if old is None or old.data is None:
        raise not_found(text_of(target))
    old.data = files.read(full_path(rt, source))
    old.changed = inside_of(rt).time()
    files.remove(full_path(rt, source))
    return NOTHING


NULL_STRING = EnumValue("System.Management.Automation.Language.NullString", "", 0)
NetInfo(
    "System.Management.Automation.Language.NullString", "nullstring", base=kinds.OBJECT
).static_property("Value")(lambda _rt: NULL_STRING)


@FILE.static("Copy")
def _copy(rt: Runtime, source: Value, target: Value, overwrite: Value = False) -> Value:
    files = inside_of(rt).computer.files
    if files.is_file(full_path(rt, target)) and not overwrite:
        raise NetError(
            "System.IO.IOException", f"The file '{text_of(target)}' already exists.", 0x80070050
        )
    return write_file(rt, target, files.read(full_path(rt, source)))


@FILE.static("GetLastWriteTimeUtc")
@DIRECTORY.static("GetLastWriteTimeUtc")
def _last_write(rt: Runtime, path: Value) -> Value:
    node = inside_of(rt).computer.files.find(full_path(rt, path))
    if node is None:
        return DateTime(504_911_232_000_000_000, 1)
    return when(node.changed)


@DIRECTORY.static("Exists")
def _folder_exists(rt: Runtime, path: Value) -> Value:
    return bool(text_of(path)) and inside_of(rt).computer.files.is_folder(full_path(rt, path))


@DIRECTORY.static("CreateDirectory")
def _create_folder(rt: Runtime, path: Value, security: Value = None) -> Value:
    inside = inside_of(rt)
    files = inside.computer.files
    new = not files.is_folder(full_path(rt, path))
    node = files.make_folder(full_path(rt, path), inside.owner, inside.time())
    apply = getattr(security, "apply", None)
    if new and apply is not None:
        apply(node)
    return ItemInfo(inside, node)


@DIRECTORY.static("GetFiles")
def _get_files(rt: Runtime, path: Value, pattern: Value = "*") -> Value:
    return _paths(rt, path, pattern, folders=False)


@DIRECTORY.static("GetDirectories")
def _get_folders(rt: Runtime, path: Value, pattern: Value = "*") -> Value:
    return _paths(rt, path, pattern, folders=True)


def _paths(rt: Runtime, path: Value, pattern: Value, *, folders: bool) -> Value:
    files = inside_of(rt).computer.files
    if not files.is_folder(full_path(rt, path)):
        raise not_found(text_of(path), folder=True)
    found = [
        n.path
        for n in files.children(full_path(rt, path))
        if (n.data is None) == folders and like(n.name, pattern)
    ]
    return TypedArray(found, "System.String")


@DIRECTORY.static("Delete")
def _delete_folder(rt: Runtime, path: Value, recurse: Value = False) -> Value:
    files = inside_of(rt).computer.files
    if not files.is_folder(full_path(rt, path)):
        raise not_found(text_of(path), folder=True)
    if files.children(full_path(rt, path)) and not recurse:
        raise NetError("System.IO.IOException", "The directory is not empty.\r\n", 0x80070091)
    files.remove(full_path(rt, path))
    return NOTHING


@DIRECTORY.static("Move")
def _move_folder(rt: Runtime, source: Value, target: Value) -> Value:
    files = inside_of(rt).computer.files
    if files.find(full_path(rt, source)) is None:
        raise not_found(text_of(source), folder=True)
    if files.find(full_path(rt, target)) is not None:
        raise NetError(
            "System.IO.IOException",
            "Cannot create a file when that file already exists.\r\n",
            EXISTS,
        )
    files.move(full_path(rt, source), full_path(rt, target))
    return NOTHING


@PATH.static("Combine")
def _combine(_rt: Value, *parts: Value) -> Value:
    given = elements(parts[0]) if len(parts) == 1 else None
    joined = ""
    for part in given if given is not None else parts:
        text = text_of(part)
        rooted = text[:1] in {"\\", "/"} or text[1:2] == ":"
        if rooted or not joined:
            joined = text
        elif text:
            joined = joined + text if joined.endswith("\\") else f"{joined}\\{text}"
    return joined


def _leaf(path: Value) -> str:
    return text_of(path).replace("/", "\\").rpartition("\\")[2]


PATH.static("GetFileName")(lambda _rt, path: _leaf(path))
PATH.static("GetFileNameWithoutExtension")(
    lambda _rt, path: _leaf(path).rpartition(".")[0] or _leaf(path)
)
PATH.static("GetExtension")(
    lambda _rt, path: f".{_leaf(path).rpartition('.')[2]}" if "." in _leaf(path) else ""
)
PATH.static("GetDirectoryName")(
    lambda _rt, path: text_of(path).replace("/", "\\").rpartition("\\")[0]
)
PATH.static("GetTempPath")(lambda rt: f"{inside_of(rt).variable('TEMP')}\\")
PATH.static("GetFullPath")(full_path)
PATH.static("GetRandomFileName")(lambda _rt: f"{secrets.token_hex(4)}.{secrets.token_hex(2)[:3]}")
PATH.static("GetPathRoot")(lambda _rt, path: text_of(path)[:3])
