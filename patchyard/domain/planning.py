"""Planning: from assessments to the frozen plan, and a failing set into smaller parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from patchyard.domain.plan import MachinePlan, Plan, PlannedUpdate
from patchyard.domain.selection import Selection, select
from patchyard.domain.updates import Assessment

PARTS = 10
"""Into so many parts a failing set is split first (Azure's Linux patch extension does the same)."""


def make_plan(
    inventory: str,
    scope: str,
    assessments: Mapping[str, Assessment | None],
    selections: Mapping[str, Selection],
    waves: tuple[tuple[str, ...], ...],
) -> Plan:
    """Freeze the choice for a fleet. A machine that was not assessed is in it, refused.

    Args:
        inventory: its name.
        scope: which machines.
        assessments: what was seen of each machine.
        selections: what each machine gets.
        waves: names of machines, in the order of their waves.
    """
    machines = tuple(
        _machine(name, seen, selections[name]) for name, seen in sorted(assessments.items())
    )
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
    """Split a set: level 0 whole, level 1 in ten parts at most, level 2 as small as can be.

    What belongs together stays together at every level: updates of one source package, those
    that need each other, and sets that were marked so. What must be installed alone is a part of
    its own at every level, first of all.
    """
    given = tuple(updates)
    alone = tuple((update,) for update in given if update.alone)
    whole = tuple(update for update in given if not update.alone)
    return (*alone, *_parts(whole, level))


def _parts(whole: tuple[PlannedUpdate, ...], level: int) -> tuple[tuple[PlannedUpdate, ...], ...]:
    if level == 0:
        return (whole,) if whole else ()
    size = -(-len(whole) // PARTS) if level == 1 else 1
    parts: list[tuple[PlannedUpdate, ...]] = []
    for group in _together(whole):
        if parts and len(parts[-1]) < size:
            parts[-1] += group
        else:
            parts.append(group)
    return tuple(parts)


def _together(updates: tuple[PlannedUpdate, ...]) -> Iterator[tuple[PlannedUpdate, ...]]:
    """Group what belongs together, in the order in which it comes."""
    names = {name: update.name for update in updates for name in (update.name, update.key)}
    holders: dict[tuple[str, str], list[int]] = defaultdict(list)
    bonds = [_bonds(update, names) for update in updates]
    for position, held in enumerate(bonds):
        for bond in held:
            holders[bond].append(position)
    seen: set[int] = set()
    for first in range(len(updates)):
        group: set[int] = set()
        waiting = [first] if first not in seen else []
        while waiting:
            position = waiting.pop()
            if position not in group:
                group.add(position)
                waiting += [p for bond in bonds[position] for p in holders.pop(bond, ())]
        seen |= group
        if group:
            yield tuple(updates[position] for position in sorted(group))


def _bonds(update: PlannedUpdate, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what ties an update to others: two that share one of these belong together."""
    return [
        ("package", update.name),
        ("source", update.source or update.name),
        *(("package", names[need]) for need in update.requires if need in names),
        *(("set", label) for label in update.together),
    ]
