"""Kinds of operating systems: how scripts are rendered and read, and how jobs and boots go."""

from __future__ import annotations

from patchyard.domain.inventory import Machine
from patchyard.errors import ConfigurationError
from patchyard.registry import load
from patchyard.systems.base import Boot, Script, System


def system_for(machine: Machine) -> System:
    """Return the kind of operating system of a machine's OS family.

    Raises:
        ConfigurationError: no kind serves this OS family.
    """
    known = load("patchyard.systems", "SYSTEM", System)
    for system in known.values():
        if machine.os_family in system.os_families:
            return system
    raise ConfigurationError.of(
        f"machine {machine.name}: {machine.os_family} is no operating system that can be reached; "
        f"there are {', '.join(sorted(f for s in known.values() for f in s.os_families))}",
        field="os_family",
    )


__all__ = ["Boot", "Script", "System", "system_for"]
