"""Drift: what moved between the plan and now. It is reported, never installed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from patchyard.domain.plan import MachinePlan, PlannedUpdate
from patchyard.domain.updates import Assessment
from patchyard.domain.value import Value


class DriftKind(StrEnum):
    """In which way now differs from the plan."""

    CANDIDATE_MOVED = "candidate_moved"
    INSTALLED_MOVED = "installed_moved"
    NEW_UPDATE = "new_update"


class Drift(Value):
    """One difference between the plan and a later look, with one line that tells it."""

    kind: DriftKind
    package: str
    text: str


def still_to_install(
    planned: MachinePlan, packages: Mapping[str, str]
) -> tuple[PlannedUpdate, ...]:
    """Return the updates of a plan that are not installed in their planned version."""
    return tuple(
        update for update in planned.updates if packages.get(update.key) != update.to_version
    )


def drift(planned: MachinePlan, assessment: Assessment) -> tuple[Drift, ...]:
    """Tell what differs from the plan in a later look."""
    offered = {update.key: update for update in assessment.updates}
    known = {update.key for update in planned.updates} | {
        f"{item.name}:{item.architecture}" for item in planned.left_out
    }
    found = [d for u in planned.updates for d in _of(u, assessment, offered.get(u.key))]
    found += [
        Drift(
            kind=DriftKind.NEW_UPDATE,
            package=key,
            text=f"{update.name} {update.candidate} came up after the plan was frozen",
        )
        for key, update in offered.items()
        if key not in known and update.installed
    ]
    return tuple(found)


def _of(update: PlannedUpdate, assessment: Assessment, offered: object) -> list[Drift]:
    now = assessment.packages.get(update.key, "")
    found = []
    candidate = getattr(offered, "candidate", update.to_version)
    if candidate != update.to_version:
        text = f"{update.name}: planned {update.to_version}, the repositories now offer {candidate}"
        found.append(Drift(kind=DriftKind.CANDIDATE_MOVED, package=update.key, text=text))
    if now not in {update.from_version, update.to_version}:
        text = (
            f"{update.name}: planned from {update.from_version or 'absent'} "
            f"to {update.to_version}, installed is {now or 'absent'}"
        )
        found.append(Drift(kind=DriftKind.INSTALLED_MOVED, package=update.key, text=text))
    return found
