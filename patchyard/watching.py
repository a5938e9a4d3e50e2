"""The drift watch over what is remembered: gathers it, and hands it to the rules."""

from __future__ import annotations

from dataclasses import replace

from patchyard.domain.preview import Case
from patchyard.domain.watch import Finding, Kind, Watched, by_machine, watch
from patchyard.errors import ConfigurationError
from patchyard.providers import has_maintenance, load_maintenance
from patchyard.runs import Run
from patchyard.store import Store

LOOKS = 30
"""Looks at each machine that are gone through: as many assessments back is a change still told."""


def watch_of(run: Run) -> tuple[Finding, ...]:
    """Return what has moved in the inventory of an open run, as it is known now."""
    return look_out(Watched(run.inventory, run.clock()), run.store)


def look_out(asked: Watched, store: Store) -> tuple[Finding, ...]:
    """Return what has moved in an inventory.

    Args:
        asked: the inventory and the limits; what is remembered is put to it.
        store: the memory.
    """
    inventory = asked.inventory
    case, wrong = _case(asked)
    looks = store.sightings(inventory.name, max(LOOKS, asked.unreachable + 1))
    whole = replace(
        asked,
        sightings=by_machine(looks),
        assessments=store.latest_assessments(inventory.name),
        case=case,
    )
    return (*watch(whole), *wrong)


def _case(asked: Watched) -> tuple[Case | None, tuple[Finding, ...]]:
    """Return the windows to come. That their files cannot be read is a finding of its own."""
    folder = asked.inventory.folder
    if not has_maintenance(folder):
        return None, ()
    try:
        case = Case(load_maintenance(folder), asked.inventory, asked.now)
        _ = case.lanes
    except ConfigurationError as error:
        text = f"the maintenance files cannot be used: {error.problems[0]}"
        return None, (Finding(kind=Kind.UNREADABLE, text=text),)
    return case, ()
