"""Schedule: when a maintenance configuration opens its windows, as it is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from patchyard.domain.attributes import is_attribute
from patchyard.domain.durations import (
    Duration,
    LocalMoment,
    LocalTime,
    beginning,
    ending,
    write_duration,
)
from patchyard.domain.maintenance_windows import Change, Timetable, closest, meant
from patchyard.domain.recurrence import Recurrence
from patchyard.domain.recurrence_text import parse_recurrence
from patchyard.domain.value import Value
from patchyard.domain.zones import zone_of
from patchyard.errors import ConfigurationError

LONGEST = timedelta(days=7)
LOOKED_AT = 60
"""So many first windows are looked at for whether they overlap."""


def told(read: Callable[[str], object]) -> Callable[[str], str]:
    """Keep a text as it is written if it can be read; otherwise say to pydantic what is wrong."""

    def check(text: str) -> str:
        try:
            read(text)
        except ConfigurationError as error:
            raise ValueError("; ".join(each.message for each in error.problems)) from None
        return text

    return check


ZoneName = Annotated[str, AfterValidator(told(zone_of))]
"""The name of a time zone."""

RecurrenceText = Annotated[str, AfterValidator(told(parse_recurrence))]
"""A recurrence in any of its forms."""


def _attribute(text: str) -> str:
    if text and not is_attribute(text):
        raise ValueError("is nothing that machines have; write such as facts.time_zone")
    return text


class Skip(Value):
    """One window that is left out."""

    date: LocalMoment = Field(description="Its local date; with its time where there are several.")
    reason: str = Field("", description="Why; it is shown wherever the window is.")


class Postpone(Value):
    """One window that begins later, with its usual length and its own key."""

    date: LocalMoment = Field(description="Its local date; with its time where there are several.")
    to: LocalTime = Field(description="When it begins instead, local.")
    reason: str = Field("", description="Why; it is shown wherever the window is.")

    @model_validator(mode="after")
    def _later(self) -> Self:
        if self.to <= beginning(self.date):
            raise ValueError("is postponed to before it would begin; write a later time")
        return self


class Schedule(Value):
    """When windows are: a recurrence on the wall clock of a zone, from a start on."""

    recurrence: RecurrenceText = Field(
        description="Month Second Tuesday Offset4; patch_tuesday + 4 days; an RRULE; or cron.",
        examples=[
            "patch_tuesday + 4 days",
            "Month Second Tuesday Offset4",
            "3Weeks Saturday,Sunday",
            "1Month day1,day15",
            "FREQ=MONTHLY;BYDAY=-1SU",
            "30 2 * * SAT",
        ],
    )
    start: LocalTime = Field(
        description="Local time from which on it counts, and the time of day unless it has one. "
        "The first window is the first recurrence at or after it.",
        examples=["2026-01-01 22:00"],
    )
    length: Duration = Field(
        description="Elapsed time that a window lasts, such as 3h55m.", examples=["3h55m"]
    )
    time_zone: ZoneName = Field(
        description="IANA name of the zone, such as Europe/Berlin.",
        examples=["UTC", "Europe/Berlin", "America/New_York"],
    )
    time_zone_from: Annotated[str, AfterValidator(_attribute)] = Field(
        "",
        description="What machines have that names a zone of their own, such as "
        "facts.time_zone; those without it use time_zone.",
    )
    expires: LocalMoment | None = Field(
        None, description="No window begins at or after it; a day is the last one."
    )
    skip: tuple[Skip, ...] = Field((), description="Windows that are left out.")
    postpone: tuple[Postpone, ...] = Field((), description="Windows that begin later.")

    @property
    def rule(self) -> Recurrence:
        """The recurrence as it is understood."""
        return parse_recurrence(self.recurrence)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What was decided about single windows."""
        skipped = (Change(on=each.date, reason=each.reason) for each in self.skip)
        later = (Change(on=each.date, to=each.to, reason=each.reason) for each in self.postpone)
        return (*skipped, *later)

    def timetable(self, configuration: str) -> Timetable:
        """Return the timetable of a configuration."""
        return Timetable(
            configuration=configuration,
            recurrence=self.rule,
            start=self.start,
            length=self.length,
            expires=self.expires,
            changes=self.changes,
            several_zones=bool(self.time_zone_from),
        )

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        if not timedelta(0) < self.length <= LONGEST:
            raise ValueError("has a length that no window can have; write 1m to 7d")
        if self.expires is not None and ending(self.expires) <= self.start:
            raise ValueError("expires before it starts")
        table = self.timetable("")
        if next(table.occurrences(), None) is None:
            raise ValueError("has a recurrence that never comes about, between start and expires")
        shortest = closest(table, LOOKED_AT)
        if shortest is not None and shortest < self.length:
            raise ValueError(
                f"has windows of {write_duration(self.length)} that begin "
                f"{write_duration(shortest)} apart; make them shorter, or rarer"
            )
        self._changes_name_windows(table)
        return self

    def _changes_name_windows(self, table: Timetable) -> None:
        """Raise ValueError where a change names no window, or one that another names too."""
        named: set[datetime] = set()
        for change in self.changes:
            found = meant(table, change)
            if not found:
                near = next(table.occurrences(beginning(change.on)), None)
                after = f"; the next one is {near:%Y-%m-%d %H:%M}" if near else ""
                raise ValueError(f"skips or postpones a day that has no window{after}")
            if change.to is not None and len(found) > 1:
                raise ValueError("postpones a day that has several windows; write the time of one")
            if named & set(found):
                raise ValueError("skips or postpones one window twice")
            named |= set(found)
