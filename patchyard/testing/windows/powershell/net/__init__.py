""".NET types that need no computer; importing this package fills the table of types."""

from __future__ import annotations

from patchyard.testing.windows.powershell.net import (
    blocks,
    containers,
    numbers,
    streams,
    strings,
    text,
)

LOADED = (blocks, containers, numbers, streams, strings, text)
