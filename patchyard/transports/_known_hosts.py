"""Known host keys: reading OpenSSH's file strictly, and adding to it on first use."""

from __future__ import annotations

import base64
import binascii
import fcntl
import fnmatch
import hashlib
import hmac
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

MARKERS = ("@revoked", "@cert-authority")


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public host key: its type, and its bytes as they travel."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint as ssh-keygen prints it."""
        digest = hashlib.sha256(self.blob).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def line(self, name: str) -> str:
        """Return the known_hosts line that makes the key known for `name`."""
        return f"{name} {self.kind} {base64.b64encode(self.blob).decode()}\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the file: for which names the key counts, and whether it is revoked."""

    patterns: tuple[str, ...]
    key: HostKey
    marker: str = ""

    def covers(self, name: str) -> bool:
        """Say whether the line is about `name`. A negated pattern that matches wins."""
        covered = False
        for pattern in self.patterns:
            if _matches(pattern.removeprefix("!"), name):
                if pattern.startswith("!"):
                    return False
                covered = True
        return covered


@dataclass(frozen=True)
class KnownHosts:
    """All lines of one file."""

    entries: tuple[Entry, ...] = ()

    def keys(self, name: str) -> tuple[HostKey, ...]:
        """Return the keys that are known for `name`."""
        return tuple(e.key for e in self._about(name) if not e.marker)

    def revoked(self, name: str, key: HostKey) -> bool:
        """Say whether the key was revoked for `name`."""
        return any(e.marker == "@revoked" and e.key.blob == key.blob for e in self._about(name))

    def _about(self, name: str) -> list[Entry]:
        """Return the lines about `name`, in the file's order.

        A fleet's file has a line for each machine: those that name it plainly are looked up.
        """
        plain, others = self._index
        found = {*plain.get(name, ()), *(n for n in others if self.entries[n].covers(name))}
        return [self.entries[n] for n in sorted(found)]

    @cached_property
    def _index(self) -> tuple[dict[str, list[int]], list[int]]:
        """Numbers of lines: by name where all their patterns are plain names, and the others."""
        plain: dict[str, list[int]] = {}
        others: list[int] = []
        for number, entry in enumerate(self.entries):
            if not all(map(_is_plain, entry.patterns)):
                others.append(number)
                continue
            for pattern in entry.patterns:
                plain.setdefault(pattern.lower(), []).append(number)
        return plain, others


def host_name(address: str, port: int) -> str:
    """Return the name under which OpenSSH files the keys of an address and port."""
    plain = address.lower()
    return plain if port == 22 else f"[{plain}]:{port}"  # noqa: PLR2004 - the port of SSH


def read(path: Path) -> KnownHosts:
    """Read a file; a missing one knows no host. Unchanged files are read once.

    Raises:
        OSError: the file is there and cannot be read.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return KnownHosts()
    return _read(path, found.st_mtime_ns, found.st_size, found.st_ino)


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int, _size: int, _inode: int) -> KnownHosts:
    text = path.read_text(encoding="utf-8", errors="replace")
    return KnownHosts(tuple(filter(None, map(_entry, text.splitlines()))))


def _entry(line: str) -> Entry | None:
    fields = line.split()
    if not fields or fields[0].startswith("#"):
        return None
    marker = fields.pop(0) if fields[0] in MARKERS else ""
    if len(fields) < 3:  # noqa: PLR2004 - names, type, key
        return None
    try:
        blob = base64.b64decode(fields[2], validate=True)
    except (binascii.Error, ValueError):
        return None
    return Entry(tuple(fields[0].split(",")), HostKey(fields[1], blob), marker)


def _is_plain(pattern: str) -> bool:
    """Say whether a pattern is a name that stands for itself alone."""
    return not pattern.startswith(("|1|", "!")) and "*" not in pattern and "?" not in pattern


def _matches(pattern: str, name: str) -> bool:
    if pattern.startswith("|1|"):
        return _hash_matches(pattern, name)
    pattern = pattern.lower()
    if "*" not in pattern and "?" not in pattern:
        return pattern == name
    # OpenSSH knows only * and ?; a bracket stands for itself, as in [host]:port.
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def _hash_matches(pattern: str, name: str) -> bool:
    try:
        _, _, salt, digest = pattern.split("|")
        wanted = base64.b64decode(digest)
        made = hmac.digest(base64.b64decode(salt), name.encode(), "sha1")
    except ValueError:
        return False
    return hmac.compare_digest(made, wanted)


def record(path: Path, name: str, key: HostKey) -> KnownHosts:
    """Add a key for a name that has none, and return what is known now.

    The file is replaced whole, under a lock: a reader sees it before or after, and of two that
    see one machine for the first time, the second finds what the first one wrote.

    Raises:
        OSError: the file cannot be written.
    """
    path = path.resolve()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path):
        known = _fresh(path)
        if known.keys(name) or known.revoked(name, key):
            return known
        _append(path, key.line(name))
        return _fresh(path)


def _fresh(path: Path) -> KnownHosts:
    """Read past the cache: a coarse clock may give two versions of a file one time stamp."""
    if not path.exists():
        return KnownHosts()
    text = path.read_text(encoding="utf-8", errors="replace")
    return KnownHosts(tuple(filter(None, map(_entry, text.splitlines()))))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _append(path: Path, line: str) -> None:
    old = path.read_bytes() if path.exists() else b""
    if old and not old.endswith(b"\n"):
        old += b"\n"
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as new:
            new.write(old + line.encode())
            new.flush()
            os.fsync(new.fileno())
        Path(name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o600)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
