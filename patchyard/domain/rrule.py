"""RRULE: the recurrence rules of RFC 5545, as far as days and times of day go.

What is not supported is refused by name, never left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from itertools import product

from patchyard.domain.recurrence import Days, Hours, Recurrence, Unit, Weekday
from patchyard.domain.spelling import suggestion

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
UNITS = {
    "DAILY": Unit.DAY,
    "WEEKLY": Unit.WEEK,
    "MONTHLY": Unit.MONTH,
    "YEARLY": Unit.YEAR,
}
PARTS = (
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "BYDAY",
    "BYMONTHDAY",
    "BYMONTH",
    "BYSETPOS",
    "BYHOUR",
    "BYMINUTE",
    "WKST",
)
UNSUPPORTED = ("BYYEARDAY", "BYWEEKNO", "BYSECOND")
MOST = 10_000

_BYDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?")


def parse_rrule(text: str) -> Recurrence:
    """Read an RRULE, with or without `RRULE:` in front.

    Raises:
        ValueError: it cannot be read; the message says what to write.
    """
    parts = _parts(re.sub("^RRULE:", "", text.strip().upper()))
    frequency = parts.get("FREQ", "")
    if frequency == "HOURLY":
        return _hourly(parts)
    if frequency not in UNITS:
        said = suggestion(frequency, [*UNITS, "HOURLY"]) if frequency else "it is missing"
        raise ValueError(f"has no FREQ that can be used; {said}")
    times = _times(parts)
    rule = _days(UNITS[frequency], parts)
    if rule.positions and len(times) > 1:
        raise ValueError("has BYSETPOS and several times of day; write one time of day")
    return Recurrence(rule, times=times, count=_count(parts), until=_until(parts))


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in filter(None, text.split(";")):
        name, equals, value = part.partition("=")
        if name in UNSUPPORTED:
            raise ValueError(f"has {name}, which is not supported; write it with BYDAY, BYMONTHDAY")
        if name not in PARTS:
            raise ValueError(f"has a part that no RRULE has; {suggestion(name, PARTS)}")
        if not equals or not value or name in parts:
            raise ValueError(f"must have {name} once, with a value: {name}=...")
        parts[name] = value
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValueError("has COUNT and UNTIL; write one of them")
    return parts


def _hourly(parts: dict[str, str]) -> Recurrence:
    more = [name for name in parts if name.startswith("BY")]
    if more:
        raise ValueError(f"has {more[0]}, which does not go with HOURLY; write DAILY with BYHOUR")
    every = _number(parts, "INTERVAL", 1)
    return Recurrence(Hours(every), count=_count(parts), until=_until(parts))


def _days(unit: Unit, parts: dict[str, str]) -> Days:
    rule = Days(
        unit,
        every=_number(parts, "INTERVAL", 1),
        months=_numbers(parts, "BYMONTH", range(1, 13)),
        month_days=_numbers(parts, "BYMONTHDAY", _either_way(31)),
        weekdays=frozenset(_weekday(day) for day in _list(parts, "BYDAY")),
        positions=_numbers(parts, "BYSETPOS", _either_way(366)),
        week_start=_week_start(parts),
    )
    if unit in {Unit.DAY, Unit.WEEK} and any(day.nth for day in rule.weekdays):
        raise ValueError("counts weekdays in BYDAY, which goes with MONTHLY and YEARLY only")
    if unit == Unit.WEEK and rule.month_days:
        raise ValueError("has BYMONTHDAY, which does not go with WEEKLY; write DAILY or MONTHLY")
    if rule.positions and not (rule.weekdays or rule.month_days or rule.months):
        raise ValueError("has BYSETPOS, which goes with another BY part only")
    return rule


def _list(parts: dict[str, str], name: str) -> list[str]:
    return parts[name].split(",") if name in parts else []


def _either_way(most: int) -> Callable[[int], bool]:
    return lambda number: 1 <= abs(number) <= most


def _numbers(
    parts: dict[str, str], name: str, valid: range | Callable[[int], bool]
) -> frozenset[int]:
    """Read a list of numbers, all of which must be valid."""
    fits = valid.__contains__ if isinstance(valid, range) else valid
    found = frozenset(
        int(text) for text in _list(parts, name) if re.fullmatch(r"[+-]?\d{1,3}", text)
    )
    if len(found) != len(set(_list(parts, name))) or not all(fits(number) for number in found):
        raise ValueError(f"has a number in {name} that cannot stand there, or one twice")
    return found


def _number(parts: dict[str, str], name: str, default: int) -> int:
    text = parts.get(name, str(default))
    if not re.fullmatch(r"\d{1,5}", text) or not 1 <= int(text) <= MOST:
        raise ValueError(f"has no {name} that can be used; write a number from 1 to {MOST:,}")
    return int(text)


def _count(parts: dict[str, str]) -> int | None:
    return _number(parts, "COUNT", 1) if "COUNT" in parts else None


def _weekday(text: str) -> Weekday:
    found = _BYDAY.fullmatch(text)
    nth = int(found[1]) if found and found[1] else None
    if found is None or (nth is not None and not 1 <= abs(nth) <= 53):  # noqa: PLR2004 - weeks of a year
        raise ValueError("has no BYDAY that can be used; write SA, or 2TU, or -1SU")
    return Weekday(DAYS.index(found[2]), nth)


def _week_start(parts: dict[str, str]) -> int:
    day = parts.get("WKST", "MO")
    if day not in DAYS:
        raise ValueError(f"has no WKST that can be used; known are: {', '.join(DAYS)}")
    return DAYS.index(day)


def _times(parts: dict[str, str]) -> tuple[time, ...]:
    hours = sorted(_numbers(parts, "BYHOUR", range(24)))
    minutes = sorted(_numbers(parts, "BYMINUTE", range(60)))
    if minutes and not hours:
        raise ValueError("has BYMINUTE without BYHOUR; write both, or neither for the start's time")
    return tuple(time(hour, minute) for hour, minute in product(hours, minutes or [0]))


def _until(parts: dict[str, str]) -> datetime | None:
    if "UNTIL" not in parts:
        return None
    moment = read_moment(parts["UNTIL"])
    # A day means all of it.
    return moment if isinstance(moment, datetime) else datetime.combine(moment, time(23, 59, 59))


def read_moment(text: str) -> datetime | date:
    """Read a day or a time as calendars write it: 20261224, 20261224T180000, with Z for UTC.

    Raises:
        ValueError: it cannot be read.
    """
    found = _MOMENT.fullmatch(text)
    try:
        day = date(int(found[1]), int(found[2]), int(found[3])) if found else None
        clock = time(int(found[4]), int(found[5]), int(found[6])) if found and found[4] else None
    except ValueError:
        day = None
    if found is None or day is None:
        raise ValueError("has no date that can be read; write 20261224 or 20261224T180000Z")
    return day if clock is None else datetime.combine(day, clock, UTC if found[7] else None)
