"""The shape of a package manager: a name, whom it serves, and one parser for each verb.

A manager's module ends in `MANAGER = PackageManager(...)`. For every verb there is a script
`templates/<name>/<verb>.sh.j2`, whose framed output the parser of that verb reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from patchyard.domain.updates import Assessment
from patchyard.domain.value import Value
from patchyard.transcript import Transcript


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
    OTHER = "other"


class Transaction(Value):
    """What a package manager said of one install, repair or undo.

    It is never proof: which packages are there is read afresh afterwards.
    """

    exit_status: int
    problem: InstallProblem = InstallProblem.NONE
    detail: str = ""
    culprits: tuple[str, ...] = ()


class Kept(Value):
    """One package's way back: the version that is kept, and from where it came."""

    key: str
    version: str
    file: str = ""
    method: str = ""
    problem: str = ""


class RestorePoint(Value):
    """What makes going back possible. `missing` names packages that could not be kept."""

    folder: str
    kept: tuple[Kept, ...] = ()

    @property
    def missing(self) -> tuple[Kept, ...]:
        """The packages whose earlier version could not be had."""
        return tuple(kept for kept in self.kept if kept.problem)

    @property
    def complete(self) -> bool:
        """True where every package can go back."""
        return not self.missing


@dataclass(frozen=True, slots=True)
class PackageManager:
    """Data and pure functions of one package manager.

    `parse_assessment(transcript, machine, taken_at)` reads the verb `assess`, `parse_transaction`
    the verbs `install`, `repair` and `undo`, `parse_restore_point` the verb `restore_point`.
    `taken_at` is the controller's clock when the answer came.
    """

    name: str
    os_ids: frozenset[str]
    parse_assessment: Callable[[Transcript, str, datetime], Assessment]
    parse_transaction: Callable[[Transcript], Transaction]
    parse_restore_point: Callable[[Transcript], RestorePoint]
