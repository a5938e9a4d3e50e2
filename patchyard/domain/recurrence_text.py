"""Recurrence as it is written: Azure's strings, `patch_tuesday + 4 days`, RRULE, or cron.

Month Second Tuesday Offset4      Azure's recurEvery; offsets may be longer than 6 days
3Weeks Saturday,Sunday            counted from the week of the start
1Month day1,day15                 day-1 is the last day of the month
6Hours                            hours of the wall clock
patch_tuesday + 4 days            the second Tuesday of every month, and so many days on
FREQ=MONTHLY;BYDAY=-1SU           RRULE (RFC 5545), with or without `RRULE:`
30 2 * * SAT                      cron; has its own time of day
0 2 8-14 * and TUE                cron with both kinds of days: only where both fit
"""

from __future__ import annotations

import re
from functools import lru_cache

from patchyard.domain.cron import parse_cron
from patchyard.domain.recurrence import Days, Hours, Recurrence, Unit, Weekday
from patchyard.domain.rrule import parse_rrule
from patchyard.domain.spelling import suggestion
from patchyard.errors import ConfigurationError

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}

MOST = 366
"""The longest interval, whatever its unit. Azure ends at 35."""

FARTHEST = 90
"""Days that an offset may have. Azure ends at 6."""

TUESDAY = 1

_EVERY = re.compile(r"(\d{0,6})(hour|day|week|month)s?(?:\s+(.*))?", re.IGNORECASE | re.DOTALL)
_MONTHLY = re.compile(r"(\w+)\s+(\w+)(?:\s+offset\s*([+-]?\d{1,4}))?", re.IGNORECASE)
_MONTH_DAY = re.compile(r"day(-?\d{1,3})", re.IGNORECASE)
_PATCH_TUESDAY = re.compile(
    r"patch[ _-]?tuesday(?:\s*([+-])\s*(\d{1,4})\s*(days?|weeks?)?)?", re.IGNORECASE
)
_HOW = (
    "is no recurrence; write Azure's form (Month Second Tuesday Offset4), patch_tuesday + 4 days, "
    "an RRULE (FREQ=WEEKLY;BYDAY=SA) or cron (0 2 * * SAT)"
)


@lru_cache(maxsize=1024)
def parse_recurrence(text: str) -> Recurrence:
    """Read a recurrence in any of its forms.

    Raises:
        ConfigurationError: it cannot be read, or could be understood in two ways.
    """
    written = text.strip()
    try:
        return _read(written)
    except ValueError as error:
        raise ConfigurationError.of(str(error), field="recurrence") from None


def _read(written: str) -> Recurrence:
    if re.match(r"rrule:|freq=", written, re.IGNORECASE):
        return parse_rrule(written)
    if found := _PATCH_TUESDAY.fullmatch(written):
        return _patch_tuesday(found)
    if found := _EVERY.fullmatch(written):
        return _azure(int(found[1] or 1), found[2].lower(), (found[3] or "").strip())
    if written.startswith("@") or re.match(r"[\d*]", written):
        return parse_cron(written)
    raise ValueError(_HOW)


def _patch_tuesday(found: re.Match[str]) -> Recurrence:
    days = int(found[2] or 0) * (7 if (found[3] or "").lower().startswith("week") else 1)
    offset = _within(-days if found[1] == "-" else days)
    return Recurrence(_nth_weekday(1, 2, TUESDAY, offset))


def _within(offset: int) -> int:
    if abs(offset) > FARTHEST:
        raise ValueError(f"is more than {FARTHEST} days away from the day that it counts from")
    return offset


def _nth_weekday(every: int, nth: int, day: int, offset: int) -> Days:
    return Days(Unit.MONTH, every, weekdays=frozenset({Weekday(day, nth)}), offset=offset)


def _azure(every: int, unit: str, detail: str) -> Recurrence:
    if not 1 <= every <= MOST:
        raise ValueError(f"counts periods from 1 to {MOST}")
    if detail and unit in {"hour", "day"}:
        raise ValueError(f"takes nothing after the {unit}s; the start tells the time of day")
    if unit == "hour":
        return Recurrence(Hours(every), note="hours of the wall clock, from the start on")
    if unit == "week":
        return Recurrence(Days(Unit.WEEK, every, weekdays=_weekdays(detail)))
    if unit == "month":
        return Recurrence(_month(every, detail))
    return Recurrence(Days(Unit.DAY, every))


def _weekdays(detail: str) -> frozenset[Weekday]:
    names = detail.split(",") if detail else []
    return frozenset(Weekday(_weekday(name.strip())) for name in names)


def _weekday(name: str) -> int:
    """Read a weekday's name; its first three letters are enough."""
    for number, known in enumerate(WEEKDAYS):
        if name.lower() in {known, known[:3]}:
            return number
    said = suggestion(name, [day.capitalize() for day in WEEKDAYS])
    raise ValueError(f"names no weekday where one must stand; {said}")


def _month(every: int, detail: str) -> Days:
    if not detail:
        return Days(Unit.MONTH, every)
    if detail.lower().startswith("day"):
        days = frozenset(_month_day(part.strip()) for part in detail.split(","))
        return Days(Unit.MONTH, every, month_days=days)
    found = _MONTHLY.fullmatch(detail)
    if found is None:
        raise ValueError(
            "has a month's days in no known form; "
            "write day1,day15 or Second Tuesday or Second Tuesday Offset4"
        )
    if found[1].lower() not in ORDINALS:
        said = suggestion(found[1], [name.capitalize() for name in ORDINALS])
        raise ValueError(f"counts a month's weekdays in an unknown way; {said}")
    nth, day = ORDINALS[found[1].lower()], _weekday(found[2])
    return _nth_weekday(every, nth, day, _within(int(found[3] or 0)))


def _month_day(part: str) -> int:
    found = _MONTH_DAY.fullmatch(part)
    number = int(found[1]) if found else 0
    if not number or abs(number) > 31:  # noqa: PLR2004 - the longest month
        raise ValueError("has a day that is in no month; write day1 to day31, day-1 for the last")
    return number
