"""Letters for the tests of notifiers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from patchyard.domain.inventory import Inventory
from patchyard.domain.noticing import Message
from patchyard.notifiers import Letter

AT = datetime(2026, 3, 14, 20, 0, tzinfo=UTC)


def letter(
    address: str = "", fleet: Inventory | None = None, /, *machines: str, **changes: Any
) -> Letter:
    """A letter of a window that begins in an hour."""
    given = {
        "id": "fleet/web@2026-03-14/1h/email",
        "type": "patchyard.window.announced",
        "at": AT,
        "inventory": "fleet",
        "subject": "web@2026-03-14",
        "title": "Maintenance of 2 machines in 1h",
        "text": "It begins in 1h.\nMachines: web-1, web-2.",
        "data": {"machines": ["web-1", "web-2"]},
        **changes,
    }
    bare = fleet or Inventory(name="fleet", folder=".", machines=())
    return Letter(Message(**given), address, bare, machines)
