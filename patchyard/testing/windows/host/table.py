"""All cmdlets of a simulated computer."""

from __future__ import annotations

from patchyard.testing.windows.host import net, scheduler, wua
from patchyard.testing.windows.host.cmdlets import (
    events,
    items,
    management,
    network,
    processes,
    properties,
    servicing,
)
from patchyard.testing.windows.powershell.cmdlets import PURE
from patchyard.testing.windows.powershell.command import Commands

LOADED = (net, scheduler, wua)
"""Importing them makes their types and COM classes known."""

COMMANDS = Commands(
    PURE,
    items.TABLE,
    properties.TABLE,
    management.TABLE,
    processes.TABLE,
    events.TABLE,
    servicing.TABLE,
    network.TABLE,
)
