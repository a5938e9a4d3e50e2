"""Last looks: what the newest look at a machine says of whether a run will get to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from patchyard.domain.inventory import Machine


@dataclass(frozen=True, slots=True)
class LastLook:
    """What came of the last look at a machine that was not seen at it.

    `off_at` is when it was found off. `fault` and `detail` are why the last look failed, and
    `since` is the first that did. `seen_at` is when it was seen before, None where that is not
    remembered.
    """

    off_at: datetime | None = None
    fault: str = ""
    detail: str = ""
    since: datetime | None = None
    seen_at: datetime | None = None


def starts(machine: Machine) -> bool:
    """Say whether a run that changes machines starts this one where it is off."""
    return machine.power is not None and machine.policy.when_off == "start"
