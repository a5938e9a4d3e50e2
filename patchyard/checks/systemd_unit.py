"""A unit of systemd is in the state that it should be in."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from patchyard.checks.base import Check, Options, Text
from patchyard.domain.health import Finding, failed, passed
from patchyard.errors import MalformedOutput
from patchyard.transcript import Section


class SystemdUnit(Options):
    """Options of the check `systemd_unit`."""

    unit: Text = Field(
        pattern=r"^[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*$",
        max_length=255,
        description="Name of the unit; without an ending a service is meant.",
    )
    state: Literal["active", "inactive"] = Field(
        "active", description="State that the unit should be in."
    )


def judge(options: SystemdUnit, section: Section) -> Finding:
    """Compare the state that systemd tells with the one that should be.

    Raises:
        ScriptFailed: systemd could not be asked.
        MalformedOutput: it tells no state.
    """
    lines = (line.partition("=") for line in section.require().splitlines())
    told = {key: value for key, _, value in lines}
    state, loaded = told.get("ActiveState"), told.get("LoadState")
    if not state or not loaded:
        raise MalformedOutput(f"systemd tells no state of {options.unit}")
    if loaded == "not-found" and options.state == "active":
        return failed("there is no such unit")
    if state == options.state:
        return passed(f"is {state}")
    return failed(f"is {state} and should be {options.state}")


CHECK = Check(
    name="systemd_unit",
    options=SystemdUnit,
    subject="unit",
    script="systemd_unit.sh.j2",
    judge=judge,
)
