"""Kinds of Windows Server that a simulated computer can be, and the facts they show."""

from __future__ import annotations

from dataclasses import dataclass

from patchyard.testing.windows.host.catalogue import released

CURRENT = "SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion"
HOTPATCH = f"{CURRENT}\\Update\\TargetingInfo\\DynamicInstalled\\Hotpatch.amd64"
MEMORY = "SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management"
ARC = "SOFTWARE\\Microsoft\\Azure Connected Machine Agent\\Windows\\Licenses\\Features\\Hotpatch"


BASELINE_MONTH = "2026-07"
BASELINE_2022, BASELINE_2025 = (
    int(released(product, BASELINE_MONTH, "lcu").build.partition(".")[2])
    for product in ("20348", "26100")
)
"""The newest baseline of each: what a hotpatch of the month after goes on."""


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

    @property
    def baseline_kb(self) -> str:
        """The article of the cumulative update with which it begins; empty where none is known."""
        return released(self.build, BASELINE_MONTH, "lcu").kb.removeprefix("KB")


SERVER_2022 = Profile(
    "Microsoft Windows Server 2022 Datacenter", "20348", BASELINE_2022, "21H2", "ServerDatacenter"
)
SERVER_2025 = Profile(
    "Microsoft Windows Server 2025 Standard",
    "26100",
    BASELINE_2025,
    "24H2",
    "ServerStandard",
    sku=7,
)
AZURE_2022 = Profile(
    "Microsoft Windows Server 2022 Datacenter Azure Edition",
    "20348",
    BASELINE_2022,
    "21H2",
    "ServerTurbine",
    hotpatch=True,
    sku=407,
)
ARC_2025 = Profile(
    "Microsoft Windows Server 2025 Standard",
    "26100",
    BASELINE_2025,
    "24H2",
    "ServerStandard",
    hotpatch=True,
    arc=True,
    sku=7,
)
