"""Time zones: from the wall clock to instants, without surprises where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from patchyard.domain.spelling import suggestion
from patchyard.errors import ConfigurationError

SECOND = timedelta(seconds=1)

SLACK = timedelta(days=2)
"""More than a zone is ever away from UTC, a day that it leaves out included."""


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """Return a zone by its IANA name, from the time zone database of the machine or our own.

    Raises:
        ConfigurationError: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        said = suggestion(name, available_timezones())
        raise ConfigurationError.of(
            f"is no time zone; write an IANA name such as Europe/Berlin or UTC; {said}",
            field="time_zone",
        ) from None


def first_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant, in UTC, at which a zone's clock reads `local` or later."""
    at = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _clock(at, zone) == local:
        return at
    # In a gap the offset before it leads too far, and the one after it not far enough.
    low, high = local.replace(tzinfo=zone, fold=1).astimezone(UTC), at
    while high - low > SECOND:
        middle = low + SECOND * ((high - low) // SECOND // 2)
        low, high = (low, middle) if _clock(middle, zone) >= local else (middle, high)
    return high


def _clock(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def how_read(local: datetime, zone: ZoneInfo) -> str:
    """Say how a local time is read that does not exist or comes twice; nothing for any other."""
    first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if first == second:
        return ""
    shown = _clock(first_instant(local, zone), zone)
    if shown == local:
        return f"{local:%H:%M} comes twice that day; the first is meant"
    return f"{local:%Y-%m-%d %H:%M} does not exist there; it begins at {shown:%Y-%m-%d %H:%M}"
