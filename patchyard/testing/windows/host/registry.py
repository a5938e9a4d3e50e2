"""The registry: keys with values, found without regard to case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Kind = str
KINDS = ("String", "ExpandString", "DWord", "QWord", "MultiString", "Binary")


@dataclass
class Key:
    """A key: its name as it was made, its values, and whether it is gone after a reboot."""

    name: str
    volatile: bool = False
    values: dict[str, tuple[str, Kind, Any]] = field(default_factory=dict)


def normal(path: str) -> str:
    r"""Return a key's path without its drive, such as `software\\microsoft`."""
    path = path.replace("/", "\\").strip("\\")
    for prefix in ("hkey_local_machine", "hklm:", "hklm"):
        if path.lower() == prefix or path.lower().startswith(f"{prefix}\\"):
            path = path[len(prefix) :].strip("\\")
            break
    return path.lower()


class Registry:
    """HKEY_LOCAL_MACHINE of one computer."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {"": Key("HKEY_LOCAL_MACHINE")}

    def exists(self, path: str) -> bool:
        """True where there is such a key."""
        return normal(path) in self._keys

    def key(self, path: str) -> Key | None:
        """Return a key."""
        return self._keys.get(normal(path))

    def make(self, path: str, *, volatile: bool = False) -> Key:
        """Return a key, made with its parents if it was not there."""
        full = path.replace("/", "\\").strip("\\")
        names = full[len(full) - len(normal(full)) :].split("\\") if normal(full) else []
        walked: list[str] = []
        for name in names:
            walked.append(name)
            self._keys.setdefault("\\".join(walked).lower(), Key(name, volatile))
        return self._keys["\\".join(walked).lower()]

    def remove(self, path: str) -> None:
        """Remove a key and everything below it."""
        gone = normal(path)
        for known in [k for k in list(self._keys) if k == gone or k.startswith(f"{gone}\\")]:
            del self._keys[known]

    def children(self, path: str) -> list[str]:
        """Return the names of the keys directly below one."""
        parent = normal(path)
        prefix = f"{parent}\\" if parent else ""
        return [
            key.name
            for known, key in list(self._keys.items())
            if known.startswith(prefix) and known != parent and "\\" not in known[len(prefix) :]
        ]

    def get(self, path: str, name: str, default: Any = None) -> Any:
        """Return a value's data."""
        key = self.key(path)
        found = key.values.get(name.lower()) if key else None
        return default if found is None else found[2]

    def set(
        self, path: str, name: str, data: Any, kind: Kind = "", *, volatile: bool = False
    ) -> None:
        """Set a value; its kind follows from its data unless it is given."""
        kind = kind or ("DWord" if isinstance(data, int) else "String")
        if isinstance(data, list):
            kind = "MultiString"
        self.make(path, volatile=volatile).values[name.lower()] = (name, kind, data)

    def delete(self, path: str, name: str) -> bool:
        """Delete a value; tell whether it was there."""
        key = self.key(path)
        return key is not None and key.values.pop(name.lower(), None) is not None

    def forget_volatile(self) -> None:
        """Remove what does not outlive a boot."""
        for known in [k for k, key in list(self._keys.items()) if key.volatile]:
            self._keys.pop(known, None)

    def state(self) -> list[Any]:
        """Return everything as JSON can hold it."""
        return [
            [known, key.name, key.volatile, [list(value) for value in key.values.values()]]
            for known, key in list(self._keys.items())
        ]

    def load(self, state: list[Any]) -> None:
        """Become what `state` returned."""
        self._keys = {
            known: Key(name, volatile, {v[0].lower(): (v[0], v[1], v[2]) for v in values})
            for known, name, volatile, values in state
        }

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._keys))
