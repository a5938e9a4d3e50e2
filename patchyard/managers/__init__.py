"""Package managers: one module each, pure. What a tool says, parsed."""

from __future__ import annotations

from patchyard.domain.inventory import Machine
from patchyard.errors import ConfigurationError
from patchyard.managers.base import PackageManager
from patchyard.registry import load


def manager_for(machine: Machine) -> PackageManager:
    """Return the package manager of a machine's OS family.

    Raises:
        ConfigurationError: no manager serves this OS family.
    """
    known = load("patchyard.managers", "MANAGER", PackageManager)
    for manager in known.values():
        if machine.os_family in manager.os_families:
            return manager
    served = ", ".join(sorted(f for m in known.values() for f in m.os_families))
    raise ConfigurationError.of(
        f"machine {machine.name}: no package manager serves {machine.os_family}; "
        f"served are: {served}",
        field="os_family",
    )


__all__ = ["PackageManager", "manager_for"]
