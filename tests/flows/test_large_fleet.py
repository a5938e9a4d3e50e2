"""A fleet too large for a task run a machine: batches, bounded, and nothing lost on the way."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from flows import window
from flows.patch import patch
from patchyard.domain.outcome import Status
from patchyard.settings import settings
from patchyard.testing.simulated import SimulatedYard, machines
from tests.flows.conftest import Api

pytestmark = pytest.mark.slow
MACHINES = 100
BATCHES = 50
LINES = 100
GROUPS = {"simulated": {"policy": {"stable_seconds": 0}}}


def test_a_large_fleet_is_patched_in_batches_and_each_machine_is_told(
    tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "STEP_LINES", LINES)
    with SimulatedYard(tmp_path / "yard", machines(MACHINES), groups=GROUPS) as yard:
        report = patch(
            inventory=str(yard.inventory), dry_run=False, waves=["rest"], slots=20, resume="never"
        )
        assert not yard.refused()
    assert Counter(machine.status for machine in report.machines) == {Status.SUCCEEDED: MACHINES}
    names = task_runs_of(api, report.flow_run_id)
    assert Counter(name.split()[0] for name in names) == {"assess": BATCHES, "patch": BATCHES}
    assert "assess 2 machines, sim-0001 to sim-0002" in names
    log = (settings().home / "runs" / report.run_id / "run.log").read_text().splitlines()
    assert len(log) > 10 * MACHINES
    ours = [line for line in lines_of(api, report.flow_run_id) if line.startswith(report.run_id)]
    verdicts = [line for line in ours if " | ended | " in line]
    assert len(verdicts) == MACHINES
    of_machines = [line for line in ours if " | sim-" in line]
    assert len(of_machines) - len(verdicts) <= LINES


def task_runs_of(api: Api, flow_run: str) -> list[str]:
    query = {"flow_runs": {"id": {"any_": [flow_run]}}}
    # The server records what it was told some seconds later.
    api.until(lambda: api.post("task_runs/count", query) == 2 * BATCHES, 120)
    return [row["name"] for row in api.post("task_runs/filter", {**query, "limit": 200})]


def lines_of(api: Api, flow_run: str) -> list[str]:
    lines: list[str] = []
    while True:
        query = {
            "logs": {"flow_run_id": {"any_": [flow_run]}},
            "offset": len(lines),
            "limit": 200,
        }
        page = [row["message"] for row in api.post("logs/filter", query)]
        lines += page
        if not page:
            return lines
