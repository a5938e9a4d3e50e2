"""System.IO.FileStream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patchyard.testing.windows.host.files import not_found
from patchyard.testing.windows.host.net.common import full_path, inside_of
from patchyard.testing.windows.host.net.files import FILE, write_file
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.errors import NetError
from patchyard.testing.windows.powershell.net.streams import Stream, mode_name
from patchyard.testing.windows.powershell.objects import NetInfo
from patchyard.testing.windows.powershell.values import NOTHING, Value

if TYPE_CHECKING:
    from patchyard.testing.windows.powershell.runtime import Runtime

IN_USE = 0x80070020
kinds.enumeration(
    "System.IO.FileMode",
    {"CreateNew": 1, "Create": 2, "Open": 3, "OpenOrCreate": 4, "Truncate": 5, "Append": 6},
)
kinds.enumeration("System.IO.FileAccess", {"Read": 1, "Write": 2, "ReadWrite": 3}, flags=True)
kinds.enumeration(
    "System.IO.FileShare",
    {"None": 0, "Read": 1, "Write": 2, "ReadWrite": 3, "Delete": 4},
    flags=True,
)
kinds.enumeration(
    "System.IO.FileAttributes",
    {
        "ReadOnly": 1,
        "Hidden": 2,
        "System": 4,
        "Directory": 16,
        "Archive": 32,
        "Normal": 128,
        "ReparsePoint": 1024,
    },
    flags=True,
)
kinds.enumeration("System.IO.FileOptions", {"None": 0, "WriteThrough": -(1 << 31)}, flags=True)


@FILE.static("Open")
def _open(
    rt: Runtime, path: Value, mode: Value, access: Value = None, share: Value = None
) -> Value:
    return FileStream(
        rt,
        full_path(rt, path),
        mode_name(mode),
        mode_name(access or "ReadWrite"),
        mode_name(share or "None"),
    )


class FileStream(Stream):
    """System.IO.FileStream: what is written lies in the file once it is flushed or closed."""

    net = NetInfo("System.IO.FileStream", base=Stream.net)

    def __init__(self, rt: Runtime, path: str, mode: str, access: str, share: str) -> None:
        super().__init__()
        self._rt, self._path = rt, path
        self._writes = "write" in access.lower()
        computer = inside_of(rt).computer
        files, locks = computer.files, computer.file_locks
        exists = files.is_file(path)
        if mode.lower() == "createnew" and exists:
            raise NetError(
                "System.IO.IOException", f"The file '{path}' already exists.", 0x80070050
            )
        if mode.lower() in {"open", "truncate"} and not exists:
            raise not_found(path)
        holder = locks.get(path.lower())
        if holder is not None and not holder[0].ended and share.lower() == "none":
            raise NetError(
                "System.IO.IOException",
                f"The process cannot access the file '{path}' "
                "because it is being used by another process.",
                IN_USE,
            )
        if share.lower() == "none":
            locks[path.lower()] = (inside_of(rt).process, self)
        if exists and mode.lower() not in {"create", "truncate"}:
            self.data = bytearray(files.read(path))
        elif self._writes:
            write_file(rt, path, b"")
        if mode.lower() == "append":
            self.at = len(self.data)

    def flush(self) -> None:
        """Put what was written into the file."""
        if self._writes and not self.closed:
            write_file(self._rt, self._path, bytes(self.data))

    def close(self) -> None:
        """End it."""
        self.flush()
        if not self.closed:
            locks = inside_of(self._rt).computer.file_locks
            if self._path.lower() in locks and locks[self._path.lower()][1] is self:
                del locks[self._path.lower()]
        super().close()

    @net.method("Flush")
    def _flush_file(self, _rt: Value, _to_disk: Value = False) -> Value:
        self.flush()
        return NOTHING

    @net.method("SetLength")
    def _set_length(self, _rt: Value, length: Value) -> Value:
        del self.data[int(length) :]
        return NOTHING


@FileStream.net.constructor
def _new_stream(
    rt: Runtime, path: Value, mode: Value, access: Value = None, share: Value = None, *_more: Value
) -> Value:
    return _open(rt, path, mode, access, share)
