"""A controller that has lost its run to another one leaves it to that one."""

from __future__ import annotations

from pathlib import Path

import pytest

from patchyard.account import close, report_of
from patchyard.domain.outcome import Status
from patchyard.runs import OWNER_TTL, begin, now


def test_a_run_that_another_controller_has_taken_over_is_not_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATCHYARD_HOME", str(tmp_path / "home"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "machines.yaml").write_text("machines: {db-1: {address: 127.0.0.9}}\n")
    given = {"slots": 2}
    with begin(
        "patch", inventory=str(tmp_path / "mine"), scope="all", parameters=given, flow_run_id=""
    ) as run:
        later = now() + 2 * OWNER_TTL
        assert run.store.claim_run(run.id, "elsewhere/1/1", later, OWNER_TTL)
        run.beat()
        assert run.lost.is_set()

        close(run, report_of(run, plan=None, halted_because="cancelled"))

        kept = run.store.run(run.id)
        assert kept is not None
        assert (kept.status, kept.finished_at) == (Status.IN_PROGRESS, None)
        assert kept.owner == "elsewhere/1/1"
