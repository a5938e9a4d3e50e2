"""A simulated Windows Server that runs PowerShell: registry, update agent, tasks, reboots."""

from __future__ import annotations

from patchyard.testing.windows.host import catalogue
from patchyard.testing.windows.host.computer import SimulatedComputer
from patchyard.testing.windows.host.faults import Fault
from patchyard.testing.windows.host.profiles import (
    ARC_2025,
    AZURE_2022,
    SERVER_2022,
    SERVER_2025,
    Profile,
)

__all__ = [
    "ARC_2025",
    "AZURE_2022",
    "SERVER_2022",
    "SERVER_2025",
    "Fault",
    "Profile",
    "SimulatedComputer",
    "catalogue",
]
