"""Kinds of Windows Server that a simulated computer can be, and the facts they show."""

from __future__ import annotations

from dataclasses import dataclass

CURRENT = "SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion"
HOTPATCH = f"{CURRENT}\\Update\\TargetingInfo\\DynamicInstalled\\Hotpatch.amd64"
MEMORY = "SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management"
ARC = "SOFTWARE\\Microsoft\\Azure Connected Machine Agent\\Windows\\Licenses\\Features\\Hotpatch"


@dataclass(frozen=True)
class Profile:
    """One kind of Windows Server.

    `hotpatch` has it prepared for hotpatches: the enrolment package, the table size and VBS.
    """

    caption: str
    build: str
    revision: int
    display: str
    edition: str
    hotpatch: bool = False
    arc: bool = False
    sku: int = 8
    installation: str = "Server"

    @property
    def baseline(self) -> str:
        """The build and revision with which it begins."""
        return f"{self.build}.{self.revision}"


SERVER_2022 = Profile(
    "Microsoft Windows Server 2022 Datacenter", "20348", 5384, "21H2", "ServerDatacenter"
)
SERVER_2025 = Profile(
    "Microsoft Windows Server 2025 Standard", "26100", 32995, "24H2", "ServerStandard", sku=7
)
AZURE_2022 = Profile(
    "Microsoft Windows Server 2022 Datacenter Azure Edition",
    "20348",
    5384,
    "21H2",
    "ServerTurbine",
    hotpatch=True,
    sku=407,
)
ARC_2025 = Profile(
    "Microsoft Windows Server 2025 Standard",
    "26100",
    32995,
    "24H2",
    "ServerStandard",
    hotpatch=True,
    arc=True,
    sku=7,
)
