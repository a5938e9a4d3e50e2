"""How long releases get fixes.

Source: distro-info-data 0.58+deb12u7 (tables debian.csv and ubuntu.csv), read in November 2026.
A release that is not listed here is unknown, never supported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from patchyard.domain.value import Known


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The last days of a release's fixes.

    `extended` is Debian LTS, which every machine gets from the same archive. `paid` is what
    only machines with a contract get (Ubuntu Pro); it counts where such a source is configured.
    """

    regular: date
    extended: date | None = None
    paid: date | None = None


LIFETIMES: Mapping[tuple[str, str], Lifetime] = MappingProxyType(
    {
        ("debian", "8"): Lifetime(date(2018, 6, 17), extended=date(2020, 6, 30)),
        ("debian", "9"): Lifetime(date(2020, 7, 18), extended=date(2022, 6, 30)),
        ("debian", "10"): Lifetime(date(2022, 9, 10), extended=date(2024, 6, 30)),
        ("debian", "11"): Lifetime(date(2024, 8, 14), extended=date(2026, 8, 31)),
        ("debian", "12"): Lifetime(date(2026, 7, 11), extended=date(2028, 6, 30)),
        ("debian", "13"): Lifetime(date(2028, 8, 9), extended=date(2030, 6, 30)),
        ("ubuntu", "16.04"): Lifetime(date(2021, 4, 30), paid=date(2026, 4, 23)),
        ("ubuntu", "18.04"): Lifetime(date(2023, 5, 31), paid=date(2028, 4, 26)),
        ("ubuntu", "20.04"): Lifetime(date(2025, 5, 29), paid=date(2030, 4, 23)),
        ("ubuntu", "22.04"): Lifetime(date(2027, 6, 1), paid=date(2032, 4, 21)),
        ("ubuntu", "24.04"): Lifetime(date(2029, 5, 31), paid=date(2034, 4, 25)),
        ("ubuntu", "24.10"): Lifetime(date(2025, 7, 10)),
        ("ubuntu", "25.04"): Lifetime(date(2026, 1, 15)),
        ("ubuntu", "25.10"): Lifetime(date(2026, 7, 9)),
        ("ubuntu", "26.04"): Lifetime(date(2031, 5, 29), paid=date(2036, 4, 23)),
        ("ubuntu", "26.10"): Lifetime(date(2027, 7, 15)),
    }
)


def end_of_life(os_id: str, version_id: str, today: date, *, paid: bool) -> tuple[Known, str]:
    """Say whether a release gets no more fixes, and what a person should know about it."""
    lifetime = LIFETIMES.get((os_id, version_id))
    name = f"{os_id} {version_id}".strip()
    if lifetime is None:
        return Known.UNKNOWN, f"how long {name} gets fixes is not known here"
    if today <= lifetime.regular:
        return Known.NO, ""
    over = f"regular fixes for {name} ended on {lifetime.regular}"
    if lifetime.extended is not None and today <= lifetime.extended:
        return Known.NO, f"{over}; long-term support goes on until {lifetime.extended}"
    if lifetime.paid is not None and today <= lifetime.paid:
        if paid:
            return Known.NO, f"{over}; extended maintenance goes on until {lifetime.paid}"
        return Known.YES, f"{over}; extended maintenance exists and is not configured here"
    return Known.YES, f"{over}, and no fixes exist any more"
