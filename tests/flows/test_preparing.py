"""A run that begins before its window: planned and downloaded ahead, installed when it opens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.patch import patch
from patchyard import openings
from patchyard.domain.outcome import Status
from patchyard.domain.report import RunReport
from patchyard.settings import settings
from patchyard.store import StepRecord, Store, open_store
from patchyard.testing.simulated import SimulatedYard, machines
from tests.flows.conftest import Api
from tests.flows.windows import (
    GROUPS,
    inventory_of,
    minute,
    now,
    somebody,
    write_maintenance,
)

SOON = timedelta(seconds=40)
"""So long a run has to assess, plan and download."""


@pytest.fixture
def yard(tmp_path: Path, prefect_server: str) -> Iterator[SimulatedYard]:
    """Two simulated machines, and the server that records what is done to them."""
    assert prefect_server
    with SimulatedYard(tmp_path / "yard", machines(2), groups=GROUPS) as yard:
        yield yard


def window_of(start: datetime) -> dict[str, Any]:
    """Return the parameters of the window of `web` that opens then and is prepared from now on."""
    return {
        "key": f"web@{start:%Y-%m-%d}",
        "start": start.isoformat(),
        "end": (start + timedelta(hours=6)).isoformat(),
        "prepare_from": now().isoformat(),
    }


def patched(yard: SimulatedYard, start: datetime, **more: Any) -> RunReport:
    given = {"waves": ["1", "rest"], "resume": "never", "window": window_of(start), **more}
    report: RunReport = patch(inventory=str(inventory_of(yard)), dry_run=False, **given)
    return report


def until(holds: Callable[[Store], object], seconds: float = 90) -> None:
    """Wait until the memory has something."""
    deadline = time.monotonic() + seconds
    with open_store(settings().database_url) as store:
        while not holds(store):
            assert time.monotonic() < deadline, "it is still not so"
            time.sleep(0.2)


def the_run(store: Store, inventory: str) -> str:
    """Return the id of an inventory's open run; empty where there is none."""
    found = store.find_unfinished("patch", inventory)
    return found[0].id if found else ""


def steps_of(report: RunReport, machine: str) -> dict[str, StepRecord]:
    with open_store(settings().database_url) as store:
        return {step.key: step for step in store.steps(report.run_id, machine)}


def test_updates_are_downloaded_before_the_window_and_installed_in_it(yard: SimulatedYard) -> None:
    start = (now() + SOON).replace(microsecond=0)
    schedule = {"start": f"{start:%Y-%m-%d %H:%M:%S}"}
    write_maintenance(inventory_of(yard), start, "6h", schedule=schedule, prepare="2h")
    hook = {
        "name": "drain",
        "when": "before",
        "of": "run",
        "command": ["sh", "-c", f"date +%s.%N > {yard.inventory.parent}/drained"],
    }

    report = patched(yard, start, hooks=[hook])

    assert report.status == Status.SUCCEEDED, report.halted_because
    for machine in report.machines:
        steps = steps_of(report, machine.name)
        download, first = steps["download"], steps["preflight-0"]
        assert download.result is not None
        assert download.result.get("fault") is None
        assert download.finished_at is not None
        assert download.finished_at < start <= first.started_at
        assert steps["install-0-0"].started_at > start
    drained = float((yard.inventory.parent / "drained").read_text())
    assert drained >= start.timestamp()


def test_a_window_that_is_frozen_while_its_run_prepares_is_given_back(
    yard: SimulatedYard, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openings, "ASK_AGAIN", timedelta(seconds=1))
    folder, start = inventory_of(yard), minute(now()) + timedelta(hours=3)
    write_maintenance(folder, start, "6h", prepare="6h")
    before = {m.name: yard.packages(m.name) for m in yard.machines}

    def freeze_it() -> None:
        names = {machine.name for machine in yard.machines}
        until(lambda store: store.downloaded(the_run(store, folder.name)) == names)
        day = {"start": f"{start:%Y-%m-%d}", "end": f"{start:%Y-%m-%d}", "reason": "audit"}
        write_maintenance(folder, start, "6h", prepare="6h", freezes={"audit": day})

    with somebody(freeze_it):
        report = patched(yard, start)

    assert report.status == Status.REFUSED
    assert report.halted_because.startswith("window_closed: ")
    assert "frozen: audit" in report.halted_because
    state = api.state(report.flow_run_id)
    assert (state["type"], state["name"]) == ("COMPLETED", "window_closed")
    assert {m.name: yard.packages(m.name) for m in yard.machines} == before
    with open_store(settings().database_url) as store:
        assert store.window_claims(folder.name, [f"web@{start:%Y-%m-%d}"]) == ()
