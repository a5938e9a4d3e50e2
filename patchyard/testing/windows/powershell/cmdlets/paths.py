"""Cmdlets about paths as text; Test-Path and its like need a computer."""

from __future__ import annotations

from collections.abc import Iterable

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.command import Call, Commands
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import Value

TABLE = Commands()


@TABLE.add("Join-Path", "Path:string[]@0| ChildPath:string@1!")
def join_path(call: Call) -> Iterable[Value]:
    """Join two parts of a path with one backslash."""
    child = call.text("childpath")
    return [joined(text_of(path), child) for path in call.given("path")]


def joined(parent: str, child: str) -> str:
    """Return a path of two parts."""
    return f"{parent.rstrip(chr(92) + '/')}\\{child.lstrip(chr(92) + '/')}"


@TABLE.add(
    "Split-Path", "Path:string@0| LiteralPath:string Parent:switch Leaf:switch Qualifier:switch"
)
def split_path(call: Call) -> Iterable[Value]:
    """Return a part of a path: its parent unless another is asked for."""
    if call.flag("qualifier"):
        raise NotSimulated("Split-Path -Qualifier")
    given = call.given("path") or call.given("literalpath")
    for path in given:
        head, _, tail = text_of(path).rstrip("\\/").replace("/", "\\").rpartition("\\")
        if call.flag("leaf"):
            yield tail
        else:
            yield f"{head}\\" if head.endswith(":") else head
