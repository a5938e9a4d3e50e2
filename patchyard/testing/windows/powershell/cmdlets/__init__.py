"""The cmdlets that need no computer, in one table."""

from __future__ import annotations

from patchyard.testing.windows.powershell.cmdlets import (
    json_text,
    making,
    objects,
    output,
    paths,
    shaping,
)
from patchyard.testing.windows.powershell.command import Commands

PURE = Commands(
    objects.TABLE, shaping.TABLE, output.TABLE, making.TABLE, json_text.TABLE, paths.TABLE
)
