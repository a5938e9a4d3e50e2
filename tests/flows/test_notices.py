"""Notices of a run over a simulated yard, and of windows by the dispatcher, on a real server."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.announcing import announce_all
from flows.dispatch import dispatch
from flows.patch import patch
from patchyard.announcing import Unused
from patchyard.domain.outcome import Status
from patchyard.domain.report import RunReport
from patchyard.store import open_store
from patchyard.testing.simulated import SimulatedYard, machines
from tests.flows.conftest import Api
from tests.flows.test_dispatch import inventory  # noqa: F401 - a fixture
from tests.flows.windows import GROUPS, inventory_of, minute, now, write_maintenance
from tests.hooks.receiver import Receiver, receiving

EVERYTHING = ["start", "wave", "failure", "end"]


@pytest.fixture
def yard(tmp_path: Path, prefect_server: str) -> Iterator[SimulatedYard]:
    """Two simulated machines, and the server that records what is done to them."""
    assert prefect_server
    with SimulatedYard(tmp_path / "yard", machines(2), groups=GROUPS) as yard:
        yield yard


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def patched(yard: SimulatedYard, *notices: dict[str, Any], **more: Any) -> RunReport:
    given = {"waves": ["1", "rest"], "resume": "never", "dry_run": False, **more}
    report: RunReport = patch(inventory=str(inventory_of(yard)), notices=list(notices), **given)
    return report


def events(api: Api, prefix: str) -> list[dict[str, Any]]:
    query = {"filter": {"event": {"prefix": [prefix]}, "order": "ASC"}, "limit": 50}
    found: list[dict[str, Any]] = api.post("events/filter", query)["events"]
    return found


def test_people_are_told_by_every_way_and_the_report_says_who(
    yard: SimulatedYard, api: Api, receiver: Receiver
) -> None:
    report = patched(
        yard,
        {"at": EVERYTHING, "to": "event"},
        {"at": EVERYTHING, "to": "webhook", "address": receiver.url},
        {"at": ["start", "end"], "to": "machine"},
    )
    assert report.status == Status.SUCCEEDED, report.notices
    told = [json.loads(posted.body) for posted in receiver.posted]
    types = [each["type"] for each in told]
    ended = ["patchyard.run.wave_ended"] * 2
    assert types == ["patchyard.run.started", *ended, "patchyard.run.ended"]
    assert told[-1]["data"]["status"] == "Succeeded"
    assert told[-1]["data"]["run"] == report.run_id
    assert len({each["id"] for each in told}) == 4
    for machine in yard.machines:
        shown = (yard.root(machine.name) / ".simulated/shown").read_text()
        assert "begins now" in shown
        assert "are patched" in shown

    resource = f"patchyard.run.{report.run_id}"

    def mine() -> list[str]:
        found = events(api, "patchyard.run.")
        return [e["event"] for e in found if e["resource"]["prefect.resource.id"] == resource]

    api.until(lambda: len(mine()) == 4, 30)
    assert sorted(mine()) == sorted(types)
    states = [(each.moment, each.to, each.state) for each in report.notices]
    assert len(states) == 4 + 4 + 2
    assert {state for _, _, state in states} == {"sent"}
    assert "Notice start to machine" in Path(report.files["markdown"]).read_text()


def test_a_notice_that_reaches_nobody_is_seen_and_stops_nothing(
    yard: SimulatedYard, receiver: Receiver
) -> None:
    receiver.status = 500
    report = patched(yard, {"at": ["start", "end"], "to": "webhook", "address": receiver.url})
    assert {machine.status for machine in report.machines} == {Status.SUCCEEDED}
    assert report.status == Status.COMPLETED_WITH_WARNINGS
    assert [(n.state, n.detail) for n in report.notices] == [("failed", "answered 500")] * 2
    assert "2 notices may have reached nobody" in Path(report.files["markdown"]).read_text()


def test_a_notice_that_must_reach_somebody_stops_the_run_before_it_begins(
    yard: SimulatedYard, receiver: Receiver
) -> None:
    receiver.status = 500
    before = {m.name: yard.packages(m.name) for m in yard.machines}
    must = {"to": "webhook", "address": receiver.url, "on_failure": "stop"}
    report = patched(yard, {"at": ["start", "failure"], **must})
    assert report.status == Status.FAILED
    assert report.halted_because.startswith("notice start to webhook ")
    assert {m.name: yard.packages(m.name) for m in yard.machines} == before
    assert [each.moment for each in report.notices] == ["start", "failure"]


def test_a_dry_run_is_told_to_nobody(yard: SimulatedYard, receiver: Receiver) -> None:
    notice = {"at": EVERYTHING, "to": "webhook", "address": receiver.url}
    report = patched(yard, notice, dry_run=True)
    assert receiver.posted == []
    assert report.notices == ()


def test_the_dispatcher_announces_windows_once_and_not_where_it_books_dry_runs(
    inventory: Path,  # noqa: F811 - the fixture
    receiver: Receiver,
) -> None:
    start = minute(now()) + timedelta(hours=5)
    notices = [{"at": ["24h", "1h"], "to": "webhook", "address": receiver.url}]
    write_maintenance(inventory, start, "1h", notices=notices)
    dispatch(inventory=str(inventory), dry_run=True, ahead_hours=10)
    assert receiver.posted == []
    for _ in range(2):
        dispatch(inventory=str(inventory), dry_run=False, ahead_hours=10)
    (posted,) = receiver.posted
    event = json.loads(posted.body)
    assert event["type"] == "patchyard.window.announced"
    assert event["data"]["window"]["key"] == f"web@{start:%Y-%m-%d}"
    assert event["data"]["machines"] == ["web-1", "web-2"]


def test_a_missed_window_is_told_by_the_inventory_that_has_it_and_by_no_namesake(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.announcing.get_run_logger", logging.getLogger)
    unused: dict[str, Unused] = {}
    for name in ("mine", "theirs"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "machines.yaml").write_text("machines: {a: {address: 127.66.0.1}}\n")
        notice = {"at": ["failure"], "to": "webhook", "address": f"{receiver.url}/{name}"}
        write_maintenance(folder, now(), "1h", notices=[notice])
        unused[str(folder)] = Unused(("web@2026-03-14",) if name == "mine" else ())
    with open_store(f"sqlite:///{tmp_path}/memory.db") as store:
        announce_all(store, unused, dry_run=True)
        assert receiver.posted == []
        announce_all(store, unused, dry_run=False)
    assert [posted.path for posted in receiver.posted] == ["/hook/mine"]
