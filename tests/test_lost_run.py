"""A controller that has lost its run to another one leaves it to that one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from patchyard.account import close, report_of
from patchyard.domain.outcome import Status
from patchyard.domain.rollout import Start, next_step
from patchyard.parameters import PatchParameters
from patchyard.planner import RecordedRollout
from patchyard.runs import OWNER_TTL, Run, begin, now
from tests.store.samples import plan


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("PATCHYARD_HOME", str(tmp_path / "home"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "machines.yaml").write_text("machines: {db-1: {address: 127.0.0.9}}\n")
    given = {"slots": 2}
    with begin(
        "patch", inventory=str(tmp_path / "mine"), scope="all", parameters=given, flow_run_id=""
    ) as run:
        yield run


def taken_over(run: Run) -> None:
    later = now() + 2 * OWNER_TTL
    assert run.store.claim_run(run.id, "elsewhere/1/1", later, OWNER_TTL)


def test_a_run_that_another_controller_has_taken_over_is_not_ended(run: Run) -> None:
    taken_over(run)
    run.beat()
    assert run.lost.is_set()

    close(run, report_of(run, plan=None, halted_because="cancelled"))

    kept = run.store.run(run.id)
    assert kept is not None
    assert (kept.status, kept.finished_at) == (Status.IN_PROGRESS, None)
    assert kept.owner == "elsewhere/1/1"


def test_a_controller_that_has_lost_its_run_starts_nothing_before_it_knows(
    run: Run,
) -> None:
    """Its heartbeat tells it in a few seconds; the one that has the run may start the same now."""
    run.store.add_machines(run.id, [("db-1", 1, 0)])
    rollout = RecordedRollout(run, plan("db-1"), PatchParameters(inventory="mine"))
    assert isinstance(next_step(rollout.now(), now()), Start)
    taken_over(run)
    assert not rollout.start(["db-1"])
    assert run.store.standings(run.id)["db-1"].status == Status.NOT_STARTED
    assert not run.lost.is_set()
