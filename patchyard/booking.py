"""Booking: the runs that the windows of an inventory are to have, and what each of them does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from patchyard.domain.dispatching import Booked
from patchyard.domain.inventory import Inventory
from patchyard.domain.maintenance import ScopeKind
from patchyard.domain.maintenance_windows import State, Window
from patchyard.domain.preview import YEAR, Case
from patchyard.errors import ConfigurationError
from patchyard.maintenance_parameters import patch_parameters
from patchyard.parameters import PatchParameters
from patchyard.providers import load_inventory, load_maintenance


@dataclass(frozen=True, slots=True)
class Booking:
    """One window, and what its run is started with."""

    window: Window
    parameters: PatchParameters

    @property
    def begins(self) -> datetime:
        """When the run is to begin."""
        own = self.parameters.window
        return own.begins if own else self.window.start

    @property
    def asks(self) -> str:
        """A fingerprint of what the run does."""
        return fingerprint(self.parameters)


def fingerprint(parameters: PatchParameters) -> str:
    """Return a short text that differs where a run would do something else."""
    return hashlib.sha256(parameters.model_dump_json().encode()).hexdigest()[:12]


def bookings(
    reference: str, now: datetime, ahead: timedelta, *, dry_run: bool
) -> tuple[Booking, ...]:
    """Return the runs of all windows that have not ended and begin before so much time has passed.

    Windows that nothing may run in are among them: what was booked for them is to be withdrawn.

    Raises:
        ConfigurationError: there is no such inventory, it has no maintenance, or it is wrong.
    """
    inventory = load_inventory(reference)
    case = Case(load_maintenance(reference), inventory, now)
    found = _all(case, inventory.folder, ahead, dry_run=dry_run)
    return tuple(sorted(found, key=lambda each: (each.window.start, each.window.key)))


def ended(reference: str, since: datetime, now: datetime) -> tuple[Window, ...]:
    """Return the windows that ended after `since` and until now, each under the key of its run.

    They are those that the configurations have now: what was written then is not remembered.

    Raises:
        ConfigurationError: there is no such inventory, it has no maintenance, or it is wrong.
    """
    inventory = load_inventory(reference)
    case = Case(load_maintenance(reference), inventory, since)
    found = _all(case, inventory.folder, now - since, dry_run=False)
    return tuple(each.window for each in found if each.window.end <= now)


def undone(reference: str, booked: Iterable[Booked], now: datetime) -> frozenset[str]:
    """Return the keys of booked windows that are closed now, or have moved and are not over.

    Raises:
        ConfigurationError: there is no such inventory, it has no maintenance, or it is wrong.
    """
    starts = {each.key: each.start for each in booked}
    if not starts:
        return frozenset()
    inventory = load_inventory(reference)
    since = min(starts.values())
    case = Case(load_maintenance(reference), inventory, since)
    found = _all(case, inventory.folder, now - since + YEAR, dry_run=False)
    every = (each.window for each in found if each.window.key in starts)
    return frozenset(w.key for w in every if w.state != State.OPEN or w.end > now)


def refuse_namesakes(inventory: Inventory, folders: Iterable[str]) -> None:
    """See to it that nobody else's windows are known under this inventory's name.

    Windows go by the name, so that an inventory that moves keeps them. One that stands elsewhere
    and has a machine in common is a copy, such as an older release; one that has none is another.

    Raises:
        ConfigurationError: one of the folders holds another inventory.
    """
    for folder in sorted(set(folders) - {inventory.folder}):
        if _is_another(inventory, folder):
            raise ConfigurationError.of(
                f"{inventory.folder} and {folder} are two inventories of one name, "
                f"{inventory.name!r}, and windows go by it; rename one of the folders",
                field="inventory",
            )


def _is_another(inventory: Inventory, folder: str) -> bool:
    try:
        other = load_inventory(folder)
    except ConfigurationError:
        return False
    ours = {(machine.name, machine.address) for machine in inventory.machines}
    return other.name == inventory.name and ours.isdisjoint(
        (machine.name, machine.address) for machine in other.machines
    )


def _all(case: Case, folder: str, ahead: timedelta, *, dry_run: bool) -> Iterator[Booking]:
    for lane in case.lanes:
        if not lane.machines or lane.configuration.kind != ScopeKind.GUEST:
            continue
        for window in case.within(lane, ahead):
            given = patch_parameters(folder, lane, dry_run=dry_run, window=window)
            yield Booking(window, given)
