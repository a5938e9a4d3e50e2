"""Dispatching on a real server: visible ahead, once, and withdrawn where a window has moved."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client

from flows.booked import Desk
from flows.dispatch import Dispatched, dispatch
from patchyard.booking import Booking, bookings
from patchyard.domain.dispatching import MOST_TRIES
from patchyard.errors import ConfigurationError
from patchyard.parameters import WindowParameters
from patchyard.runs import begin
from patchyard.settings import settings
from patchyard.store import WindowClaim, open_store
from tests.flows.conftest import Api
from tests.flows.windows import minute, now, write_maintenance

DAY = timedelta(days=1)


@pytest.fixture
def inventory(tmp_path: Path, deployed: str) -> Path:
    """An inventory of two machines that nobody reaches: dispatching asks no machine."""
    assert deployed
    folder = tmp_path / f"fleet-{uuid4().hex[:8]}"
    folder.mkdir()
    (folder / "machines.yaml").write_text(
        "machines:\n  web-1: {address: 127.66.0.1}\n  web-2: {address: 127.66.0.2}\n"
    )
    return folder


def dispatched(inventory: Path, **more: Any) -> Dispatched:
    done: Dispatched = dispatch(inventory=str(inventory), dry_run=False, **more)
    return done


def runs_of(api: Api, inventory: Path) -> list[dict[str, Any]]:
    """Return the flow runs of an inventory's windows, as the UI lists them."""
    query = {
        "flow_runs": {"tags": {"all_": [f"windows:{inventory.name}"]}},
        "sort": "EXPECTED_START_TIME_ASC",
    }
    found: list[dict[str, Any]] = api.post("flow_runs/filter", query)
    return found


def states(api: Api, inventory: Path) -> list[tuple[str, str]]:
    return [(run["name"], run["state"]["name"]) for run in runs_of(api, inventory)]


def key(at: datetime) -> str:
    return f"web@{at:%Y-%m-%d}"


def test_windows_are_booked_at_their_exact_time_and_a_second_dispatch_does_nothing(
    inventory: Path, api: Api
) -> None:
    start = minute(now()) + timedelta(hours=5)
    write_maintenance(inventory, start, "3h", approval={"of": "run", "by": ["Ada"]})

    first = dispatched(inventory)
    second = dispatched(inventory)

    assert first.booked == (key(start), key(start + DAY))
    assert second == Dispatched()
    runs = runs_of(api, inventory)
    assert [datetime.fromisoformat(run["expected_start_time"]) for run in runs] == [
        start,
        start + DAY,
    ]
    given = runs[0]["parameters"]["parameters"]
    assert given["window"]["key"] == key(start)
    assert (given["approval"], given["approvers"], given["dry_run"]) == ("run", ["Ada"], False)
    assert states(api, inventory) == [(key(at), "Scheduled") for at in (start, start + DAY)]


def test_a_run_that_prepares_is_booked_for_so_long_before_its_window_and_booked_anew_when_told(
    inventory: Path, api: Api
) -> None:
    start = minute(now()) + timedelta(hours=30)
    write_maintenance(inventory, start, "3h")
    dispatched(inventory)
    write_maintenance(inventory, start, "3h", prepare="4h")

    again = dispatched(inventory)

    assert again.withdrawn == again.booked == (key(start),)
    begins = [
        datetime.fromisoformat(run["expected_start_time"])
        for run in runs_of(api, inventory)
        if run["state"]["name"] == "Scheduled"
    ]
    assert begins == [start - timedelta(hours=4)]


def test_a_dispatcher_that_does_not_see_what_another_has_just_booked_books_nothing_twice(
    inventory: Path, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_maintenance(inventory, minute(now()) + timedelta(hours=5), "3h")
    dispatched(inventory)
    there = {run["id"] for run in runs_of(api, inventory)}
    monkeypatch.setattr(Desk, "look", lambda *_: {})

    assert len(dispatched(inventory).booked) == 2

    assert {run["id"] for run in runs_of(api, inventory)} == there


def test_what_moved_is_withdrawn_and_booked_at_its_new_time_and_back_again(
    inventory: Path, api: Api
) -> None:
    start = minute(now()) + timedelta(hours=5)
    later = start + timedelta(hours=2)
    change = {"date": f"{start:%Y-%m-%d}", "to": f"{later:%Y-%m-%d %H:%M}"}
    write_maintenance(inventory, start, "3h")
    dispatched(inventory, ahead_hours=10)

    write_maintenance(inventory, start, "3h", schedule={"postpone": [change]})
    moved = dispatched(inventory, ahead_hours=10)
    assert (moved.withdrawn, moved.booked) == ((key(start),), (key(start),))
    assert states(api, inventory) == [(key(start), "Withdrawn"), (key(start), "Scheduled")]
    assert runs_of(api, inventory)[0]["state"]["message"].startswith("the window has moved to")

    write_maintenance(inventory, start, "3h")
    back = dispatched(inventory, ahead_hours=10)
    assert (back.withdrawn, back.booked) == ((key(start),), (key(start),))
    alive = [run for run in runs_of(api, inventory) if run["state"]["type"] == "SCHEDULED"]
    assert [datetime.fromisoformat(run["expected_start_time"]) for run in alive] == [start]
    assert dispatched(inventory, ahead_hours=10) == Dispatched()


def test_what_was_frozen_is_withdrawn(inventory: Path, api: Api) -> None:
    start = minute(now()) + timedelta(hours=5)
    write_maintenance(inventory, start, "1h")
    dispatched(inventory, ahead_hours=10)
    freeze = {"start": f"{start - DAY:%Y-%m-%d}", "end": f"{start + DAY:%Y-%m-%d}", "reason": "x"}
    write_maintenance(inventory, start, "1h", freezes={"audit": freeze})

    assert dispatched(inventory, ahead_hours=10).withdrawn == (key(start),)

    (run,) = runs_of(api, inventory)
    assert (run["state"]["name"], run["state"]["message"]) == (
        "Withdrawn",
        "the window is frozen: audit: x",
    )


def test_a_changed_configuration_has_its_run_booked_anew(inventory: Path, api: Api) -> None:
    start = minute(now()) + timedelta(hours=5)
    write_maintenance(inventory, start, "1h")
    dispatched(inventory, ahead_hours=10)
    write_maintenance(inventory, start, "1h", reboot="never")

    assert dispatched(inventory, ahead_hours=10).booked == (key(start),)

    old, new = sorted(runs_of(api, inventory), key=lambda run: str(run["state"]["type"]))
    assert (old["state"]["name"], new["state"]["name"]) == ("Withdrawn", "Scheduled")
    assert new["parameters"]["parameters"]["reboot"] == "never"


def test_a_window_that_was_claimed_is_never_booked_again(inventory: Path) -> None:
    start = minute(now()) - timedelta(minutes=5)
    write_maintenance(inventory, start, "3h")
    end, at = start + timedelta(hours=3), now()
    with open_store(settings().database_url) as store:
        store.claim_window(WindowClaim(inventory.name, key(start), "patch-1", start, end, at))

    assert dispatched(inventory, ahead_hours=1) == Dispatched()


def test_a_window_that_has_begun_without_its_run_is_booked_late(inventory: Path) -> None:
    start = minute(now()) - timedelta(minutes=5)
    write_maintenance(inventory, start, "3h")

    assert dispatched(inventory, ahead_hours=1).booked == (key(start),)


def test_a_run_that_crashed_before_it_claimed_its_window_is_booked_again_and_a_cancelled_one_not(
    inventory: Path, api: Api
) -> None:
    start = minute(now()) - timedelta(minutes=5)
    write_maintenance(inventory, start, "3h")
    dispatched(inventory, ahead_hours=1)
    (run,) = runs_of(api, inventory)
    crashed = {"state": {"type": "CRASHED", "name": "Crashed"}, "force": True}
    api.post(f"flow_runs/{run['id']}/set_state", crashed)

    assert dispatched(inventory, ahead_hours=1).booked == (key(start),)

    (second,) = [r for r in runs_of(api, inventory) if r["state"]["type"] == "SCHEDULED"]
    cancelled = {"state": {"type": "CANCELLED", "name": "Cancelled"}, "force": True}
    api.post(f"flow_runs/{second['id']}/set_state", cancelled)
    assert dispatched(inventory, ahead_hours=1) == Dispatched()


def put(api: Api, run: dict[str, Any], kind: str) -> None:
    """Put a flow run into a state, as Prefect does when its process is gone."""
    state = {"state": {"type": kind.upper(), "name": kind}, "force": True}
    api.post(f"flow_runs/{run['id']}/set_state", state)


def booked_now(api: Api, inventory: Path) -> dict[str, Any]:
    (run,) = [r for r in runs_of(api, inventory) if r["state"]["type"] == "SCHEDULED"]
    return run


def events_of(api: Api, window: str) -> list[dict[str, Any]]:
    """Return the events of a window of this hour."""
    query = {"filter": {"event": {"prefix": ["patchyard.window."]}}, "limit": 50}
    found: list[dict[str, Any]] = api.post("events/filter", query)["events"]
    return [e for e in found if e["resource"]["prefect.resource.id"].endswith(window)]


def test_a_window_that_kills_its_runs_is_given_up_and_told_once(
    inventory: Path, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    start = minute(now()) - timedelta(minutes=5)
    write_maintenance(inventory, start, "3h", scope="name == web-1")
    for _ in range(MOST_TRIES):
        assert dispatched(inventory, ahead_hours=1).booked == (key(start),)
        put(api, booked_now(api, inventory), "Crashed")

    assert dispatched(inventory, ahead_hours=1) == Dispatched(failed=(key(start),))
    assert f"window {key(start)} failed: 3 runs of it died before claiming it" in caplog.text
    assert [name for _, name in states(api, inventory)].count("GivenUp") == 1
    assert dispatched(inventory, ahead_hours=1) == Dispatched()
    names = {"patchyard.window.failed"}
    api.until(lambda: names <= {e["event"] for e in events_of(api, key(start))}, 30)

    write_maintenance(inventory, start, "3h", scope="name == web-2")
    assert dispatched(inventory, ahead_hours=1).booked == (key(start),)


def test_a_window_that_was_over_before_its_run_began_is_told_as_missed(
    inventory: Path, api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start = minute(now()) + timedelta(minutes=10)
    write_maintenance(inventory, start, "1h")
    assert dispatched(inventory, ahead_hours=1).booked == (key(start),)
    monkeypatch.setattr("flows.dispatch.clock", lambda: start + timedelta(hours=2))

    assert dispatched(inventory, ahead_hours=1) == Dispatched(missed=(key(start),))

    assert f"window {key(start)} missed: the window was over before" in caplog.text
    assert states(api, inventory) == [(key(start), "Missed")]
    names = {"patchyard.window.missed"}
    api.until(lambda: names <= {e["event"] for e in events_of(api, key(start))}, 30)
    assert dispatched(inventory, ahead_hours=1) == Dispatched()


def test_a_window_that_nobody_ever_booked_is_told_once_and_never_by_a_dry_run(
    inventory: Path, api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun = minute(now()) - timedelta(days=1)
    write_maintenance(inventory, begun + timedelta(hours=5), "1h")
    first, second = (key(begun + timedelta(days=day, hours=5)) for day in (1, 2))
    assert dispatched(inventory, ahead_hours=1) == Dispatched()  # what was before, nobody saw
    later = now() + timedelta(days=2)
    monkeypatch.setattr("flows.dispatch.clock", lambda: later)
    with open_store(settings().database_url) as store:
        store.claim_window(WindowClaim(inventory.name, first, "patch-1", begun, later, begun))

    dry: Dispatched = dispatch(inventory=str(inventory), dry_run=True, ahead_hours=1)
    assert dry.missed == ()
    with monkeypatch.context() as killed:
        killed.setattr("flows.dispatch.announce_all", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            dispatched(inventory, ahead_hours=1)
    assert dispatched(inventory, ahead_hours=1).missed == (second,)

    assert f"window {second} missed: it opened and ended, and nobody had booked" in caplog.text
    names = {"patchyard.window.missed"}
    api.until(lambda: names <= {e["event"] for e in events_of(api, second)}, 30)
    assert dispatched(inventory, ahead_hours=1).missed == ()


def test_what_moved_or_was_closed_while_all_was_away_is_withdrawn_and_not_missed(
    inventory: Path, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = minute(now()) + timedelta(hours=5)
    write_maintenance(inventory, start, "1h", recurrence="10Days")
    assert dispatched(inventory, ahead_hours=10).booked == (key(start),)
    to = {"date": f"{start:%Y-%m-%d}", "to": f"{start + 5 * DAY:%Y-%m-%d %H:%M}"}
    schedule = {"postpone": [to]}
    write_maintenance(inventory, start, "1h", recurrence="10Days", schedule=schedule)
    monkeypatch.setattr("flows.dispatch.clock", lambda: start + DAY)

    assert dispatched(inventory, ahead_hours=10) == Dispatched(withdrawn=(key(start),))
    assert states(api, inventory) == [(key(start), "Withdrawn")]

    monkeypatch.setattr("flows.dispatch.clock", lambda: start + 4.9 * DAY)
    assert dispatched(inventory, ahead_hours=10).booked == (key(start),)


def test_a_wrong_inventory_does_not_hold_up_the_windows_of_others(
    inventory: Path, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = minute(now()) + timedelta(minutes=30)
    write_maintenance(inventory, start, "1h")
    wrong = tmp_path / "wrong"
    monkeypatch.setattr(
        "flows.dispatch.maintained_inventories", lambda: [str(wrong), str(inventory)]
    )

    with pytest.raises(ConfigurationError, match="wrong"):
        dispatch(dry_run=False, ahead_hours=1)

    assert states(api, inventory) == [(key(start), "Scheduled")]


def test_a_cancel_that_no_worker_has_carried_out_is_an_answer_all_the_same(
    inventory: Path, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = minute(now()) - timedelta(minutes=5)
    write_maintenance(inventory, start, "3h")
    dispatched(inventory, ahead_hours=1)
    put(api, booked_now(api, inventory), "Cancelling")
    later = now() + timedelta(minutes=30)
    monkeypatch.setattr("flows.dispatch.clock", lambda: later)

    assert dispatched(inventory, ahead_hours=1) == Dispatched()


def test_a_dry_run_that_takes_long_is_not_begun_again(
    inventory: Path, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_maintenance(inventory, minute(now()) - timedelta(minutes=5), "3h")
    dry: Dispatched = dispatch(inventory=str(inventory), dry_run=True, ahead_hours=1)
    assert len(dry.booked) == 1
    put(api, booked_now(api, inventory), "Running")
    later = now() + timedelta(minutes=30)
    monkeypatch.setattr("flows.dispatch.clock", lambda: later)

    assert dispatch(inventory=str(inventory), dry_run=True, ahead_hours=1) == Dispatched()


@pytest.mark.parametrize("claimed", [False, True])
def test_two_inventories_of_one_name_do_not_share_their_windows(
    inventory: Path, tmp_path: Path, *, claimed: bool
) -> None:
    start = minute(now()) - timedelta(minutes=5)
    write_maintenance(inventory, start, "3h")
    other = tmp_path / "elsewhere" / inventory.name
    other.mkdir(parents=True)
    (other / "machines.yaml").write_text("machines:\n  db-1: {address: 127.66.0.9}\n")
    write_maintenance(other, start, "3h")
    if claimed:
        claim(inventory, start)
    else:
        dispatched(inventory, ahead_hours=1)

    with pytest.raises(ConfigurationError, match="two inventories of one name"):
        dispatched(other, ahead_hours=1)

    (inventory / "machines.yaml").write_text("machines:\n  db-1: {address: 127.66.0.9}\n")
    assert dispatched(other, ahead_hours=1).booked == (() if claimed else (key(start),))


def claim(inventory: Path, start: datetime) -> None:
    """Let a run of an inventory claim a window, and end."""
    end = start + timedelta(hours=3)
    at = str(inventory)
    with (
        begin("patch", inventory=at, scope="all", parameters={}, flow_run_id="") as run,
        open_store(settings().database_url) as store,
    ):
        store.claim_window(WindowClaim(inventory.name, key(start), run.id, start, end, now()))


def booked_by_parts(inventory: Path, start: datetime) -> list[str]:
    """Book runs as earlier versions did: two for a window whose systems get different updates."""
    (whole,) = bookings(str(inventory), now(), timedelta(hours=10), dry_run=False)
    keys = [f"{key(start)}#{part}" for part in ("linux", "windows")]
    with (
        get_client(sync_client=True) as client,
        open_store(settings().database_url) as store,
    ):
        desk = Desk(client, store, "patch/window", inventory.name)
        for each in keys:
            window = WindowParameters(key=each, start=whole.window.start, end=whole.window.end)
            asked = whole.parameters.model_copy(update={"window": window})
            desk.book(Booking(replace(whole.window, key=each), asked))
    return keys


def test_runs_that_were_booked_for_parts_of_a_window_give_way_to_one_for_all(
    inventory: Path, api: Api
) -> None:
    start = minute(now()) + timedelta(hours=5)
    write_maintenance(inventory, start, "1h", windows={"classifications": ["UpdateRollUp"]})
    keys = booked_by_parts(inventory, start)

    done = dispatched(inventory, ahead_hours=10)

    assert (sorted(done.withdrawn), done.booked) == (keys, (key(start),))
    assert sorted(states(api, inventory)) == [
        (key(start), "Scheduled"),
        *((each, "Withdrawn") for each in keys),
    ]
    given = booked_now(api, inventory)["parameters"]["parameters"]
    assert given["windows"]["classifications"] == ["UpdateRollUp"]
    assert given["classifications"] == ["Critical", "Security"]
    assert dispatched(inventory, ahead_hours=10) == Dispatched()


def test_a_window_of_which_a_part_has_begun_is_not_begun_again(inventory: Path, api: Api) -> None:
    start = minute(now()) - timedelta(minutes=5)
    write_maintenance(inventory, start, "3h", windows={"classifications": ["UpdateRollUp"]})
    booked_by_parts(inventory, start)
    claim(inventory, start)
    put(api, runs_of(api, inventory)[0], "Running")

    assert dispatched(inventory, ahead_hours=1) == Dispatched()
