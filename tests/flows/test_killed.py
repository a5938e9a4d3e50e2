"""Dispatcher, worker and server, each killed in the middle of its work: real processes.

No window is lost, and none fires twice: what tells it is the memory, Prefect, and the machines.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.dispatch import Dispatched, dispatch
from patchyard.domain.outcome import Status
from patchyard.settings import settings
from patchyard.store import RunRecord, Store, open_store
from patchyard.testing.simulated import Fault, SimulatedYard, machines
from tests.flows.conftest import Api, Worker
from tests.flows.killing import kill_server, kill_tree, killed_dispatcher, revive
from tests.flows.windows import (
    GROUPS,
    configuration,
    inventory_of,
    minute,
    now,
    write_configurations,
)

pytestmark = pytest.mark.slow

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
PREFETCHED = timedelta(seconds=12)
"""So long ahead a worker takes what is booked."""

WORK = 5
"""Seconds that an install takes while something is killed."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Prefect's own client ask a silent server for 14 seconds on end, and not for a minute."""
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "3")


@pytest.fixture
def store() -> Iterator[Store]:
    """The memory."""
    with open_store(settings().database_url) as store:
        yield store


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[SimulatedYard]:
    """Three simulated machines behind one real SSH server."""
    with SimulatedYard(tmp_path / "yard", machines(3), groups=GROUPS) as yard:
        yield yard


def only(yard: SimulatedYard, *numbers: int) -> str:
    """Return the scope of machines, by their place."""
    return " or ".join(f"name == {yard.machines[number].name}" for number in numbers)


def dispatched(folder: Path) -> Dispatched:
    done: Dispatched = dispatch(inventory=str(folder), dry_run=False, ahead_hours=30)
    return done


def flow_runs(api: Api, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the flow runs that were booked for an inventory's windows, by their keys."""
    query = {"flow_runs": {"tags": {"all_": [f"windows:{folder.name}"]}}, "limit": 200}
    found: dict[str, list[dict[str, Any]]] = {}
    for run in api.post("flow_runs/filter", query):
        found.setdefault(run["parameters"]["parameters"]["window"]["key"], []).append(run)
    return found


def alive(api: Api, folder: Path) -> dict[str, int]:
    """Return how many runs each window has that were not withdrawn."""
    return {
        key: sum(run["state"]["name"] != "Withdrawn" for run in runs)
        for key, runs in flow_runs(api, folder).items()
    }


def patches(store: Store, folder: Path) -> list[RunRecord]:
    return store.runs(kind="patch", inventory=folder.name)


def claimed_by(store: Store, folder: Path, *keys: str) -> list[str]:
    """Return which runs have claimed windows; a window has two parts."""
    return sorted({claim.run_id for claim in store.window_claims(folder.name, keys)})


def begun(yard: SimulatedYard) -> list[str]:
    """Return the machines on which a package transaction was ever begun."""
    return [machine.name for machine in yard.machines if yard.transactions(machine.name)]


def until_begun(api: Api, yard: SimulatedYard, worker: Worker) -> None:
    """Wait until a first machine's package transaction has begun."""
    api.until(lambda: bool(begun(yard)), 90)
    assert len(begun(yard)) == 1, worker.log()


def until_ended(api: Api, store: Store, folder: Path, count: int = 1, seconds: float = 120) -> None:
    """Wait until so many runs have ended in the memory."""
    api.until(
        lambda: sum(r.finished_at is not None for r in patches(store, folder)) == count, seconds
    )


def each_installed_once(yard: SimulatedYard) -> bool:
    counts = {machine.name: len(yard.transactions(machine.name)) for machine in yard.machines}
    return counts == dict.fromkeys(counts, 1)


def keys(start: datetime, *names: str) -> tuple[str, ...]:
    return tuple(f"{name}@{start:%Y-%m-%d}" for name in names)


def test_a_dispatcher_that_is_killed_again_and_again_books_and_fires_every_window_once(
    yard: SimulatedYard, worker: Worker, deployed: str, api: Api, store: Store
) -> None:
    folder, start = inventory_of(yard), minute(now()) - 5 * MINUTE
    worker.stop()
    web = configuration(start, "3h", scope=only(yard, 0))
    db = configuration(start, "3h", scope=only(yard, 1, 2))
    write_configurations(folder, web=web, db=db)
    today, tomorrow = keys(start, "web", "db"), keys(start + DAY, "web", "db")

    killed_dispatcher(deployed, folder, "book", 1, "before")
    assert flow_runs(api, folder) == {}
    for booked in (1, 2):
        killed_dispatcher(deployed, folder, "book", 1)
        assert sum(alive(api, folder).values()) == booked

    write_configurations(folder, web=web, db={**db, "slots": 2})
    killed_dispatcher(deployed, folder, "withdraw", 1)
    assert sum(alive(api, folder).values()) == 1
    # Taken back by a person: what was withdrawn is to be booked a second time, as it was.
    write_configurations(folder, web=web, db=db)
    killed_dispatcher(deployed, folder, "book", 3)
    assert alive(api, folder) == dict.fromkeys((*today, *tomorrow), 1)
    assert dispatched(folder) == Dispatched()

    worker.start()
    until_ended(api, store, folder, 2)
    assert dispatched(folder) == Dispatched()
    assert alive(api, folder) == dict.fromkeys((*today, *tomorrow), 1)
    runs = patches(store, folder)
    assert [run.status for run in runs] == [Status.SUCCEEDED] * 2, worker.log()
    assert claimed_by(store, folder, *today) == sorted(run.id for run in runs)
    assert each_installed_once(yard)


def test_a_worker_that_is_killed_with_its_runs_costs_a_window_nothing_but_time(
    yard: SimulatedYard, worker: Worker, api: Api, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, start = inventory_of(yard), minute(now())
    for machine in yard.machines:
        yard.cause(machine.name, Fault.SLOW_INSTALL, str(WORK))
    write_configurations(folder, web=configuration(start, "5h", slots=1))
    (key,) = keys(start, "web")
    assert key in dispatched(folder).booked
    until_begun(api, yard, worker)

    killed = kill_tree(worker.pid)
    worker.stop()
    assert len(killed) > 1
    (left,) = patches(store, folder)
    assert left.finished_at is None
    worker.start()
    # Prefect shows the dead run as Running for ever; that it had the window is in its claim.
    for later in (timedelta(), 30 * MINUTE):
        monkeypatch.setattr("flows.dispatch.clock", lambda later=later: now() + later)
        assert dispatched(folder) == Dispatched()
    api.run("resume/fleet", {})
    until_ended(api, store, folder)

    (run,) = patches(store, folder)
    assert (run.id, run.status) == (left.id, Status.SUCCEEDED), worker.log()
    assert claimed_by(store, folder, key) == [run.id]
    assert alive(api, folder)[key] == 1
    assert each_installed_once(yard)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_killed_and_comes_back_ends_no_run_and_loses_no_window(
    yard: SimulatedYard, worker: Worker, deployed: str, api: Api, store: Store
) -> None:
    folder, start = inventory_of(yard), minute(now())
    due = minute(now() + timedelta(seconds=90))
    for machine in yard.machines:
        yard.cause(machine.name, Fault.SLOW_INSTALL, str(WORK))
    web = configuration(start, "5h", scope=only(yard, 0, 1), slots=1)
    db = configuration(due, "5h", scope=only(yard, 2))
    write_configurations(folder, web=web, db=db)
    both = (*keys(start, "web"), *keys(due, "db"))
    assert set(both) <= set(dispatched(folder).booked)
    until_begun(api, yard, worker)

    kill_server(deployed)
    try:
        assert now() < due - PREFETCHED
        time.sleep((due - now()).total_seconds() + 1)
        # What the server is for is not there, and the run has gone on.
        assert begun(yard) == [machine.name for machine in yard.machines[:2]]
    finally:
        revive(api, deployed)
    assert dispatched(folder) == Dispatched()
    until_ended(api, store, folder, 2)

    runs = patches(store, folder)
    assert [run.status for run in runs] == [Status.SUCCEEDED] * 2, worker.log()
    assert claimed_by(store, folder, *both) == sorted(run.id for run in runs)
    assert {
        key: count for key, count in alive(api, folder).items() if key in both
    } == dict.fromkeys(both, 1)
    assert each_installed_once(yard)
    for key in both:
        (booked,) = flow_runs(api, folder)[key]
        assert api.wait_final(booked["id"])["type"] == "COMPLETED"
    shown = {row["key"] for row in api.post("artifacts/filter", {"limit": 200})}
    named = f"{folder.name}-patch"
    assert {f"{named}-assessment", f"{named}-wave-1", f"{named}-report"} <= shown
