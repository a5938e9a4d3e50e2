"""Cron: five fields, read so that nothing fires on a day that was not meant.

In ordinary cron a day of the month and a day of the week that are both given fire on either:
`0 2 8-14 * TUE` would fire on some ten days a month. Here that is refused, or made `and`
where it is written so: `0 2 8-14 * and TUE`.
"""

from __future__ import annotations

import re
from datetime import time
from itertools import product

from patchyard.domain.recurrence import Days, Recurrence, Unit, Weekday

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
FIELDS = 5
NAMES = ("minute", "hour", "day of the month", "month", "day of the week")

_STEP = re.compile(r"(\*|\w+(?:-\w+)?)(?:/(\d{1,2}))?")
_NTH = re.compile(r"(\w+)#([1-5])")
_LAST = re.compile(r"(\w+)L")
_BOTH = (
    "has a day of the month and a day of the week; ordinary cron fires on either. "
    "Write `and` between month and weekday where both must fit: 0 2 8-14 * and TUE"
)


def parse_cron(text: str) -> Recurrence:
    """Read a cron expression of five fields.

    Raises:
        ValueError: it cannot be read, or fires on either of two kinds of days.
    """
    fields = MACROS.get(text.lower(), text).upper().split()
    both = len(fields) == FIELDS + 1 and fields[FIELDS - 1] == "AND"
    if both:
        del fields[FIELDS - 1]
    if len(fields) != FIELDS:
        raise ValueError(
            "is no cron expression; it has five fields: minute, hour, day of the month, month, "
            "day of the week"
        )
    if fields[2] != "*" and fields[4] != "*" and not both:
        raise ValueError(_BOTH)
    if both and "*" in {fields[2], fields[4]}:
        raise ValueError("has `and` where one of the days is *; leave it out")
    return Recurrence(_rule(fields), times=_times(fields))


def _times(fields: list[str]) -> tuple[time, ...]:
    minutes, hours = _set(fields, 0, range(60)), _set(fields, 1, range(24))
    return tuple(time(hour, minute) for hour, minute in product(sorted(hours), sorted(minutes)))


def _rule(fields: list[str]) -> Days:
    months = _set(fields, 3, range(1, 13), MONTHS, first=1)
    return Days(
        Unit.DAY,
        months=months if fields[3] != "*" else frozenset(),
        month_days=_month_days(fields) if fields[2] != "*" else frozenset(),
        weekdays=_weekdays(fields) if fields[4] != "*" else frozenset(),
    )


def _month_days(fields: list[str]) -> frozenset[int]:
    parts = fields[2].split(",")
    last = frozenset({-1}) if "L" in parts else frozenset()
    others = [part for part in parts if part != "L"]
    return last | _union(others, 2, range(1, 32)) if others else last


def _weekdays(fields: list[str]) -> frozenset[Weekday]:
    found: set[Weekday] = set()
    for part in fields[4].split(","):
        if nth := _NTH.fullmatch(part):
            found.add(Weekday(_weekday(nth[1]), int(nth[2])))
        elif (last := _LAST.fullmatch(part)) and part not in DAYS:
            found.add(Weekday(_weekday(last[1]), -1))
        else:
            numbers = _union([part], 4, range(8), DAYS)
            found |= {Weekday((number - 1) % 7) for number in numbers}
    return frozenset(found)


def _weekday(text: str) -> int:
    """Read one day of the week, Monday being 0. Cron's 0 and 7 are Sunday."""
    return (_value(text, 4, range(8), DAYS) - 1) % 7


def _set(
    fields: list[str], place: int, valid: range, names: tuple[str, ...] = (), first: int = 0
) -> frozenset[int]:
    return _union(fields[place].split(","), place, valid, names, first)


def _union(
    parts: list[str], place: int, valid: range, names: tuple[str, ...] = (), first: int = 0
) -> frozenset[int]:
    return frozenset(n for part in parts for n in _range(part, place, valid, names, first))


def _range(part: str, place: int, valid: range, names: tuple[str, ...], first: int) -> range:
    found = _STEP.fullmatch(part)
    step = int(found[2] or 1) if found else 0
    if found is None or step == 0:
        raise _wrong(place, valid)
    if found[1] == "*":
        return valid[::step] if valid.stop != len(DAYS) + 1 else range(0, len(DAYS), step)
    begin, dash, end = found[1].partition("-")
    low = _value(begin, place, valid, names, first)
    high = _value(end, place, valid, names, first) if dash else low
    if found[2] and not dash:
        high = valid[-1]
    if names == DAYS and dash and not high:
        high = len(DAYS)  # Sunday is 0 and 7: FRI-SUN is a range.
    if low > high:
        raise ValueError(f"has a {NAMES[place]} that ends before it begins; write it as a list")
    return range(low, high + 1, step)


def _value(text: str, place: int, valid: range, names: tuple[str, ...] = (), first: int = 0) -> int:
    if text in names:
        return names.index(text) + first
    if not re.fullmatch(r"\d{1,2}", text) or int(text) not in valid:
        raise _wrong(place, valid)
    return int(text)


def _wrong(place: int, valid: range) -> ValueError:
    return ValueError(
        f"has no {NAMES[place]} that can be read; it goes from {valid[0]} to {valid[-1]}, "
        "as a number, a list, a range or a step such as */2"
    )
