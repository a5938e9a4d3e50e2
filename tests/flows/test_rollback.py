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
from tests.flows.test_hooks import Notes, everywhere, notes, patched, resumed  # noqa: F401 - fixtures
from tests.flows.test_hooks import killed as killed_in
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


def test_a_rollback_calls_the_hooks_and_gives_the_notices_of_the_run_that_it_takes_back(
    yard: SimulatedYard,
    notes: Notes,  # noqa: F811 - the fixture
) -> None:
    before = packages(yard)
    with receiving() as receiver:
        moments = ["24h", "start", "wave", "failure", "end"]
        told = {"at": moments, "to": "webhook", "address": receiver.url}
        past = patched(yard, everywhere(notes), waves=["rest"], notices=[told])
        assert past.status == Status.SUCCEEDED, past.halted_because
        one, two = sorted(machine.name for machine in yard.machines)

        # Only tried out, and with the switch off, it calls nobody and tells nobody.
        (notes.folder / "calls.jsonl").unlink()
        receiver.posted.clear()
        assert back(past.run_id, dry_run=True).hooks == ()
        quiet = back(past.run_id, machines=[one], hooks_and_notices=False)
        assert [machine.status for machine in quiet.machines] == [Status.ROLLED_BACK]
        assert (notes.calls, receiver.posted, quiet.hooks, quiet.notices) == ([], [], (), ())

        report = back(past.run_id, machines=[two])

    assert [machine.status for machine in report.machines] == [Status.ROLLED_BACK]
    assert packages(yard) == before
    assert notes.order == [
        *("before-run run", "before-wave 1", f"before-machine {two}", f"after-machine {two}"),
        *("after-wave 1", "after-run run"),
    ]
    for each in notes.calls:
        ids = (each["run"]["id"], each["run"]["kind"], each["run"]["takes_back"])
        assert ids == (report.run_id, "rollback", past.run_id)
        assert each["key"].startswith(f"{report.run_id}/")
        assert [row["name"] for row in each["machines"]] == [two]
    assert notes.calls[3]["outcome"]["status"] == "rolled_back"
    assert len(report.hooks) == 4
    events = [json.loads(posted.body) for posted in receiver.posted]
    types = [event["type"].rpartition(".")[2] for event in events]
    assert types == ["started", "wave_ended", "ended"]  # it is no failure that it is rolled back
    assert events[0]["data"]["title"] == f"Rollback of 1 machine begins: {report.run_id}"
    assert {event["data"]["takes_back"] for event in events} == {past.run_id}
    assert {event["data"]["kind"] for event in events} == {"rollback"}


BACK = "import json, sys; from flows.rollback import rollback; rollback(**json.loads(sys.argv[1]))"


def test_a_rollback_whose_controller_was_killed_in_a_hook_is_resumed_and_calls_those_after(
    yard: SimulatedYard,
    notes: Notes,  # noqa: F811 - the fixture
) -> None:
    before = packages(yard)
    past = patched(yard, everywhere(notes), waves=["rest"], slots=3)
    (notes.folder / "calls.jsonl").unlink()
    given = {"run_id": past.run_id, "dry_run": False, "resume": "never"}
    run_id = killed_in("after-machine", BACK, given, notes)

    report = resumed(run_id)

    assert report.kind == "rollback"
    assert {machine.status for machine in report.machines} == {Status.ROLLED_BACK}
    assert packages(yard) == before
    attempts: dict[str, list[int]] = {}
    for each in notes.calls:
        attempts.setdefault(each["key"], []).append(each["attempt"])
    assert len(attempts) == 4 + 2 * 2
    assert notes.order[-2:] == ["after-wave 1", "after-run run"]
    again = [key for key, numbers in attempts.items() if numbers != [1]]
    assert all("/after-machine" in key and attempts[key] == [1, 2] for key in again)
