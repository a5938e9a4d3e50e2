"""Drift: what moved between the plan and now. It is reported, never installed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from enum import StrEnum

from patchyard.domain.plan import MachinePlan, Plan, PlannedUpdate, WhyNot
from patchyard.domain.updates import Assessment, Update
from patchyard.domain.value import Known, Value


class DriftKind(StrEnum):
    """In which way now differs from the plan."""

    CANDIDATE_MOVED = "candidate_moved"
    NO_LONGER_OFFERED = "no_longer_offered"
    INSTALLED_MOVED = "installed_moved"
    ALREADY_INSTALLED = "already_installed"
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
    """Tell what differs from the plan in a later look, in the order of packages.

    Who installed a planned version cannot be seen: after the plan was carried out,
    `already_installed` is no drift but its success.
    """
    offered = {update.key: update for update in assessment.updates}
    found = [
        each
        for update in planned.updates
        for each in (
            *_installed(update, assessment.packages.get(update.key, "")),
            *_offered(update, offered.get(update.key), assessment),
        )
    ]
    found += _new(planned, offered)
    return tuple(sorted(found, key=lambda each: each.package))


def not_promoted(plan: Plan) -> tuple[str, ...]:
    """Tell which updates are offered that the ring before this one has not proven."""
    found: dict[str, list[str]] = defaultdict(list)
    for part in plan.machines:
        for left in part.left_out:
            if left.why == WhyNot.NOT_PROMOTED:
                found[f"{left.name} {left.candidate} is offered; {left.detail}"].append(
                    part.machine
                )
    return tuple(f"{told} ({_count(names)})" for told, names in sorted(found.items()))


def _count(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} machines"


def _installed(update: PlannedUpdate, now: str) -> Iterator[Drift]:
    if now == update.to_version:
        text = f"{update.name}: the planned {now} is installed already"
        yield Drift(kind=DriftKind.ALREADY_INSTALLED, package=update.key, text=text)
    elif now != update.from_version:
        text = (
            f"{update.name}: planned from {update.from_version or 'absent'} "
            f"to {update.to_version}, installed is {now or 'absent'}"
        )
        yield Drift(kind=DriftKind.INSTALLED_MOVED, package=update.key, text=text)


def _offered(
    update: PlannedUpdate, offer: Update | None, assessment: Assessment
) -> Iterator[Drift]:
    if offer is not None and offer.candidate != update.to_version:
        text = (
            f"{update.name}: planned {update.to_version}, "
            f"the repositories now offer {offer.candidate}"
        )
        yield Drift(kind=DriftKind.CANDIDATE_MOVED, package=update.key, text=text)
    # What has been installed is not offered any more, and need not be.
    elif offer is None and assessment.packages.get(update.key, "") == update.from_version:
        unsure = "" if assessment.complete == Known.YES else ", as far as could be seen"
        text = f"{update.name}: the planned {update.to_version} is no longer offered{unsure}"
        yield Drift(kind=DriftKind.NO_LONGER_OFFERED, package=update.key, text=text)


def _new(planned: MachinePlan, offered: Mapping[str, Update]) -> Iterator[Drift]:
    """Tell of updates that the plan neither takes nor leaves out in this version."""
    taken = {update.key for update in planned.updates}
    left_out = {f"{item.name}:{item.architecture}": item for item in planned.left_out}
    for key, update in offered.items():
        before = left_out.get(key)
        if key in taken or not (update.installed or update.by_itself):
            continue
        if before is None:
            text = f"{update.name}: {update.candidate} came up after the plan was frozen"
        elif before.candidate != update.candidate:
            text = (
                f"{update.name}: {update.candidate} came up after the plan was frozen, "
                f"which leaves {before.candidate} out"
            )
        else:
            continue
        yield Drift(kind=DriftKind.NEW_UPDATE, package=key, text=text)
