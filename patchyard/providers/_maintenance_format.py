"""The format of maintenance files: configurations and freezes by name."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from patchyard.domain.durations import FIRST_YEAR, LAST_YEAR, LocalMoment, ending, near
from patchyard.domain.maintenance import MaintenanceSettings
from patchyard.domain.schedule import ZoneName
from patchyard.domain.value import Value
from patchyard.providers._file_format import WrittenCheck


class ConfigurationEntry(MaintenanceSettings):
    """A maintenance configuration: when, how and what for the machines of a scope."""

    checks: tuple[WrittenCheck, ...] = Field(
        (), description="Health questions besides those of the machines."
    )


class FreezeEntry(Value):
    """When nothing may run: from a start to an end, or in every event of a calendar."""

    start: LocalMoment | None = Field(None, description="Local time, or the first day.")
    end: LocalMoment | None = Field(None, description="Local time, or the last day, all of it.")
    time_zone: ZoneName | None = Field(
        None, description="Zone of start and end; that of each window where empty."
    )
    calendar: str | None = Field(
        None, description="Calendar file (.ics), relative to the inventory's folder."
    )
    reason: str = Field("", description="Why; it is shown wherever a window is frozen.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.calendar is not None:
            if self.start or self.end or self.time_zone or self.reason:
                raise ValueError("has a calendar and more; its events have times and names already")
            return self
        if self.start is None or self.end is None:
            raise ValueError("needs start and end, or a calendar")
        if not (near(self.start) and near(self.end)):
            raise ValueError(f"is too far away; write years from {FIRST_YEAR} to {LAST_YEAR}")
        if ending(self.end) <= ending(self.start) and self.end != self.start:
            raise ValueError("ends before it starts")
        if self.end == self.start and ending(self.end) == self.start:
            raise ValueError("ends when it starts")
        return self


class MaintenanceFile(Value):
    """A maintenance file of an inventory. All of them together are its maintenance."""

    freezes: dict[str, FreezeEntry] = Field({}, description="Freezes by name.")
    configurations: dict[str, ConfigurationEntry] = Field(
        {}, description="Maintenance configurations by name."
    )


EMPTY_MEANS_NOTHING = frozenset(
    {"checks", "hooks", "notices", "linux", "windows", "approval", "availability"}
)
"""Keys that may be left empty."""
