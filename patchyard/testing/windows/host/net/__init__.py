""".NET types that touch a computer; importing this package fills the table of types."""

from __future__ import annotations

from patchyard.testing.windows.host.net import (
    environment,
    file_streams,
    files,
    items,
    processes,
    security,
    sockets,
)

LOADED = (environment, file_streams, files, items, processes, security, sockets)
