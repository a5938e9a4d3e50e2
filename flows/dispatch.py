"""Dispatch: a run for every maintenance window, booked ahead in Prefect at its exact time.

A dispatcher remembers nothing: it sees what is booked and what the store says was claimed, and
does what is missing. So a second one, or one that was killed, does no harm.
"""

from __future__ import annotations

from datetime import timedelta

from prefect import get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events import emit_event

from flows.announcing import announce_all
from flows.booked import Desk
from flows.recorded import ServedFlow
from patchyard.booking import Booking, bookings
from patchyard.domain import dispatching
from patchyard.domain.dispatching import Booked
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
        each = [_dispatch_one(client, store, reference, parameters) for reference in references]
        missed = [key for one in each for key in one.missed]
        announce_all(store, references, missed, dry_run=parameters.dry_run)
    done = Dispatched(
        booked=tuple(key for one in each for key in one.booked),
        withdrawn=tuple(key for one in each for key in one.withdrawn),
        missed=tuple(key for one in each for key in one.missed),
    )
    get_run_logger().info(
        "%d booked, %d withdrawn, %d missed",
        len(done.booked),
        len(done.withdrawn),
        len(done.missed),
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
    inventory = load_inventory(reference).name
    desk = Desk(client, store, parameters.deployment, inventory)
    booked = desk.look(wanted, now)
    orders = dispatching.dispatch(
        (each.window for each in wanted.values()),
        booked,
        now,
        ahead,
        {key: each.asks for key, each in wanted.items()},
    )
    for each in orders.withdraw:
        desk.withdraw(each.key, "Withdrawn", _why(each, wanted))
    for window in orders.book:
        desk.book(wanted[window.key])
    for each in orders.missed:
        _missed(desk, each)
    return Dispatched(
        booked=tuple(window.key for window in orders.book),
        withdrawn=tuple(each.key for each in orders.withdraw),
        missed=tuple(each.key for each in orders.missed),
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
    """Tell of a window that is over and whose run never began: no worker was there, say."""
    desk.withdraw(booked.key, "Missed", "the window was over before the run began")
    get_run_logger().warning("window %s was missed: its run never began", booked.key)
    emit_event(
        "patchyard.window.missed",
        resource={"prefect.resource.id": f"patchyard.window.{booked.key}"},
        payload={"end": booked.end.isoformat()},
    )
