"""The shape of a package manager: a name, whom it serves, and one parser for each verb.

A manager's module ends in `MANAGER = PackageManager(...)`. For every verb there is a script
`templates/<name>/<verb>.sh.j2`, whose framed output the parser of that verb reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from patchyard.domain.restore import Kept, RestorePoint
from patchyard.domain.transaction import InstallProblem, Transaction
from patchyard.domain.updates import Assessment
from patchyard.transcript import Transcript

__all__ = ["InstallProblem", "Kept", "PackageManager", "RestorePoint", "Transaction"]


@dataclass(frozen=True, slots=True)
class PackageManager:
    """Data and pure functions of one package manager.

    `parse_assessment(transcript, machine, taken_at)` reads the verb `assess`, `parse_transaction`
    the verbs `install`, `repair`, `undo` and `download`, `parse_restore_point` the verb
    `restore_point`. What was downloaded is told in the transaction's detail.
    `taken_at` is the controller's clock when the answer came.
    """

    name: str
    os_families: frozenset[str]
    parse_assessment: Callable[[Transcript, str, datetime], Assessment]
    parse_transaction: Callable[[Transcript], Transaction]
    parse_restore_point: Callable[[Transcript], RestorePoint]
