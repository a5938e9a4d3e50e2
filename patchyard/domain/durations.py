"""Durations and local times as operators write them: `3h55m`, `PT4H`; `2026-03-10 22:00`."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

DAY = timedelta(days=1)
LONGEST_TEXT = 100

FIRST_YEAR, LAST_YEAR = 1970, 2199
"""Nothing is worked out before or after; no zone's rules are known so far ahead."""

NEVER = datetime.combine(date.max, time.max)

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_PART = re.compile(
    r"(\d{1,6})\s*(w|weeks?|d|days?|h|hours?|m|min|minutes?|s|sec|seconds?)(?![a-z])\s*",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d)")
_ISO = re.compile(
    r"P(?:(?P<weeks>\d{1,6})W|(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,6})S)?)?)"
)
_LOCAL = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?))?")


def parse_duration(text: str) -> timedelta:
    """Read a duration: `3h55m`, `90 min`, `2 days`, `03:55` (hours, minutes) or `PT3H55M`.

    Raises:
        ValueError: it cannot be read; the message says what to write.
    """
    written = text.strip()
    for read in (_clock, parse_iso, _parts) if len(written) <= LONGEST_TEXT else ():
        if (found := read(written)) is not None:
            return found
    raise ValueError("is no duration; write it such as 3h55m, 90 min, 2 days or PT4H")


def _clock(text: str) -> timedelta | None:
    found = _CLOCK.fullmatch(text)
    return timedelta(hours=int(found[1]), minutes=int(found[2])) if found else None


def parse_iso(text: str) -> timedelta | None:
    """Read a duration of ISO 8601 such as PT3H55M; None where it is none."""
    found = _ISO.fullmatch(text.upper())
    given = (
        {unit: int(count) for unit, count in found.groupdict().items() if count} if found else {}
    )
    return timedelta(**given) if given else None


def _parts(text: str) -> timedelta | None:
    total, place = timedelta(0), 0
    while part := _PART.match(text, place):
        total += timedelta(**{_UNITS[part[2][0].lower()]: int(part[1])})
        place = part.end()
    return total if text and place == len(text) else None


def write_duration(duration: timedelta) -> str:
    """Write a duration shortly: `3h55m`, `2d`; `0m` for none."""
    minutes, seconds = divmod(round(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0m"


def parse_local(text: str) -> datetime | date:
    """Read a wall-clock time without a zone, or a day: `2026-03-10 22:00`, `2026-03-10`.

    Raises:
        ValueError: it cannot be read; the message says what to write.
    """
    found = _LOCAL.fullmatch(text.strip())
    try:
        day = date.fromisoformat(found[1]) if found else None
        clock = time.fromisoformat(found[2]) if found and found[2] else None
    except ValueError:
        day = clock = None
    if day is None:
        raise ValueError("is no local time; write it such as 2026-03-10 22:00, or 2026-03-10")
    return day if clock is None else datetime.combine(day, clock)


def beginning(moment: datetime | date) -> datetime:
    """Return a local time; of a day, its beginning."""
    return moment if isinstance(moment, datetime) else datetime.combine(moment, time.min)


def ending(moment: datetime | date) -> datetime:
    """Return a local time; of a day, its end: whoever writes a last day means all of it."""
    if isinstance(moment, datetime):
        return moment
    # Azure writes this day for an end that never comes.
    return NEVER if moment == date.max else beginning(moment) + DAY


def near(moment: datetime | date) -> bool:
    """Say whether a time is one that can be reckoned with."""
    return FIRST_YEAR <= moment.year <= LAST_YEAR


def _read_duration(written: object) -> timedelta:
    if isinstance(written, timedelta):
        return written
    if isinstance(written, str):
        return parse_duration(written)
    raise ValueError("needs a unit; write it such as 3h55m, 90 min or 2 days")


def _read_local(written: object) -> datetime | date:
    if isinstance(written, str):
        return parse_local(written)
    if isinstance(written, date):
        return written
    raise ValueError("is no local time; write it such as 2026-03-10 22:00, or 2026-03-10")


def _read_time(written: object) -> datetime:
    moment = _read_local(written)
    if not isinstance(moment, datetime):
        raise ValueError("needs a time of day; write it such as 2026-03-10 22:00")  # noqa: TRY004 - pydantic takes only this
    if not near(moment):
        raise ValueError(f"is too far away; write a year from {FIRST_YEAR} to {LAST_YEAR}")
    return moment


def _write_local(moment: datetime | date) -> str:
    return str(moment).removesuffix(":00") if isinstance(moment, datetime) else str(moment)


_TEXT = WithJsonSchema({"type": "string"})

Duration = Annotated[
    timedelta, BeforeValidator(_read_duration), PlainSerializer(write_duration), _TEXT
]
"""A duration in a file."""

LocalMoment = Annotated[
    datetime | date, BeforeValidator(_read_local), PlainSerializer(_write_local), _TEXT
]
"""A wall-clock time or a day in a file; the zone is told elsewhere."""

LocalTime = Annotated[datetime, BeforeValidator(_read_time), PlainSerializer(_write_local), _TEXT]
"""A wall-clock time in a file; the zone is told elsewhere."""
