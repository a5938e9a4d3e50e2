"""System.DateTime and System.TimeSpan. Every simulated computer lives in one zone, off UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.errors import NetError
from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.values import EnumValue, Int64, Value

UNSPECIFIED, UTC_KIND, LOCAL = range(3)
KINDS = ("Unspecified", "Utc", "Local")
LOCAL_OFFSET: Final = timedelta(hours=2)
"""Two hours off, so that a script that forgets to ask for UTC is found out."""

SECOND = 10_000_000
DAY = 86400 * SECOND
EPOCH = datetime(1, 1, 1, tzinfo=UTC)
UNIX_TICKS = 621_355_968_000_000_000
FILETIME_EPOCH = 504_911_232_000_000_000
TOKEN = re.compile(
    r"yyyy|yy|MMMM|MMM|MM|M|dddd|ddd|dd|d|HH|H|hh|h|mm|m|ss|s|f+|F+|tt|zzz|K|'[^']*'|\\.|."
)


class DateTime(NetObject):
    """A System.DateTime: ticks since the year 1, and whether they are UTC or local."""

    net = NetInfo("System.DateTime", "datetime")

    def __init__(self, ticks: int, kind: int = UNSPECIFIED, *, noted: bool = False) -> None:
        self.ticks = ticks
        self.kind = kind
        self.noted = noted
        """Whether it carries note properties, as what Get-Date gives does."""

    @classmethod
    def of(cls, moment: datetime) -> DateTime:
        """Return a moment as UTC."""
        return cls(ticks_of(moment.astimezone(UTC) - EPOCH), UTC_KIND)

    @classmethod
    def at(cls, seconds: float) -> DateTime:
        """Return a number of seconds since 1970 as UTC."""
        return cls(UNIX_TICKS + round(seconds * 1_000_000) * 10, UTC_KIND)

    def moment(self) -> datetime:
        """Return it as Python's, in UTC; unspecified is taken for local."""
        return EPOCH + timedelta(microseconds=self.utc().ticks // 10)

    def wall(self) -> datetime:
        """Return what a calendar and a clock on the wall show."""
        return EPOCH + timedelta(microseconds=self.ticks // 10)

    def utc(self) -> DateTime:
        """Return it as UTC."""
        if self.kind == UTC_KIND:
            return self
        return DateTime(self.ticks - ticks_of(LOCAL_OFFSET), UTC_KIND)

    def local(self) -> DateTime:
        """Return it as local time; unspecified is taken for UTC."""
        if self.kind == LOCAL:
            return self
        return DateTime(self.ticks + ticks_of(LOCAL_OFFSET), LOCAL)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DateTime) and self.ticks == other.ticks

    def __hash__(self) -> int:
        return hash(self.ticks)

    def shown(self) -> str:
        """Return what ToString gives, in the culture en-US."""
        return self.format("M/d/yyyy h:mm:ss tt")

    def format(self, pattern: str) -> str:
        """Return it by a .NET format.

        Raises:
            NotSimulated: the format is a standard one that is not known.
        """
        standard = {
            "o": "yyyy-MM-ddTHH:mm:ss.fffffffK",
            "s": "yyyy-MM-ddTHH:mm:ss",
            "u": "yyyy-MM-dd HH:mm:ssZ",
        }
        if len(pattern) == 1:
            if pattern.lower() not in standard:
                raise NotSimulated(f"the format {pattern!r} of a date")
            pattern = standard[pattern.lower()]
        return "".join(self._token(token) for token in TOKEN.findall(pattern))

    def _token(self, token: str) -> str:
        wall = self.wall()
        simple = {
            "yyyy": f"{wall.year:04}",
            "yy": f"{wall.year % 100:02}",
            "MMMM": wall.strftime("%B"),
            "MMM": wall.strftime("%b"),
            "MM": f"{wall.month:02}",
            "M": str(wall.month),
            "dddd": wall.strftime("%A"),
            "ddd": wall.strftime("%a"),
            "dd": f"{wall.day:02}",
            "d": str(wall.day),
            "HH": f"{wall.hour:02}",
            "H": str(wall.hour),
            "hh": f"{wall.hour % 12 or 12:02}",
            "h": str(wall.hour % 12 or 12),
            "mm": f"{wall.minute:02}",
            "m": str(wall.minute),
            "ss": f"{wall.second:02}",
            "s": str(wall.second),
            "tt": "AM" if wall.hour < 12 else "PM",  # noqa: PLR2004 - noon
            "zzz": self._offset(),
            "K": ("", "Z", self._offset())[self.kind],
        }
        if token in simple:
            return simple[token]
        if token[0] in "fF":
            digits = f"{self.ticks % SECOND:07}"[: len(token)]
            return digits.rstrip("0") if token[0] == "F" else digits
        return token.strip("'").removeprefix("\\")

    @staticmethod
    def _offset() -> str:
        minutes = int(LOCAL_OFFSET.total_seconds()) // 60
        return f"+{minutes // 60:02}:{minutes % 60:02}"


class TimeSpan(NetObject):
    """A System.TimeSpan."""

    net = NetInfo("System.TimeSpan", "timespan")

    def __init__(self, ticks: int) -> None:
        self.ticks = ticks

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TimeSpan) and self.ticks == other.ticks

    def __hash__(self) -> int:
        return hash(self.ticks)

    def shown(self) -> str:
        """Return what ToString gives."""
        rest = abs(self.ticks)
        days, rest = divmod(rest, DAY)
        seconds, fraction = divmod(rest, SECOND)
        sign = "-" if self.ticks < 0 else ""
        text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return f"{sign}{f'{days}.' if days else ''}{text}{f'.{fraction:07}' if fraction else ''}"


def ticks_of(span: timedelta) -> int:
    """Return a span of time in ticks of 100 ns."""
    return (span.days * 86400 + span.seconds) * SECOND + span.microseconds * 10


ISO = re.compile(
    r"\s*(\d{4})-(\d\d?)-(\d\d?)(?:[T ](\d\d?):(\d\d)(?::(\d\d)(?:\.(\d{1,7}))?)?)?"
    r"\s*(Z|[+-]\d\d:?\d\d)?\s*"
)
SLASHED = re.compile(r"\s*(\d\d?)/(\d\d?)/(\d{4})(?: (\d\d?):(\d\d)(?::(\d\d))?)?()()\s*")


def parse_date(text: str) -> DateTime:
    """Read a date as the invariant culture does; one with a zone becomes local time.

    Raises:
        NetError: it is none that .NET would take in the forms that are known here.
    """
    found = ISO.fullmatch(text)
    if found:
        year, month, day = found[1], found[2], found[3]
    elif found := SLASHED.fullmatch(text):
        month, day, year = found[1], found[2], found[3]
    else:
        raise NetError("System.FormatException", "String was not recognized as a valid DateTime.")
    try:
        wall = datetime(
            int(year),
            int(month),
            int(day),
            int(found[4] or 0),
            int(found[5] or 0),
            int(found[6] or 0),
            tzinfo=UTC,
        )
    except ValueError:
        raise NetError(
            "System.FormatException", "String was not recognized as a valid DateTime."
        ) from None
    ticks = ticks_of(wall - EPOCH) + int((found[7] or "0").ljust(7, "0"))
    zone = found[8]
    if not zone:
        return DateTime(ticks)
    return DateTime(ticks - _zone_ticks(zone), UTC_KIND).local()


def _zone_ticks(zone: str) -> int:
    if zone == "Z":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    ticks = (hours * 60 + minutes) * 60 * SECOND
    return -ticks if zone[0] == "-" else ticks


def parse_span(text: str) -> TimeSpan:
    """Read a span of time.

    Raises:
        NetError: it is none.
    """
    found = re.fullmatch(r"(-)?(?:(\d+)\.)?(\d+):(\d\d)(?::(\d\d)(?:\.(\d{1,7}))?)?", text.strip())
    if found is None:
        raise NetError("System.FormatException", "String was not recognized as a valid TimeSpan.")
    days, hours, minutes, seconds = (int(found[group] or 0) for group in (2, 3, 4, 5))
    whole = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    ticks = whole * SECOND + int((found[6] or "0").ljust(7, "0"))
    return TimeSpan(-ticks if found[1] else ticks)


_D, _S = DateTime.net, TimeSpan.net


@_D.constructor
def _new_date(_rt: Value, *parts: Value) -> Value:
    if len(parts) == 1:
        return DateTime(int(parts[0]))
    kind = parts[6].number if len(parts) > 6 else UNSPECIFIED  # noqa: PLR2004
    year, month, day, hour, minute, second = (*(int(p) for p in parts[:6]), 0, 0, 0)[:6]
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise NetError("System.ArgumentOutOfRangeException", str(error)) from None
    return DateTime(ticks_of(moment - EPOCH), kind)


@_D.static("Parse")
def _parse(_rt: Value, text: Value, _culture: Value = None, styles: Value = None) -> Value:
    return _styled(parse_date(str(text)), styles)


@_D.static("ParseExact")
def _parse_exact(
    _rt: Value, text: Value, form: Value, _culture: Value, styles: Value = None
) -> Value:
    found = parse_date(str(text))
    utc = found.utc() if found.kind == LOCAL else DateTime(found.ticks, UTC_KIND)
    if str(text) not in {found.format(str(form)), utc.format(str(form))}:
        raise NetError("System.FormatException", "String was not recognized as a valid DateTime.")
    return _styled(found, styles)


def _styled(found: DateTime, styles: Value) -> DateTime:
    number = styles.number if isinstance(styles, EnumValue) else 0
    if number & ~0x50 and number not in {0, 128}:
        raise NotSimulated(f"DateTimeStyles {number}")
    if found.kind == UNSPECIFIED and number & 0x40:
        found = DateTime(found.ticks, UTC_KIND)
    if number & 0x10 or (number == 128 and found.kind == LOCAL):  # noqa: PLR2004
        return found.utc()
    return found.local() if found.kind == UTC_KIND else found


@_D.static("FromFileTimeUtc")
def _from_file_time(_rt: Value, ticks: Value) -> Value:
    return DateTime(int(ticks) + FILETIME_EPOCH, UTC_KIND)


@_D.static("SpecifyKind")
def _specify(_rt: Value, date: Value, kind: Value) -> Value:
    name = kind.name if isinstance(kind, EnumValue) else str(kind)
    return DateTime(date.ticks, [k.lower() for k in KINDS].index(name.lower()))


@_D.method("ToUniversalTime")
def _to_utc(date: DateTime, _rt: Value) -> Value:
    return date.utc()


@_D.method("ToLocalTime")
def _to_local(date: DateTime, _rt: Value) -> Value:
    return date.local()


@_D.method("ToFileTimeUtc")
def _to_file_time(date: DateTime, _rt: Value) -> Value:
    ticks = date.utc().ticks if date.kind == LOCAL else date.ticks
    return Int64(ticks - FILETIME_EPOCH)


@_D.method("ToFileTime")
def _to_file_time_local(date: DateTime, _rt: Value) -> Value:
    return Int64(date.utc().ticks - FILETIME_EPOCH)


@_D.method("ToString")
def _to_string(date: DateTime, _rt: Value, form: Value = "", _culture: Value = None) -> Value:
    return date.format(str(form)) if form else date.shown()


@_D.method("Subtract")
def _subtract(date: DateTime, _rt: Value, other: Value) -> Value:
    if isinstance(other, TimeSpan):
        return DateTime(date.ticks - other.ticks, date.kind)
    return TimeSpan(date.ticks - other.ticks)


@_D.method("Add")
def _add(date: DateTime, _rt: Value, span: Value) -> Value:
    return DateTime(date.ticks + span.ticks, date.kind)


def _adding(unit: int) -> Value:
    def add(date: DateTime, _rt: Value, amount: Value) -> Value:
        # .NET rounds what is added to a whole millisecond.
        milliseconds = round(float(amount) * unit / 10_000)
        return DateTime(date.ticks + milliseconds * 10_000, date.kind)

    return add


for _name, _unit in {
    "AddDays": DAY,
    "AddHours": 3600 * SECOND,
    "AddMinutes": 60 * SECOND,
    "AddSeconds": SECOND,
    "AddMilliseconds": SECOND // 1000,
}.items():
    _D.method(_name)(_adding(_unit))
for _part in ("year", "month", "day", "hour", "minute", "second"):
    _D.property(_part.capitalize())(lambda date, part=_part: getattr(date.wall(), part))


@_D.property("Ticks")
def _ticks(date: DateTime) -> Value:
    return Int64(date.ticks)


@_D.property("Kind")
def _kind(date: DateTime) -> Value:
    return EnumValue("System.DateTimeKind", KINDS[date.kind], date.kind)


@_D.property("DayOfWeek")
def _weekday(date: DateTime) -> Value:
    number = date.wall().isoweekday() % 7
    return EnumValue("System.DayOfWeek", date.wall().strftime("%A"), number)


@_D.property("Date")
def _date(date: DateTime) -> Value:
    return DateTime(date.ticks - date.ticks % DAY, date.kind)


@_S.property("Ticks")
def _span_ticks(span: TimeSpan) -> Value:
    return Int64(span.ticks)


@_S.method("ToString")
def _span_string(span: TimeSpan, _rt: Value) -> Value:
    return span.shown()


def _total(unit: int) -> Value:
    return lambda span: span.ticks / unit


def _part_of(unit: int, limit: int) -> Value:
    def part(span: TimeSpan) -> Value:
        whole = abs(span.ticks) // unit
        value = whole % limit if limit else whole
        return -value if span.ticks < 0 else value

    return part


for _plural, _unit, _limit in (
    ("Days", DAY, 0),
    ("Hours", 3600 * SECOND, 24),
    ("Minutes", 60 * SECOND, 60),
    ("Seconds", SECOND, 60),
    ("Milliseconds", SECOND // 1000, 1000),
):
    _S.property(_plural)(_part_of(_unit, _limit))
    _S.property(f"Total{_plural}")(_total(_unit))
    _S.static(f"From{_plural}")(
        lambda _rt, amount, unit=_unit: TimeSpan(round(float(amount) * unit / 10_000) * 10_000)
    )


@_S.constructor
def _new_span(_rt: Value, *parts: Value) -> Value:
    numbers = [int(part) for part in parts]
    if len(numbers) == 1:
        return TimeSpan(numbers[0])
    if len(numbers) == 3:  # noqa: PLR2004 - hours, minutes and seconds
        numbers = [0, *numbers]
    days, hours, minutes, seconds = numbers[:4]
    return TimeSpan((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * SECOND)
