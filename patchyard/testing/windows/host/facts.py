"""What a computer's registry says about it from the beginning."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from patchyard.testing.windows.host import pending
from patchyard.testing.windows.host.profiles import ARC, CURRENT, HOTPATCH, MEMORY
from patchyard.testing.windows.host.services import Service

if TYPE_CHECKING:
    from patchyard.testing.windows.host.computer import SimulatedComputer

VIRTUAL = "SYSTEM\\CurrentControlSet\\Control\\DeviceGuard"


def write_facts(computer: SimulatedComputer) -> None:
    """Write build, edition, names and what prepares it for hotpatches."""
    registry, profile = computer.registry, computer.profile
    values = {
        "ProductName": profile.caption.removeprefix("Microsoft "),
        "CurrentBuild": profile.build,
        "CurrentBuildNumber": profile.build,
        "DisplayVersion": profile.display,
        "ReleaseId": "2009",
        "EditionID": profile.edition,
        "InstallationType": profile.installation,
        "CurrentVersion": "6.3",
        "CurrentMajorVersionNumber": 10,
        "CurrentMinorVersionNumber": 0,
        "BuildLabEx": f"{profile.build}.1.amd64fre.fe_release.210507-1500",
    }
    for name, data in values.items():
        registry.set(CURRENT, name, data)
    computer.show_version()
    for key in (pending.CBS, pending.AUTO_UPDATE, pending.SESSION_MANAGER, pending.WINLOGON):
        registry.make(key)
    registry.make("SOFTWARE\\Policies\\Microsoft\\Windows")
    guid = str(uuid.uuid5(uuid.NAMESPACE_DNS, computer.name))
    registry.set("SOFTWARE\\Microsoft\\Cryptography", "MachineGuid", guid)
    name = computer.name.upper()[:15]
    for part in ("ComputerName", "ActiveComputerName"):
        registry.set(f"{pending.COMPUTER_NAME}\\{part}", "ComputerName", name)
    registry.set(pending.TCPIP, "Hostname", computer.name)
    registry.set(pending.TCPIP, "NV Hostname", computer.name)
    registry.make(pending.NETLOGON)
    registry.make("SOFTWARE\\Microsoft\\ServerManager")
    registry.make("SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\RunOnce")
    if profile.hotpatch:
        registry.set(HOTPATCH, "Name", "Hotpatch Enrollment Package")
        registry.set(HOTPATCH, "Version", f"10.0.{profile.build}.1")
        registry.set(MEMORY, "HotPatchTableSize", 4096)
        registry.set(VIRTUAL, "EnableVirtualizationBasedSecurity", 1)
    else:
        registry.make(MEMORY)
    if profile.arc:
        registry.set(ARC, "Subscription", 1)
        computer.services.add(
            Service("himds", "Azure Hybrid Instance Metadata Service", "Auto", "Running")
        )
    for service in computer.services.all():
        write_service(computer, service)


def write_service(computer: SimulatedComputer, service: Service) -> None:
    """Write what the registry says of a service."""
    key = f"SYSTEM\\CurrentControlSet\\Services\\{service.name}"
    computer.registry.set(key, "Start", {"Auto": 2, "Manual": 3, "Disabled": 4}[service.start])
    if service.delayed:
        computer.registry.set(key, "DelayedAutostart", 1)
    if service.trigger:
        computer.registry.make(f"{key}\\TriggerInfo\\0")
