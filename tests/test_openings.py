"""Entering a window: once for all systems, and what earlier versions let into parts of one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from patchyard.domain.outcome import Status
from patchyard.domain.plan import MachinePlan, Plan
from patchyard.openings import ASK_AGAIN, GONE, TAKEN, Opening, enter
from patchyard.providers import load_inventory
from patchyard.runs import Run, begin
from patchyard.store import RunRecord, Store, WindowClaim, open_store

START = datetime(2026, 3, 14, 22, tzinfo=UTC)
END = START + timedelta(hours=2)
KEY = "web@2026-03-14"
MAINTENANCE = """
configurations:
  web:
    scope: all
    schedule: {recurrence: Day, start: 2026-01-01 22:00, length: 2h, time_zone: UTC}
    windows: {classifications: [UpdateRollUp]}
"""
MACHINES = """
machines:
  a: {address: 127.66.0.1}
  w: {address: 127.66.0.2, os_family: windows}
"""


class Scene:
    """An inventory with a window, and runs that come to it."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store
        (folder / "machines.yaml").write_text(MACHINES)
        (folder / "maintenance.yaml").write_text(MAINTENANCE)

    def run(self, name: str, key: str = KEY, *, resumed: bool = False, **more: Any) -> Run:
        window = {"key": key, "start": START.isoformat(), "end": END.isoformat()}
        given = {"window": window, "seed": "s", **more}
        inventory = load_inventory(self.folder)
        record = RunRecord(name, "patch", inventory.name, "all", given, Status.IN_PROGRESS, START)
        self.store.create_run(record)
        at = START + timedelta(minutes=5)
        return Run(record, self.store, inventory, "me", resumed=resumed, clock=lambda: at)

    def planned(self, run: Run) -> None:
        part = MachinePlan(machine="w")
        plan = Plan(inventory=run.inventory.name, scope="all", machines=(part,), waves=(("w",),))
        self.store.set_plan(run.id, plan)

    def claims(self) -> dict[str, str]:
        keys = [KEY, f"{KEY}#linux", f"{KEY}#windows"]
        found = self.store.window_claims(self.folder.name, keys)
        return {each.key: each.run_id for each in found}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with open_store(f"sqlite:///{tmp_path}/memory.db") as store:
        yield Scene(tmp_path, store)


def test_a_window_is_entered_once_for_all_systems(scene: Scene) -> None:
    assert enter(scene.run("r1")) is None
    assert scene.claims() == {KEY: "r1"}
    second = enter(scene.run("r2"))
    assert second is not None
    assert (second.word, second.reason) == (TAKEN, f"window {KEY} belongs to run r1")
    assert scene.claims() == {KEY: "r1"}


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("part", ["linux", "windows"])
def test_a_run_that_was_booked_for_a_part_of_a_window_begins_nothing(
    scene: Scene, part: str, *, resumed: bool
) -> None:
    closed = enter(scene.run("r1", f"{KEY}#{part}", resumed=resumed))
    assert closed is not None
    assert (closed.word, closed.reason) == (GONE, f"window {KEY}#{part} is no more")
    assert scene.claims() == {}
    assert enter(scene.run("r2")) is None


@pytest.mark.parametrize("owner", ["r1", "r2"])
def test_a_run_that_had_a_part_of_a_window_is_brought_to_its_end(scene: Scene, owner: str) -> None:
    """The claim that was kept may be that of the other part's run."""
    inventory = load_inventory(scene.folder).name
    scene.store.claim_window(WindowClaim(inventory, KEY, owner, START, END, START))
    run = scene.run("r1", f"{KEY}#windows", resumed=True)
    scene.planned(run)
    assert enter(run) is None
    assert scene.claims() == {KEY: owner}


def test_a_dry_run_of_a_part_had_no_window(scene: Scene) -> None:
    run = scene.run("r1", f"{KEY}#windows", resumed=True, dry_run=True)
    scene.planned(run)
    closed = enter(run)
    assert closed is not None
    assert closed.word == GONE


def test_what_windows_machines_get_decides_whether_it_is_the_same_run(scene: Scene) -> None:
    def begun(windows: Any, resume: str = "auto") -> str:
        given = {"dry_run": False, "windows": windows}
        at = str(scene.folder)
        with begin(
            "patch", inventory=at, scope="all", parameters=given, flow_run_id="", resume=resume
        ) as run:
            return run.id

    first = begun({"classifications": ["Tools"]}, "never")
    assert begun(None) != first
    assert begun({"classifications": ["Tools"]}) == first


@pytest.mark.parametrize("text", ["", "configurations: {other:", "configurations: {}"])
def test_files_that_somebody_writes_in_count_when_the_window_opens(scene: Scene, text: str) -> None:
    run = scene.run("r1")
    assert enter(run) is None
    now = [run.clock()]
    run.clock = lambda: now[0]
    opening = Opening(run)
    now[0] += 2 * ASK_AGAIN
    whole = (scene.folder / "maintenance.yaml").read_text()

    (scene.folder / "maintenance.yaml").write_text(text)
    assert opening.closed(beginning=False) is None
    (scene.folder / "maintenance.yaml").write_text(whole)
    assert Opening(run).closed(beginning=True) is None
    assert scene.claims() == {KEY: "r1"}

    (scene.folder / "maintenance.yaml").write_text(text)
    closed = opening.closed(beginning=True)
    assert closed is not None
    assert closed.word == GONE
    assert scene.claims() == {}
