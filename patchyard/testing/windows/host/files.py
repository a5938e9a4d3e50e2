"""The file system: files and folders with an owner and an access list."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from patchyard.testing.windows.powershell.errors import NetError

SYSTEM = "S-1-5-18"
ADMINISTRATORS = "S-1-5-32-544"
USERS = "S-1-5-32-545"
NAMES = {
    SYSTEM: "NT AUTHORITY\\SYSTEM",
    ADMINISTRATORS: "BUILTIN\\Administrators",
    USERS: "BUILTIN\\Users",
    "S-1-3-0": "CREATOR OWNER",
    "S-1-1-0": "Everyone",
    "S-1-5-11": "NT AUTHORITY\\Authenticated Users",
}
FULL_CONTROL = 2032127
READ_AND_EXECUTE = 1179817
GB = 1 << 30
FOLDERS = (
    "C:\\Windows\\System32",
    "C:\\Windows\\Temp",
    "C:\\Windows\\SoftwareDistribution\\Download",
    "C:\\Windows\\Logs\\CBS",
    "C:\\ProgramData",
    "C:\\Program Files",
    "C:\\Program Files (x86)",
    "C:\\Users\\Public",
)


@dataclass(frozen=True)
class Rule:
    """One entry of an access list."""

    sid: str
    rights: int
    allow: bool = True
    inherited: bool = False
    inherit: int = 3


@dataclass
class Node:
    """A file, or with `data` None a folder."""

    path: str
    data: bytes | None
    owner: str
    created: float
    changed: float
    protected: bool = False
    rules: list[Rule] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("\\")[2] or self.path


def normal(path: str) -> str:
    """Return a path in the form under which it is found."""
    plain = path.replace("/", "\\").rstrip("\\")
    return f"{plain}\\".lower() if plain.endswith(":") else plain.lower()


def not_found(path: str, *, folder: bool = False) -> NetError:
    """Return the error of a path that is not there."""
    if folder:
        return NetError(
            "System.IO.DirectoryNotFoundException", f"Could not find a part of the path '{path}'."
        )
    return NetError("System.IO.FileNotFoundException", f"Could not find file '{path}'.")


class FileSystem:
    """The drive C: of one computer."""

    def __init__(self, now: float) -> None:
        self.size = 120 * GB
        self.other_bytes = 60 * GB
        """What lies on the drive beside the files that are modelled."""
        self.nodes: dict[str, Node] = {}
        root = Node(
            "C:\\",
            None,
            SYSTEM,
            now,
            now,
            rules=[
                Rule(SYSTEM, FULL_CONTROL),
                Rule(ADMINISTRATORS, FULL_CONTROL),
                Rule(USERS, READ_AND_EXECUTE),
            ],
        )
        self.nodes["c:\\"] = root
        for path in FOLDERS:
            self.make_folder(path, SYSTEM, now)

    @property
    def free(self) -> int:
        """Bytes that are free."""
        used = sum(len(node.data) for node in list(self.nodes.values()) if node.data is not None)
        return max(self.size - self.other_bytes - used, 0)

    def find(self, path: str) -> Node | None:
        """Return what lies at a path."""
        return self.nodes.get(normal(path))

    def is_file(self, path: str) -> bool:
        """True where a file lies there."""
        node = self.find(path)
        return node is not None and node.data is not None

    def is_folder(self, path: str) -> bool:
        """True where a folder lies there."""
        node = self.find(path)
        return node is not None and node.data is None

    def parent(self, path: str) -> Node:
        """Return the folder in which a path lies.

        Raises:
            NetError: there is none.
        """
        head = path.replace("/", "\\").rstrip("\\").rpartition("\\")[0]
        node = self.find(head)
        if node is None or node.data is not None:
            raise not_found(path, folder=True)
        return node

    def make_folder(self, path: str, owner: str, now: float) -> Node:
        """Return a folder, made with its parents if it was not there."""
        full = path.replace("/", "\\").rstrip("\\")
        found = self.find(full)
        if found is not None:
            return found
        head = full.rpartition("\\")[0]
        if not head:
            raise not_found(path, folder=True)
        parent = self.make_folder(head, owner, now)
        return self._add(full, None, parent, owner, now)

    def _add(self, path: str, data: bytes | None, parent: Node, owner: str, now: float) -> Node:
        rules = [Rule(r.sid, r.rights, r.allow, inherited=True) for r in parent.rules if r.inherit]
        node = Node(path.replace("/", "\\"), data, owner, now, now, rules=rules)
        self.nodes[normal(path)] = node
        return node

    def write(self, path: str, data: bytes, owner: str, now: float) -> None:
        """Write a file; what it was before is gone.

        Raises:
            NetError: its folder is not there, it is a folder, or the disk is full.
        """
        parent = self.parent(path)
        node = self.find(path)
        if node is not None and node.data is None:
            raise NetError(
                "System.UnauthorizedAccessException", f"Access to the path '{path}' is denied."
            )
        before = len(node.data) if node and node.data else 0
        if len(data) - before > self.free:
            raise NetError(
                "System.IO.IOException", "There is not enough space on the disk.\r\n", 0x80070070
            )
        if node is None:
            self._add(path, data, parent, owner, now)
        else:
            node.data, node.changed = data, now

    def read(self, path: str) -> bytes:
        """Return a file's content.

        Raises:
            NetError: there is no such file.
        """
        node = self.find(path)
        if node is None:
            self.parent(path)
            raise not_found(path)
        if node.data is None:
            raise NetError(
                "System.UnauthorizedAccessException", f"Access to the path '{path}' is denied."
            )
        return node.data

    def remove(self, path: str) -> None:
        """Remove what lies at a path, and everything below it."""
        gone = normal(path)
        for known in [k for k in list(self.nodes) if k == gone or k.startswith(f"{gone}\\")]:
            del self.nodes[known]

    def move(self, source: str, target: str) -> None:
        """Give a file or a folder another path."""
        begin, new = normal(source), target.replace("/", "\\").rstrip("\\")
        for known in [k for k in list(self.nodes) if k == begin or k.startswith(f"{begin}\\")]:
            node = self.nodes.pop(known)
            node.path = new + node.path[len(begin) :]
            self.nodes[normal(node.path)] = node

    def children(self, path: str) -> list[Node]:
        """Return what lies directly in a folder, by name."""
        parent = normal(path)
        prefix = parent if parent.endswith("\\") else f"{parent}\\"
        inside = (
            node
            for known, node in list(self.nodes.items())
            if known.startswith(prefix) and known != parent and "\\" not in known[len(prefix) :]
        )
        return sorted(inside, key=lambda node: node.name.lower())

    def state(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        nodes = [
            [
                n.path,
                None if n.data is None else base64.b64encode(n.data).decode(),
                n.owner,
                n.created,
                n.changed,
                n.protected,
                [list(vars(rule).values()) for rule in n.rules],
            ]
            for n in list(self.nodes.values())
        ]
        return {"size": self.size, "other": self.other_bytes, "nodes": nodes}

    def load(self, state: dict[str, Any]) -> None:
        """Become what `state` returned."""
        self.size, self.other_bytes = state["size"], state["other"]
        self.nodes = {}
        for path, data, owner, created, changed, protected, rules in state["nodes"]:
            raw = None if data is None else base64.b64decode(data)
            node = Node(path, raw, owner, created, changed, protected, [Rule(*r) for r in rules])
            self.nodes[normal(path)] = node
