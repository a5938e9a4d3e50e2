"""How long releases of Windows Server get fixes.

Source: Microsoft's lifecycle pages, as of November 2026: last day of extended support. A release
that is not listed here is unknown, never supported.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

from patchyard.domain.value import Known

LIFETIMES: Mapping[str, tuple[str, date]] = MappingProxyType(
    {
        "9200": ("Windows Server 2012", date(2023, 10, 10)),
        "9600": ("Windows Server 2012 R2", date(2023, 10, 10)),
        "14393": ("Windows Server 2016", date(2027, 1, 12)),
        "17763": ("Windows Server 2019", date(2029, 1, 9)),
        "20348": ("Windows Server 2022", date(2031, 10, 14)),
        "25398": ("Windows Server, version 23H2", date(2025, 10, 24)),
        "26100": ("Windows Server 2025", date(2034, 11, 14)),
    }
)
"""By build: the name, and the last day of fixes for everybody."""

SERVER = frozenset({2, 3})
"""ProductType of a domain controller and of a server; 1 is a workstation."""


def end_of_life(build: str, product_type: int | None, today: date) -> tuple[Known, str]:
    """Say whether a release gets no more fixes, and what a person should know about it."""
    found = LIFETIMES.get(build) if product_type in SERVER else None
    if found is None:
        return Known.UNKNOWN, f"how long build {build} gets fixes is not known here"
    name, last = found
    if today <= last:
        return Known.NO, ""
    return Known.YES, f"fixes for {name} ended on {last}; only who paid for more gets any"
