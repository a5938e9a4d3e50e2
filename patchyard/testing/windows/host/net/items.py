"""System.IO.FileInfo, DirectoryInfo and DriveInfo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.access import Security
from patchyard.testing.windows.host.files import Node
from patchyard.testing.windows.host.net.common import full_path, inside_of, when
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import NOTHING, Int64, Value

if TYPE_CHECKING:
    from patchyard.testing.windows.host.inside import Inside
    from patchyard.testing.windows.powershell.runtime import Runtime


class ItemInfo(NetObject):
    """System.IO.FileInfo and DirectoryInfo."""

    net = NetInfo("System.IO.FileSystemInfo", base=kinds.OBJECT)

    def __init__(self, inside: Inside, node: Node) -> None:
        self.inside, self.node = inside, node

    @property
    def type_name(self) -> str:
        """The full name of its type."""
        return "System.IO.DirectoryInfo" if self.node.data is None else "System.IO.FileInfo"

    def is_a(self, name: str) -> bool:
        """True where it is of that type."""
        return name in {self.type_name, "System.IO.FileSystemInfo", "System.Object"}

    def shown(self) -> str:
        """Return what ToString gives."""
        return self.node.path

    @net.property("Length")
    def _length(self) -> Value:
        if self.node.data is None:
            raise NotSimulated("the Length of a folder")
        return Int64(len(self.node.data))

    @net.property("Attributes")
    def _attributes(self) -> Value:
        return kinds.enum_of("System.IO.FileAttributes", 16 if self.node.data is None else 32)

    net.property("Name")(lambda item: item.node.name)
    net.property("FullName")(lambda item: item.node.path)
    net.property("Exists")(lambda item: item.inside.computer.files.find(item.node.path) is not None)
    net.property("PSIsContainer")(lambda item: item.node.data is None)
    net.property("PSChildName")(lambda item: item.node.name)
    net.property("LastWriteTimeUtc")(lambda item: when(item.node.changed))
    net.property("CreationTimeUtc")(lambda item: when(item.node.created))
    net.property("LastWriteTime")(lambda item: when(item.node.changed).local())
    net.property("Extension")(
        lambda item: f".{item.node.name.rpartition('.')[2]}" if "." in item.node.name else ""
    )
    net.property("BaseName")(lambda item: item.node.name.rpartition(".")[0] or item.node.name)

    @net.method("Delete")
    def _delete(self, _rt: Value, *_given: Value) -> Value:
        self.inside.computer.files.remove(self.node.path)
        return NOTHING

    @net.method("Refresh")
    def _refresh(self, _rt: Value) -> Value:
        found = self.inside.computer.files.find(self.node.path)
        self.node = found or self.node
        return NOTHING

    @net.method("GetAccessControl")
    def _get_access(self, _rt: Value, *_sections: Value) -> Value:
        return Security.of(self.node)

    @net.method("SetAccessControl")
    def _set_access(self, _rt: Value, security: Value) -> Value:
        security.apply(self.node)
        return NOTHING


class DriveInfo(NetObject):
    """System.IO.DriveInfo."""

    net = NetInfo("System.IO.DriveInfo", base=kinds.OBJECT)

    def __init__(self, inside: Inside) -> None:
        self.inside = inside

    net.property("AvailableFreeSpace")(lambda drive: Int64(drive.inside.computer.free_bytes()))
    net.property("TotalFreeSpace")(lambda drive: Int64(drive.inside.computer.free_bytes()))
    net.property("TotalSize")(lambda drive: Int64(drive.inside.computer.files.size))
    net.property("Name")(lambda _drive: "C:\\")
    net.property("IsReady")(lambda _drive: True)


@DriveInfo.net.constructor
def _new_drive(rt: Runtime, name: Value) -> Value:
    if text_of(name)[:1].upper() != "C":
        raise NotSimulated(f"the drive {text_of(name)}")
    return DriveInfo(inside_of(rt))


def _info(rt: Runtime, path: Value) -> Value:
    node = inside_of(rt).computer.files.find(full_path(rt, path))
    if node is None:
        raise NotSimulated("a FileInfo or DirectoryInfo of what is not there")
    return ItemInfo(inside_of(rt), node)


for _name in ("System.IO.FileInfo", "System.IO.DirectoryInfo"):
    NetInfo(_name, base=ItemInfo.net).constructor(_info)
