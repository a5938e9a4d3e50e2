"""Dispatch: a run for every maintenance window, booked ahead in Prefect at its exact time.

A dispatcher remembers nothing: it sees what is booked and what the store says was claimed, and
does what is missing. So a second one, or one that was killed, does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from prefect import get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events import emit_event

from flows.announcing import announce_all
from flows.booked import Desk
from flows.recorded import ServedFlow
from patchyard.announcing import Unused
from patchyard.booking import Booking, bookings, refuse_namesakes
from patchyard.domain import dispatching
from patchyard.domain.dispatching import Booked, Died
from patchyard.domain.value import Value
from patchyard.parameters import DispatchParameters
from patchyard.providers import load_inventory, maintained_inventories
from patchyard.runs import now as clock
from patchyard.settings import settings
from patchyard.store import Store, open_store


class Dispatched(Value):
    """What a dispatcher did: keys of windows."""

    booked: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @classmethod
    def of(cls, each: Iterable[Dispatched]) -> Dispatched:
        """Put together what was done for several inventories."""
        parts = tuple(each)
        return cls(
            **{
                name: tuple(key for part in parts for key in getattr(part, name))
                for name in cls.model_fields
            }
        )


def _dispatch(parameters: DispatchParameters = DispatchParameters()) -> Dispatched:  # noqa: B008 - frozen
    """Book a run for every window that begins soon, and withdraw what is no longer right.

    Args:
        parameters: which inventory, and how far to look.
    """
    references = [parameters.inventory] if parameters.inventory else maintained_inventories()
    with (
        get_client(sync_client=True) as client,
        open_store(settings().database_url) as store,
    ):
        each = {one: _dispatch_one(client, store, one, parameters) for one in references}
        done = Dispatched.of(each.values())
        unused = {one: Unused(found.missed, found.failed) for one, found in each.items()}
        announce_all(store, unused, dry_run=parameters.dry_run)
    get_run_logger().info(
        "%d booked, %d withdrawn, %d missed, %d failed",
        len(done.booked),
        len(done.withdrawn),
        len(done.missed),
        len(done.failed),
    )
    return done


dispatch = ServedFlow(
    _dispatch,
    name="dispatch",
    flow_run_name="dispatch {parameters.inventory}",
    persist_result=False,
)


def _dispatch_one(
    client: SyncPrefectClient, store: Store, reference: str, parameters: DispatchParameters
) -> Dispatched:
    now, ahead = clock(), timedelta(hours=parameters.ahead_hours)
    wanted = {
        each.window.key: each
        for each in bookings(reference, now, ahead, dry_run=parameters.dry_run)
    }
    inventory = load_inventory(reference)
    desk = Desk(client, store, parameters.deployment, inventory.name)
    booked = desk.look(wanted, now)
    refuse_namesakes(inventory, desk.folders)
    orders = dispatching.dispatch(
        (each.window for each in wanted.values()),
        booked,
        now,
        ahead,
        {key: each.asks for key, each in wanted.items()},
        desk.died,
    )
    for each in orders.withdraw:
        desk.withdraw(each.key, "Withdrawn", _why(each, wanted))
    for window in orders.book:
        desk.book(wanted[window.key])
    for missed in orders.missed:
        _missed(desk, missed)
    for failed in orders.failed:
        _failed(desk, failed)
    return Dispatched(
        booked=tuple(window.key for window in orders.book),
        withdrawn=tuple(each.key for each in orders.withdraw),
        missed=tuple(each.key for each in orders.missed),
        failed=tuple(each.key for each in orders.failed),
    )


def _why(booked: Booked, wanted: dict[str, Booking]) -> str:
    found = wanted.get(booked.key)
    if found is None:
        return "the window is no more"
    if found.window.reason:
        return f"the window is {found.window.state}: {found.window.reason}"
    if found.window.start != booked.start:
        return f"the window has moved to {found.window.start:%Y-%m-%d %H:%M} UTC"
    return "the configuration was changed"


def _missed(desk: Desk, booked: Booked) -> None:
    """Tell of a window that is over and whose run never began: no worker was there, say.

    It is told before it is noted: who is killed in between tells it twice, and not never.
    """
    why = "the window was over before the run began"
    _tell("missed", booked.key, booked.end, why)
    desk.withdraw(booked.key, "Missed", why)


def _failed(desk: Desk, died: Died) -> None:
    """Tell of a window that is given up: its runs began, and died before they had it."""
    runs = "1 run" if died.times == 1 else f"{died.times} runs"
    why = f"{runs} of it died before claiming it; nothing is booked for it any more"
    _tell("failed", died.key, died.end, why)
    desk.give_up(died.key, why)


def _tell(what: str, key: str, end: datetime, why: str) -> None:
    get_run_logger().warning("window %s %s: %s", key, what, why)
    emit_event(
        f"patchyard.window.{what}",
        resource={"prefect.resource.id": f"patchyard.window.{key}"},
        payload={"end": end.isoformat(), "reason": why},
    )
