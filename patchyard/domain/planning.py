"""Planning: from assessments to the frozen plan, and a failing set into smaller parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from patchyard.domain.plan import MachinePlan, Plan, PlannedUpdate
from patchyard.domain.selection import Selection, select
from patchyard.domain.updates import Assessment

PARTS = 10
"""Into so many parts a failing set is split first (Azure's Linux patch extension does the same)."""


def make_plan(
    inventory: str,
    scope: str,
    assessments: Mapping[str, Assessment | None],
    selection: Selection,
    waves: tuple[tuple[str, ...], ...],
) -> Plan:
    """Freeze the choice for a fleet. A machine that was not assessed is in it, refused."""
    machines = tuple(_machine(name, assessments[name], selection) for name in sorted(assessments))
    return Plan(inventory=inventory, scope=scope, machines=machines, waves=waves)


def _machine(name: str, assessment: Assessment | None, selection: Selection) -> MachinePlan:
    if assessment is None:
        return MachinePlan(machine=name, refused="it could not be assessed")
    updates, left_out = select(assessment, selection)
    return MachinePlan(
        machine=name,
        manager=assessment.manager,
        updates=updates,
        left_out=left_out,
        reboot_already_required=assessment.reboot_required,
    )


def split(updates: Iterable[PlannedUpdate], level: int) -> tuple[tuple[PlannedUpdate, ...], ...]:
    """Split a set: level 0 whole, level 1 in tenths, level 2 as small as can be.

    What belongs together stays together: updates of one source package, and those that need
    each other.
    """
    whole = tuple(updates)
    if level == 0 or not whole:
        return (whole,) if whole else ()
    groups = _together(whole)
    size = max(1, len(whole) // PARTS) if level == 1 else 1
    parts: list[list[PlannedUpdate]] = [[]]
    for group in groups:
        if parts[-1] and len(parts[-1]) + len(group) > size:
            parts.append([])
        parts[-1] += group
    return tuple(tuple(part) for part in parts)


def _together(updates: tuple[PlannedUpdate, ...]) -> list[list[PlannedUpdate]]:
    """Group updates that share a source package or require one another."""
    leader = {update.name: update.name for update in updates}

    def find(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    first_of: dict[str, str] = {}
    for update in updates:
        source = update.source or update.name
        leader[find(update.name)] = find(first_of.setdefault(source, update.name))
        for need in update.requires:
            if need in leader:
                leader[find(update.name)] = find(need)
    groups: dict[str, list[PlannedUpdate]] = {}
    for update in updates:
        groups.setdefault(find(update.name), []).append(update)
    return list(groups.values())
