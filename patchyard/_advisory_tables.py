"""The operator's table of advisories, as it lies on disk: refreshed by the operator, never by us.

The managers are pure and read no file: what they judge by is handed to them.
"""

from __future__ import annotations

import gzip
import lzma
import zlib
from functools import lru_cache
from pathlib import Path
from typing import IO, cast

from patchyard.errors import ConfigurationError, Problem
from patchyard.managers.apt.advisories import Table
from patchyard.managers.apt.own_advisories import parse_own
from patchyard.managers.apt.tracker import parse_tracker

_GZIP, _XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"
_HEAD = 4096
_BROKEN = (OSError, EOFError, lzma.LZMAError, zlib.error)


def advisory_table(file: Path) -> Table:
    """Return the table of a file. A process reads it once, and anew when it was replaced.

    Raises:
        ConfigurationError: it cannot be used; the place is named.
    """
    try:
        state = file.stat()
    except OSError as error:
        raise _unreadable(file, error) from None
    return _read(file, (state.st_mtime_ns, state.st_size))


def check(file: Path) -> None:
    """Check a file as far as that takes no time: of what the tracker publishes only its beginning.

    Raises:
        ConfigurationError: it cannot be used; the place is named.
    """
    if not _published(_text(file, _HEAD)):
        advisory_table(file)


@lru_cache(maxsize=1)
def _read(file: Path, _as_of: tuple[int, int]) -> Table:
    text = _text(file)
    return parse_tracker(text, str(file)) if _published(text) else parse_own(text, str(file))


def _published(text: str) -> bool:
    """What the tracker publishes is one JSON object; a table of one's own is a list."""
    return text.lstrip().startswith("{")


def _text(file: Path, size: int = -1) -> str:
    try:
        with _opened(file) as stream:
            return stream.read(size).decode(errors="strict" if size < 0 else "ignore")
    except UnicodeDecodeError:
        raise _wrong(file, "is no text in UTF-8; save it as UTF-8") from None
    except _BROKEN as error:
        raise _unreadable(file, error) from None


def _opened(file: Path) -> IO[bytes]:
    with file.open("rb") as stream:
        head = stream.read(len(_XZ))
    if head.startswith(_GZIP):
        return cast(IO[bytes], gzip.open(file))
    return lzma.open(file) if head == _XZ else file.open("rb")


def _unreadable(file: Path, error: Exception) -> ConfigurationError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return _wrong(file, f"cannot be read: {why}")


def _wrong(file: Path, message: str) -> ConfigurationError:
    return ConfigurationError([Problem(message, str(file))])
