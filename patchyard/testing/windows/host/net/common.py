"""What members of .NET that touch a computer share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.dates import DateTime
from patchyard.testing.windows.powershell.errors import NetError
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import Value

if TYPE_CHECKING:
    from patchyard.testing.windows.host.inside import Inside
    from patchyard.testing.windows.powershell.runtime import Runtime


def inside_of(rt: Runtime) -> Inside:
    """Return the computer and process that a script runs in."""
    found: Inside = rt.around
    return found


def full_path(rt: Runtime, path: Value) -> str:
    """Return a path as .NET takes it.

    Raises:
        NetError: it is empty.
        NotSimulated: it is relative, or on a drive that is not known.
    """
    text = text_of(path).replace("/", "\\")
    if not text:
        raise NetError("System.ArgumentException", "The path is not of a legal form.")
    if not re.match(r"[cC]:\\", text):
        raise NotSimulated(f"the path {text!r}")
    parts: list[str] = []
    for part in text[3:].split("\\"):
        if part == ".." and parts:
            parts.pop()
        elif part not in {"", ".", ".."}:
            parts.append(part)
    del rt
    return "C:\\" + "\\".join(parts)


def when(seconds: float) -> DateTime:
    """Return a moment, given in seconds since 1970, as UTC."""
    return DateTime.at(seconds)
