"""Before windows: who is to be told of them now, and of those that were missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from patchyard.domain.around import Notice
from patchyard.domain.counting import counted, names
from patchyard.domain.inventory import Inventory
from patchyard.domain.maintenance import MaintenanceConfiguration, ScopeKind
from patchyard.domain.maintenance_windows import State, Window
from patchyard.domain.noticing import ANNOUNCED, GIVEN_UP, MISSED, ahead, due, left, when
from patchyard.domain.preview import Case, Lane
from patchyard.maintenance_parameters import bare_key
from patchyard.notifiers import Notifier
from patchyard.providers import load_inventory, load_maintenance
from patchyard.store import NoticeRecord, Store
from patchyard.telling import Matter, Teller

ATTEMPTS = 3
"""How often a notice before a window is tried; each dispatcher tries once."""


@dataclass(frozen=True, slots=True)
class Unused:
    """Windows of an inventory in which nothing was done, by their keys.

    Those that were `missed` are over, and their runs never began; of those `given_up` the runs
    died before they had them.
    """

    missed: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()


def announce(
    store: Store,
    reference: str,
    ways: Mapping[str, Notifier],
    now: datetime,
    unused: Unused = Unused(),
) -> tuple[NoticeRecord, ...]:
    """Give the notices that are due before the windows of an inventory, and of unused windows.

    Args:
        store: the memory.
        reference: folder or name of the inventory.
        ways: the ways to tell somebody, by name.
        now: the controller's time.
        unused: its windows in which nothing was done.
    """
    inventory = load_inventory(reference)
    case = Case(load_maintenance(reference), inventory, now)
    teller = Teller(store, inventory, ways)
    wanted = (*_before(case, now), *_unused(case, inventory, unused))
    given = (
        teller.give(notice, matter, now, attempts=1 if notice.to == "machine" else ATTEMPTS)
        for notice, matter in wanted
    )
    return tuple(record for record in given if record is not None)


def _before(case: Case, now: datetime) -> Iterator[tuple[Notice, Matter]]:
    for lane in case.lanes:
        configuration = lane.configuration
        if not lane.machines or configuration.kind != ScopeKind.GUEST:
            continue
        for window in case.within(lane, ahead(configuration.notices)):
            if window.state == State.OPEN:
                for notice, moment, _ in due(configuration.notices, window.start, now):
                    yield notice, _announcement(lane, window, moment, now)


def _announcement(lane: Lane, window: Window, moment: str, now: datetime) -> Matter:
    machines = tuple(machine.name for machine in lane.machines)
    soon = left(window.start, now)
    count = counted(len(machines), "machine")
    return Matter(
        # A window that is moved is announced anew: its key stays, its time does not.
        place=f"{window.key}/{window.start.isoformat()}/{lane.zone}",
        moment=moment,
        type=ANNOUNCED,
        subject=window.key,
        title=f"Maintenance of {count} in {soon}: {window.key}",
        text=f"Maintenance of {count} begins in {soon}.\n"
        f"Window {window.key}: {when(window.start, window.end, window.local_start)}.\n"
        f"Machines: {names(machines)}.",
        data=_window(lane.configuration, window.key, window.start, window.end),
        machines=machines,
        window=window.key,
    )


def _window(
    configuration: MaintenanceConfiguration, key: str, start: datetime, end: datetime
) -> dict[str, object]:
    told = {"key": key, "start": start.isoformat(), "end": end.isoformat()}
    return {"configuration": configuration.name, "window": told}


_MISSED = (MISSED, "missed", "was missed", "is over, and its run never began")
_GIVEN_UP = (GIVEN_UP, "given_up", "was given up", "was given up, for its runs died before it")


def _unused(case: Case, inventory: Inventory, unused: Unused) -> Iterator[tuple[Notice, Matter]]:
    """Tell of windows in which nothing was done whoever is told of failures.

    The dispatcher has emitted the event of it already; and no machine was to be disturbed.
    """
    known = {each.name: each for each in case.maintenance.configurations}
    for keys, words in ((unused.missed, _MISSED), (unused.given_up, _GIVEN_UP)):
        for key in dict.fromkeys(bare_key(each) for each in keys):
            configuration = known.get(key.partition("@")[0])
            for notice in configuration.notices if configuration else ():
                if "failure" in notice.at and notice.to in {"email", "webhook"}:
                    yield notice, _loss(inventory, configuration, key, words)


def _loss(
    inventory: Inventory,
    configuration: MaintenanceConfiguration | None,
    key: str,
    words: tuple[str, str, str, str],
) -> Matter:
    kind, moment, title, told = words
    found = configuration.machines(inventory) if configuration else ()
    machines = tuple(machine.name for machine in found)
    return Matter(
        place=key,
        moment=moment,
        type=kind,
        subject=key,
        title=f"Window {key} {title}",
        text=f"Window {key} {told}: nothing was patched.\nMachines: {names(machines)}.",
        data={"window": {"key": key}},
        machines=machines,
        window=key,
    )
