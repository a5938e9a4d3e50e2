"""The format of inventory files: what may stand in defaults, in groups and in machines."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from patchyard.domain.inventory import (
    Address,
    CheckSpec,
    Connection,
    Described,
    Policy,
)
from patchyard.domain.value import Value


def _read_check(written: object) -> object:
    """Read `kind` or `kind: {option: value}`."""
    if isinstance(written, str):
        return CheckSpec(kind=written)
    if isinstance(written, dict) and len(written) == 1:
        ((kind, options),) = written.items()
        if isinstance(options, dict | None):
            return CheckSpec(kind=kind, options=options or {})
    raise ValueError(
        "a check is written as its kind (- default_route), "
        "or as its kind with options (- systemd_unit: {unit: nginx.service})"
    )


WrittenCheck = Annotated[CheckSpec, BeforeValidator(_read_check)]


class Settings(Described):
    """What can be written for all machines, for a group, or for one machine."""

    connection: Connection = Field(Connection(), description="How the machines are reached.")
    policy: Policy = Field(Policy(), description="What may be done, and how health is judged.")
    checks: tuple[WrittenCheck, ...] = Field(
        (), description="Health questions; those of defaults, groups and machine add up."
    )


class GroupEntry(Settings):
    """A group: settings that several machines share."""

    parents: tuple[str, ...] = Field(
        (), description="Groups that this one belongs to; its own settings win over theirs."
    )


class MachineEntry(Settings):
    """A machine as it is written. Its own settings win over those of its groups."""

    address: Address = Field(description="Host name or IP address.")
    groups: tuple[str, ...] = Field(
        (), description="Groups of the machine; later ones win over earlier ones."
    )


class InventoryFile(Value):
    """A file of a Patchyard inventory. All files of a folder together are the inventory."""

    defaults: Settings = Field(Settings(), description="Settings of all machines.")
    groups: dict[str, GroupEntry] = Field({}, description="Groups by name.")
    machines: dict[str, MachineEntry] = Field({}, description="Machines by name.")


MAINTENANCE = "maintenance.yaml"
"""A file of an inventory's folder that is read apart: it has no machines."""

EMPTY_MEANS_NOTHING = frozenset(
    {"connection", "policy", "checks", "tags", "facts", "groups", "parents"}
)
"""Keys that may be left empty."""


def without_empty(settings: dict[str, Any]) -> dict[str, Any]:
    """Leave out keys after which nothing is written and nothing need be."""
    return {
        key: value
        for key, value in settings.items()
        if value is not None or key not in EMPTY_MEANS_NOTHING
    }
