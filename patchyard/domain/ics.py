"""Calendar files (iCalendar, RFC 5545) as freezes: each event is a time in which nothing may run.

Strict on purpose: what cannot be understood is told with its line, for an event that is left out
is a freeze that does not hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from patchyard.domain.durations import (
    DAY,
    FIRST_YEAR,
    LAST_YEAR,
    beginning,
    near,
    parse_iso,
)
from patchyard.domain.freezes import Freeze
from patchyard.domain.recurrence import Recurrence
from patchyard.domain.rrule import parse_rrule, read_moment
from patchyard.domain.zones import first_instant, zone_of
from patchyard.errors import ConfigurationError, Problem

ONCE = frozenset({"DTSTART", "DTEND", "DURATION", "SUMMARY", "UID", "RECURRENCE-ID", "STATUS"})
"""Properties that an event has once at most."""

LONGEST = 10_000_000
"""So many characters may a calendar have."""

LONGEST_EVENT = timedelta(days=3660)

_LINE = re.compile(r'([A-Za-z0-9-]+)((?:;[A-Za-z0-9-]+=(?:"[^"]*"|[^;:",]*)(?:,[^;:]*)?)*):(.*)')
_PARAMETER = re.compile(r';([A-Za-z0-9-]+)=("[^"]*"|[^;]*)')
_ESCAPE = re.compile(r"\\([\\;,nN])")


@dataclass(frozen=True, slots=True)
class _Property:
    """One line of a calendar, unfolded: its name, parameters, value, and where it stands."""

    line: int
    name: str
    parameters: dict[str, str]
    value: str

    def wrong(self, said: str) -> Problem:
        return Problem(said, line=self.line, field=self.name)


@dataclass(slots=True)
class _Event:
    """An event as it is written: where it begins, and its properties."""

    line: int
    properties: list[_Property] = field(default_factory=list)

    def one(self, name: str) -> _Property | None:
        return next((each for each in self.properties if each.name == name), None)

    def text(self, name: str) -> str:
        found = self.one(name)
        return _plain(found.value) if found else ""


@dataclass(frozen=True, slots=True)
class _Moment:
    """A time of a calendar: local, with its zone; a zone that is empty is anybody's."""

    local: datetime
    zone: str
    whole_day: bool


class _Wrong(Exception):
    def __init__(self, problem: Problem) -> None:
        self.problem = problem


def read_calendar(text: str, *, file: str = "") -> tuple[Freeze, ...]:
    """Read every event of a calendar.

    Raises:
        ConfigurationError: something in it cannot be understood; all of it is listed.
    """
    problems: list[Problem] = []
    found: list[tuple[_Event, Freeze]] = []
    for event in _events(text, problems):
        try:
            found.append((event, _freeze(event)))
        except _Wrong as wrong:
            problems.append(wrong.problem)
    if not found and not problems:
        problems.append(Problem("holds no event, so nothing would be frozen", line=1))
    if problems:
        raise ConfigurationError([replace(problem, file=file) for problem in problems])
    return tuple(_with_exceptions(found))


def _events(text: str, problems: list[Problem]) -> Iterator[_Event]:
    """Return the events; of what is inside of them, such as alarms, nothing."""
    inside: list[str] = []
    event: _Event | None = None
    seen = False
    for each in _lines(text, problems):
        kind = each.value.strip().upper()
        if each.name == "BEGIN":
            inside.append(kind)
            seen = seen or kind == "VCALENDAR"
            event = _Event(each.line) if inside[1:] == ["VEVENT"] else event
        elif each.name == "END":
            if not inside or inside.pop() != kind:
                problems.append(each.wrong("ends what did not begin there"))
                return
            if event is not None and inside == ["VCALENDAR"]:
                yield event
                event = None
        elif event is not None and inside[1:] == ["VEVENT"]:
            event.properties.append(each)
    if inside or not seen:
        problems.append(
            Problem("is no whole calendar: it goes from BEGIN to END:VCALENDAR", line=1)
        )


def _lines(text: str, problems: list[Problem]) -> Iterator[_Property]:
    if len(text) > LONGEST:
        problems.append(Problem(f"has more than {LONGEST:,} characters", line=1))
        return
    for number, line in _unfolded(text):
        found = _LINE.fullmatch(line)
        if found is None:
            problems.append(Problem("is no line of a calendar: NAME:VALUE", line=number))
            continue
        parameters = {k.upper(): v.strip('"') for k, v in _PARAMETER.findall(found[2])}
        yield _Property(number, found[1].upper(), parameters, found[3])


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Return lines with their numbers; one that begins with a space goes on with the last."""
    begun, whole = 0, ""
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if line[:1] in {" ", "\t"} and begun:
            whole += line[1:]
            continue
        if whole.strip():
            yield begun, whole
        begun, whole = number, line
    if whole.strip():
        yield begun, whole


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda found: " " if found[1] in "nN" else found[1], text).strip()


def _freeze(event: _Event) -> Freeze:
    for each in event.properties:
        if each.name in ONCE and each is not event.one(each.name):
            raise _Wrong(each.wrong("stands twice in one event"))
    begin = event.one("DTSTART")
    if begin is None:
        raise _Wrong(Problem("is missing in this event", line=event.line, field="DTSTART"))
    start = _moment(begin, begin.value)
    return Freeze(
        name=event.text("SUMMARY") or event.text("UID") or "an event without a name",
        start=start.local,
        length=_length(event, start),
        zone=start.zone,
        recurrence=_recurrence(event),
        left_out=frozenset(_dates(event, "EXDATE", start)),
        also=tuple(_dates(event, "RDATE", start)),
    )


def _moment(of: _Property, value: str) -> _Moment:
    named = of.parameters.get("TZID", "")
    try:
        moment = read_moment(value.strip().upper())
        zone_of(named or "UTC")
    except ValueError as error:
        raise _Wrong(of.wrong(str(error))) from None
    except ConfigurationError as error:
        raise _Wrong(of.wrong(f"TZID {error.problems[0].message}")) from None
    if not near(moment):
        said = f"is too far away; events go from {FIRST_YEAR} to {LAST_YEAR}"
        raise _Wrong(of.wrong(said))
    if not isinstance(moment, datetime):
        return _Moment(beginning(moment), "", whole_day=True)
    zone = "UTC" if moment.tzinfo else named
    return _Moment(moment.replace(tzinfo=None), zone, whole_day=False)


def _length(event: _Event, start: _Moment) -> timedelta:
    end, duration = event.one("DTEND"), event.one("DURATION")
    if duration is not None:
        length = _duration(duration)
    elif end is not None:
        length = _between(start, _moment(end, end.value))
    else:
        length = DAY if start.whole_day else timedelta(0)
    of = end or duration or event.one("DTSTART") or event.properties[0]
    if length <= timedelta(0):
        raise _Wrong(of.wrong("ends before or when it begins"))
    if length > LONGEST_EVENT:
        raise _Wrong(of.wrong("lasts longer than ten years"))
    return length


def _duration(of: _Property) -> timedelta:
    found = parse_iso(of.value.strip().removeprefix("+"))
    if found is None:
        raise _Wrong(of.wrong("is no duration; write it such as PT4H or P1D"))
    return found


def _between(start: _Moment, end: _Moment) -> timedelta:
    """Return the time between; of two zones, the elapsed one."""
    if start.zone == end.zone or not (start.zone and end.zone):
        return end.local - start.local
    first, last = (first_instant(m.local, zone_of(m.zone)) for m in (start, end))
    return last - first


def _recurrence(event: _Event) -> Recurrence | None:
    rules = [each for each in event.properties if each.name in {"RRULE", "EXRULE"}]
    if not rules:
        return None
    rule = rules[-1]
    if len(rules) > 1 or rule.name == "EXRULE":
        raise _Wrong(rule.wrong("is not supported: an event has one RRULE; split the event"))
    try:
        return parse_rrule(rule.value)
    except ValueError as error:
        raise _Wrong(rule.wrong(str(error))) from None


def _dates(event: _Event, name: str, start: _Moment) -> Iterator[datetime]:
    """Return the starts that a list names, on the clock of the event."""
    for of in (each for each in event.properties if each.name == name):
        if of.parameters.get("VALUE", "") == "PERIOD":
            raise _Wrong(of.wrong("with periods is not supported; write an event for each"))
        for value in of.value.split(","):
            yield _on_clock_of(start, _moment(of, value))


def _on_clock_of(start: _Moment, moment: _Moment) -> datetime:
    if moment.whole_day and not start.whole_day:
        return datetime.combine(moment.local.date(), start.local.time())
    if moment.zone == start.zone or not (moment.zone and start.zone):
        return moment.local
    instant = first_instant(moment.local, zone_of(moment.zone))
    return instant.astimezone(zone_of(start.zone)).replace(tzinfo=None)


def _with_exceptions(found: list[tuple[_Event, Freeze]]) -> Iterator[Freeze]:
    """Leave out of a series what another event of the same UID stands in for."""
    replaced: dict[str, set[datetime]] = {}
    for event, freeze in found:
        if (of := event.one("RECURRENCE-ID")) is not None:
            start = _Moment(freeze.start, freeze.zone, whole_day=False)
            at = _on_clock_of(start, _moment(of, of.value))
            replaced.setdefault(event.text("UID"), set()).add(at)
    for event, freeze in found:
        instead = replaced.get(event.text("UID"), set())
        if event.one("RECURRENCE-ID") is None:
            freeze = replace(freeze, left_out=freeze.left_out | instead)  # noqa: PLW2901 - narrowed
        if event.text("STATUS").upper() != "CANCELLED":
            yield freeze
