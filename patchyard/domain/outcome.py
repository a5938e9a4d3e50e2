"""The vocabulary of results: Azure's published words (azure.md 1.7), and ours beside them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Status(StrEnum):
    """How it went for a machine, or for a run.

    The first six are Azure's operation states. The others say what Azure has no word for.
    """

    UNKNOWN = "Unknown"
    NOT_STARTED = "NotStarted"
    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    COMPLETED_WITH_WARNINGS = "CompletedWithWarnings"
    FAILED = "Failed"
    ROLLED_BACK = "rolled_back"
    NEEDS_REPAIR = "needs_repair"
    LOST_CONTACT = "lost_contact"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def final(self) -> bool:
        """True where nothing more will be done for this machine in this run."""
        return self not in {Status.UNKNOWN, Status.NOT_STARTED, Status.IN_PROGRESS}

    @property
    def charged(self) -> bool:
        """True where it uses up the run's failure budget until a person says otherwise."""
        return self in {
            Status.FAILED,
            Status.ROLLED_BACK,
            Status.NEEDS_REPAIR,
            Status.LOST_CONTACT,
            Status.UNREACHABLE,
        }

    @property
    def good(self) -> bool:
        """True where the machine has what was planned, with or without a warning."""
        return self in {Status.SUCCEEDED, Status.COMPLETED_WITH_WARNINGS}


_BAD = frozenset(
    {
        Status.FAILED,
        Status.NEEDS_REPAIR,
        Status.LOST_CONTACT,
        Status.UNREACHABLE,
        Status.CANCELLED,
        Status.IN_PROGRESS,
    }
)
_FINE = frozenset({Status.SUCCEEDED, Status.NOT_STARTED, Status.SKIPPED})


def together(found: Iterable[Status]) -> Status:
    """Judge machines together, as a wave or a run. One that is back as it was only warns."""
    every = frozenset(found)
    if every & _BAD:
        return Status.FAILED
    return Status.SUCCEEDED if every <= _FINE else Status.COMPLETED_WITH_WARNINGS


class InstallationState(StrEnum):
    """State of one update after a run (azure.md 1.7)."""

    UNKNOWN = "Unknown"
    INSTALLED = "Installed"
    FAILED = "Failed"
    EXCLUDED = "Excluded"
    NOT_SELECTED = "NotSelected"
    PENDING = "Pending"


class RebootStatus(StrEnum):
    """State of a machine's reboot (azure.md 1.7)."""

    UNKNOWN = "Unknown"
    NOT_NEEDED = "NotNeeded"
    REQUIRED = "Required"
    STARTED = "Started"
    FAILED = "Failed"
    COMPLETED = "Completed"
