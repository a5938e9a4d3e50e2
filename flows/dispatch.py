"""Dispatch: a run for every maintenance window, booked ahead in Prefect at its exact time.

A dispatcher sees what is booked and what the store says was claimed, and does what is missing. So a
second one, or one that was killed, does no harm. All that it remembers is up to when it has looked:
where it was away for longer than it looks ahead, it tells the windows that nobody booked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from prefect import get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events import emit_event

from flows.announcing import announce_all
from flows.booked import Desk
from flows.recorded import ServedFlow
from patchyard.announcing import Unused
from patchyard.booking import Booking, bookings, ended, refuse_namesakes, undone
from patchyard.domain import dispatching
from patchyard.domain.dispatching import LOOK_BACK, Booked, Died, look_back
from patchyard.domain.durations import write_duration
from patchyard.domain.value import Value
from patchyard.errors import ConfigurationError
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


@dataclass(frozen=True, slots=True)
class _Round:
    """What was done for one inventory, and up to when its windows were looked at."""

    reference: str
    inventory: str
    at: datetime
    done: Dispatched


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
        rounds, wrong = _dispatch_all(client, store, references, parameters)
        for each in rounds:
            unused = Unused(each.done.missed, each.done.failed)
            announce_all(store, {each.reference: unused}, dry_run=parameters.dry_run)
            if not parameters.dry_run:
                # Last of all: who is killed before tells what was missed twice, and not never.
                store.record_looked(each.inventory, each.at)
    done = Dispatched.of(each.done for each in rounds)
    get_run_logger().info(
        "%d booked, %d withdrawn, %d missed, %d failed",
        len(done.booked),
        len(done.withdrawn),
        len(done.missed),
        len(done.failed),
    )
    if wrong:
        raise ConfigurationError([problem for error in wrong for problem in error.problems])
    return done


dispatch = ServedFlow(
    _dispatch,
    name="dispatch",
    flow_run_name="dispatch {parameters.inventory}",
    persist_result=False,
)


def _dispatch_all(
    client: SyncPrefectClient,
    store: Store,
    references: Iterable[str],
    parameters: DispatchParameters,
) -> tuple[list[_Round], list[ConfigurationError]]:
    """Dispatch each inventory; one that cannot be used does not hold up the others' windows."""
    rounds, wrong = [], []
    for reference in references:
        try:
            rounds.append(_dispatch_one(client, store, reference, parameters))
        except ConfigurationError as error:
            get_run_logger().error("%s is not dispatched: %s", reference, error)
            wrong.append(error)
    return rounds, wrong


def _dispatch_one(
    client: SyncPrefectClient, store: Store, reference: str, parameters: DispatchParameters
) -> _Round:
    now, ahead = clock(), timedelta(hours=parameters.ahead_hours)
    wanted = {
        each.window.key: each
        for each in bookings(reference, now, ahead, dry_run=parameters.dry_run)
    }
    inventory = load_inventory(reference)
    since = now if parameters.dry_run else _since(store, inventory.name, now)
    over = ended(reference, since, now)
    desk = Desk(client, store, parameters.deployment, inventory.name)
    booked = desk.look(wanted, now, [window.key for window in over], since)
    refuse_namesakes(inventory, desk.folders)
    over_as_booked = [each for each in booked.values() if not each.begun and each.end <= now]
    orders = dispatching.dispatch(
        (each.window for each in wanted.values()),
        booked,
        now,
        ahead,
        {key: each.asks for key, each in wanted.items()},
        desk.died,
        undone=undone(reference, over_as_booked, now),
    )
    known = booked.keys() | {each.key for each in desk.died}
    unbooked = dispatching.never_booked(over, known, since, now)
    for each in orders.withdraw:
        desk.withdraw(each.key, "Withdrawn", _why(each, wanted))
    for window in orders.book:
        desk.book(wanted[window.key])
    for missed in orders.missed:
        _missed(desk, missed)
    for each in unbooked:
        _tell("missed", each.key, each.end, "it opened and ended, and nobody had booked a run")
    for failed in orders.failed:
        _failed(desk, failed)
    done = Dispatched(
        booked=tuple(window.key for window in orders.book),
        withdrawn=tuple(each.key for each in orders.withdraw),
        missed=tuple(each.key for each in (*orders.missed, *unbooked)),
        failed=tuple(each.key for each in orders.failed),
    )
    return _Round(reference, inventory.name, now, done)


def _since(store: Store, inventory: str, now: datetime) -> datetime:
    """Return since when it is looked for windows that nobody booked."""
    looked = store.looked_at(inventory)
    if looked is not None and now - looked > LOOK_BACK:
        get_run_logger().warning(
            "the windows of %s were last looked at %s UTC; those that ended more than %s ago "
            "are not told",
            inventory,
            f"{looked:%Y-%m-%d %H:%M}",
            write_duration(LOOK_BACK),
        )
    return look_back(looked, now)


def _why(booked: Booked, wanted: dict[str, Booking]) -> str:
    found = wanted.get(booked.key)
    if found is None:
        return "the window is no more, or was closed, or has moved"
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
