"""Taking up runs whose controller is gone: one that cannot go on keeps no other from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import resume as resuming
from flows.patch import patch
from flows.resume import resume
from flows.server import recording_server
from patchyard.domain.outcome import Status
from patchyard.domain.report import RunReport
from patchyard.errors import ConfigurationError, Refused
from patchyard.settings import settings
from patchyard.store import RunRecord, open_store
from patchyard.testing.simulated import SimulatedYard, machines
from tests.flows.windows import GROUPS, inventory_of, now


@pytest.mark.usefixtures("prefect_server")
def test_a_run_that_cannot_be_planned_has_ended_and_is_not_taken_up(tmp_path: Path) -> None:
    with SimulatedYard(tmp_path / "yard", machines(1), groups=GROUPS) as yard:
        inventory = inventory_of(yard)
        never = {"quorum": [{"of": "all", "at_least": 1}]}
        with pytest.raises(ConfigurationError, match="none could be patched"):
            patch(inventory=str(inventory), availability=never, dry_run=False)
    with open_store(settings().database_url) as store:
        (run,) = store.runs(inventory=inventory.name)
    assert run.status == Status.REFUSED
    assert run.finished_at is not None


@pytest.mark.usefixtures("prefect_server")
def test_one_run_that_cannot_go_on_keeps_no_other_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = now()
    records = [
        RunRecord(name, "patch", "i", "all", {}, Status.IN_PROGRESS, at, None) for name in "ab"
    ]
    seen: list[str] = []

    def take_up(record: RunRecord) -> list[RunReport]:
        seen.append(record.id)
        if record.id == "a":
            raise ConfigurationError.of("it is wrong")
        return []

    monkeypatch.setattr(resuming, "orphaned_runs", lambda _run: records)
    monkeypatch.setattr(resuming, "_taken_up", take_up)
    with recording_server(), pytest.raises(Refused, match="could not go on: a: it is wrong"):
        resume()
    assert seen == ["a", "b"]


@pytest.mark.usefixtures("prefect_server")
def test_a_run_whose_parameters_cannot_be_read_is_told_in_words() -> None:
    with open_store(settings().database_url) as store:
        store.create_run(RunRecord("r1", "patch", "i", "all", {}, Status.IN_PROGRESS, now(), None))
    told = "r1: the parameters of run r1 cannot be read: inventory: Field required"
    with recording_server(), pytest.raises(Refused, match=told):
        resume()
