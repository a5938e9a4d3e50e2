"""A rollback stands between the hooks of the run that it takes back, and is told to whom that was.

The flows, the store, the hooks and the receiver are real; the machines are simulated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.rollback import rollback
from patchyard.domain.outcome import Status
from patchyard.domain.report import RunReport
from patchyard.testing.simulated import SimulatedYard, machines
from tests.flows.test_hooks import (
    Notes,
    everywhere,
    killed,
    notes,  # noqa: F401 - a fixture
    patched,
    resumed,
)
from tests.flows.windows import GROUPS
from tests.hooks.receiver import receiving


@pytest.fixture
def yard(tmp_path: Path, prefect_server: str) -> Iterator[SimulatedYard]:
    """Two simulated machines, and the server that records what is done to them."""
    assert prefect_server
    with SimulatedYard(tmp_path / "yard", machines(2), groups=GROUPS) as yard:
        yield yard


def packages(yard: SimulatedYard) -> dict[str, Any]:
    return {machine.name: yard.packages(machine.name) for machine in yard.machines}


def back(run_id: str, **more: Any) -> RunReport:
    report: RunReport = rollback(run_id=run_id, **{"dry_run": False, "resume": "never", **more})
    return report


BACK = "import json, sys; from flows.rollback import rollback; rollback(**json.loads(sys.argv[1]))"


def test_a_rollback_calls_the_hooks_and_gives_the_notices_of_the_run_that_it_takes_back(
    yard: SimulatedYard,
    notes: Notes,  # noqa: F811 - the fixture
) -> None:
    """Once each, although its controller is killed in the middle of one."""
    before = packages(yard)
    with receiving() as receiver:
        moments = ["24h", "start", "wave", "failure", "end"]
        told = {"at": moments, "to": "webhook", "address": receiver.url}
        past = patched(yard, everywhere(notes), waves=["rest"], slots=3, notices=[told])
        assert past.status == Status.SUCCEEDED, past.halted_because
        one, two = sorted(machine.name for machine in yard.machines)

        # With the switch off it calls nobody and tells nobody.
        (notes.folder / "calls.jsonl").unlink()
        receiver.posted.clear()
        quiet = back(past.run_id, machines=[one], hooks_and_notices=False)
        assert [machine.status for machine in quiet.machines] == [Status.ROLLED_BACK]
        assert (notes.calls, receiver.posted, quiet.hooks, quiet.notices) == ([], [], (), ())

        given = {"run_id": past.run_id, "machines": [two], "dry_run": False, "resume": "never"}
        run_id = killed("after-machine", BACK, given, notes)
        report = resumed(run_id)

    assert (report.run_id, report.kind) == (run_id, "rollback")
    assert [machine.status for machine in report.machines] == [Status.ROLLED_BACK]
    assert packages(yard) == before
    assert notes.order == [
        *("before-run run", "before-wave 1", f"before-machine {two}"),
        *(f"after-machine {two}", f"after-machine {two}", "after-wave 1", "after-run run"),
    ]
    assert [each["attempt"] for each in notes.calls] == [1, 1, 1, 1, 2, 1, 1]
    assert len({each["key"] for each in notes.calls}) == 6
    for each in notes.calls:
        ids = (each["run"]["id"], each["run"]["kind"], each["run"]["takes_back"])
        assert ids == (run_id, "rollback", past.run_id)
        assert each["key"].startswith(f"{run_id}/")
        assert [row["name"] for row in each["machines"]] == [two]
    assert notes.calls[4]["outcome"]["status"] == "rolled_back"
    assert len(report.hooks) == 4
    events = [json.loads(posted.body) for posted in receiver.posted]
    types = [event["type"].rpartition(".")[2] for event in events]
    assert types == ["started", "wave_ended", "ended"]  # it is no failure that it is rolled back
    assert events[0]["data"]["title"] == f"Rollback of 1 machine begins: {run_id}"
    assert {event["data"]["takes_back"] for event in events} == {past.run_id}
    assert {event["data"]["kind"] for event in events} == {"rollback"}
