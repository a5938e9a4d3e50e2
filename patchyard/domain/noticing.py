"""Notices: which are due, under which key each is given once, and what it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from patchyard.domain.around import MOMENTS, Notice
from patchyard.domain.durations import parse_duration, write_duration

TYPES: Mapping[str, str] = {
    "start": "patchyard.run.started",
    "wave": "patchyard.run.wave_ended",
    "failure": "patchyard.run.failing",
    "end": "patchyard.run.ended",
}
"""Names of events by the moments of a run; Prefect's events and CloudEvents have the same."""

ANNOUNCED = "patchyard.window.announced"
"""The name of the event before a window."""

MISSED = "patchyard.window.missed"
"""The name of the event of a window that is over and whose run never began."""

GIVEN_UP = "patchyard.window.failed"
"""The name of the event of a window whose runs died before they had it."""

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody is told. `id` is the same however often it is given."""

    id: str
    type: str
    at: datetime
    inventory: str
    subject: str
    title: str
    text: str
    data: Mapping[str, Any]


def ahead(notices: Iterable[Notice]) -> timedelta:
    """Return how long before a window the first of its notices is given."""
    moments = (moment for notice in notices for moment in notice.at if moment not in MOMENTS)
    return max(map(parse_duration, moments), default=timedelta(0))


def due(
    notices: Iterable[Notice], start: datetime, now: datetime
) -> Iterator[tuple[Notice, str, timedelta]]:
    """Return the notices that are due before a window, each with its moment.

    Of several moments that have come, the last one counts: who learns of a window two hours ahead
    is told once, and not also what was to be told a day ahead.
    """
    for notice in notices:
        times = ((parse_duration(each), each) for each in notice.at if each not in MOMENTS)
        come = [(time, each) for time, each in times if start - time <= now < start]
        if come:
            time, moment = min(come)
            yield notice, moment, time


def key_of(place: str, moment: str, notice: Notice) -> str:
    """Return the key under which a notice is given once. `place` is a run, or a window's time."""
    return "/".join(part for part in (place, moment, notice.to, notice.address) if part)


def left(start: datetime, now: datetime) -> str:
    """Write how long it is until a time, to the minute."""
    return write_duration(max(_MINUTE, round((start - now) / _MINUTE) * _MINUTE))


def when(start: datetime, end: datetime, local: datetime | None = None) -> str:
    """Write a window's time in UTC, and by its own clock where that is known."""
    utc = f"{start.astimezone(UTC):%Y-%m-%d %H:%M} to {end.astimezone(UTC):%H:%M} UTC"
    if local is None or local.utcoffset() == timedelta(0):
        return utc
    return f"{local:%a %Y-%m-%d %H:%M %Z} ({utc})"
