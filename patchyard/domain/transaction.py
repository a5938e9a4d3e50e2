"""Package transactions: what a package manager says of an install, a repair or an undo."""

from __future__ import annotations

from enum import StrEnum

from patchyard.domain.value import Value


class InstallProblem(StrEnum):
    """Why a package transaction did not do all that it was asked."""

    NONE = "none"
    LOCKED = "locked"
    BROKEN_DATABASE = "broken_database"
    FETCH_FAILED = "fetch_failed"
    NOT_AVAILABLE = "not_available"
    UNMET_DEPENDENCIES = "unmet_dependencies"
    HELD = "held"
    DISK_FULL = "disk_full"
    SCRIPT_FAILED = "script_failed"
    CANCELLED = "cancelled"
    OTHER = "other"


class Transaction(Value):
    """What a package manager said. It is never proof: the packages are read afresh afterwards."""

    exit_status: int
    problem: InstallProblem = InstallProblem.NONE
    detail: str = ""
    culprits: tuple[str, ...] = ()
