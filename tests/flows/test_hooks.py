"""Hooks of runs, waves and machines, called for real while a simulated yard is patched."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flows.patch import patch
from flows.resume import asked_again, resume
from flows.server import recording_server
from patchyard import operations, runs
from patchyard.domain.outcome import Status
from patchyard.domain.report import MachineReport, RunReport
from patchyard.errors import Refused
from patchyard.parameters import PatchParameters, ResumeParameters
from patchyard.settings import settings
from patchyard.store import open_store
from patchyard.testing.simulated import SimulatedYard, machines
from tests.flows.windows import GROUPS, inventory_of, somebody

NOTES = """\
#!/usr/bin/env python3
import json, os, pathlib, sys, time
told = json.load(sys.stdin)
folder = pathlib.Path(sys.argv[1])
with (folder / "calls.jsonl").open("a") as calls:
    also = {"arguments": sys.argv[2:], "variable": os.environ["PATCHYARD_HOOK_KEY"]}
    calls.write(json.dumps({**told, **also}) + "\\n")
while (folder / ("hold-" + told["hook"])).exists():
    time.sleep(0.1)
print("said by", told["hook"], "\\x1b]0;owned\\x07")
sys.exit(int((folder / told["hook"]).read_text()) if (folder / told["hook"]).exists() else 0)
"""


@pytest.fixture
def yard(tmp_path: Path, prefect_server: str) -> Iterator[SimulatedYard]:
    """Two simulated machines, and the server that records what is done to them."""
    assert prefect_server
    with SimulatedYard(tmp_path / "yard", machines(2), groups=GROUPS) as yard:
        yield yard


class Notes:
    """Hooks that note what they are told, and fail where they are to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.program = folder / "note"
        self.program.write_text(NOTES)
        self.program.chmod(0o755)

    def hook(self, name: str, when: str, of: str, **more: Any) -> dict[str, Any]:
        own = ["{name}"] if of == "machine" else []
        command = [str(self.program), str(self.folder), *own]
        return {"name": name, "when": when, "of": of, "command": command, **more}

    def fails(self, name: str, status: int = 3) -> None:
        (self.folder / name).write_text(str(status))

    @property
    def calls(self) -> list[dict[str, Any]]:
        file = self.folder / "calls.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def order(self) -> list[str]:
        """Who was called for what, in order."""
        return [f"{c['hook']} {c['machine'] or c['wave'] or 'run'}" for c in self.calls]


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes")


def patched(yard: SimulatedYard, hooks: list[dict[str, Any]], **more: Any) -> RunReport:
    given = {"waves": ["1", "rest"], "resume": "never", "max_failure_percent": 100, "slots": 1}
    report: RunReport = patch(
        inventory=str(inventory_of(yard)), dry_run=False, hooks=hooks, **{**given, **more}
    )
    return report


def machine(report: RunReport, name: str) -> MachineReport:
    return next(each for each in report.machines if each.name == name)


def everywhere(notes: Notes, **more: Any) -> list[dict[str, Any]]:
    return [
        notes.hook(f"{when}-{of}", when, of, **more)
        for of in ("run", "wave", "machine")
        for when in ("before", "after")
    ]


def test_hooks_are_called_in_their_order_and_told_all_machines_and_how_they_stand(
    yard: SimulatedYard, notes: Notes
) -> None:
    report = patched(yard, everywhere(notes))

    assert report.status == Status.SUCCEEDED, report.halted_because
    (one,), (two,) = report.waves
    assert notes.order == [
        *("before-run run", "before-wave 1"),
        *(f"before-machine {one}", f"after-machine {one}", "after-wave 1"),
        *("before-wave 2", f"before-machine {two}", f"after-machine {two}", "after-wave 2"),
        "after-run run",
    ]
    first, last = notes.calls[0], notes.calls[-1]
    assert first["test"] is False
    assert first["run"]["id"] == report.run_id
    assert all(each["variable"] == each["key"] for each in notes.calls)
    assert first["key"] == f"{report.run_id}/before/run/before-run"
    assert {each["name"] for each in first["machines"]} == {one, two}
    assert {each["status"] for each in first["machines"]} == {"NotStarted"}
    assert first["outcome"] is None
    assert {each["status"] for each in last["machines"]} == {"Succeeded"}
    assert last["outcome"]["status"] == "Succeeded"
    of_machine = next(c for c in notes.calls if c["hook"] == "after-machine")
    assert of_machine["arguments"] == [one]
    assert of_machine["outcome"]["status"] == "Succeeded"
    assert of_machine["wave"] == 1
    assert len({c["key"] for c in notes.calls}) == len(notes.calls)
    assert {h.name for h in report.hooks} == {
        "before-run",
        "after-run",
        "before-wave",
        "after-wave",
    }
    titles = [step.title for step in machine(report, one).steps]
    assert titles.index("Hook before: before-machine") < titles.index("Ask the checks")
    assert titles[-1] == "Hook after: after-machine"
    assert "said by before-run" in Path(report.files["markdown"]).read_text()
    log = (Path(report.files["markdown"]).parent / "run.log").read_text()
    assert "said by before-run <U+001B>]0;owned" in log
    assert "\x1b" not in log


def test_a_machine_whose_hook_fails_is_left_alone_and_its_hooks_after_it_are_called(
    yard: SimulatedYard, notes: Notes
) -> None:
    notes.fails("drain")
    hooks = [
        notes.hook("drain", "before", "machine", on_failure="skip_machine"),
        notes.hook("undrain", "after", "machine"),
    ]
    before = {m.name: yard.packages(m.name) for m in yard.machines}

    report = patched(yard, hooks, waves=["rest"])

    assert {m.status for m in report.machines} == {Status.REFUSED}
    assert report.halted_because == ""
    assert {m.name: yard.packages(m.name) for m in yard.machines} == before
    for each in report.machines:
        assert each.reason.startswith("hook drain: ended with status 3: said by drain")
    told = [c["outcome"]["status"] for c in notes.calls if c["hook"] == "undrain"]
    assert told == ["refused"] * 2


def test_a_hook_that_stops_the_run_lets_nothing_more_begin_and_the_hooks_after_are_called(
    yard: SimulatedYard, notes: Notes
) -> None:
    notes.fails("before-machine")

    report = patched(yard, everywhere(notes))

    (one,), _ = report.waves
    assert report.status == Status.FAILED
    assert report.halted_because.startswith(f"{one}: hook before-machine: ended with status 3")
    assert len(report.not_reached) == 1
    assert notes.order == [
        *("before-run run", "before-wave 1", f"before-machine {one}", f"after-machine {one}"),
        *("after-wave 1", "after-run run"),
    ]
    assert notes.calls[-1]["outcome"]["status"] == "Failed"


def test_a_hook_before_the_run_that_fails_lets_nothing_begin_at_all(
    yard: SimulatedYard, notes: Notes
) -> None:
    notes.fails("before-run")
    report = patched(yard, everywhere(notes))
    assert notes.order == ["before-run run", "after-run run"]
    assert report.halted_because.startswith("hook before-run: ended with status 3")
    assert len(report.not_reached) == 2
    assert "hook before-run failed" in Path(report.files["markdown"]).read_text()


def test_a_hook_that_only_warns_is_seen_and_all_goes_on(yard: SimulatedYard, notes: Notes) -> None:
    notes.fails("before-run")
    notes.fails("after-machine")
    report = patched(yard, everywhere(notes, on_failure="warn"), waves=["rest"])
    assert report.halted_because == ""
    assert report.status == Status.COMPLETED_WITH_WARNINGS
    for each in report.machines:
        assert each.status == Status.COMPLETED_WITH_WARNINGS
        assert "hook after-machine: ended with status 3" in each.reason


def test_a_script_runs_on_the_machine_as_a_job_and_is_told_of_that_machine_only(
    yard: SimulatedYard,
) -> None:
    script = 'cat >"$PATCHYARD_ROOT/tmp/told"; echo "on $PATCHYARD_MACHINE"; exit "${STATUS:-0}"'
    late = {"name": "late", "when": "after", "of": "machine", "script": "sleep 30"}
    hooks = [
        {"name": "own", "when": "before", "of": "machine", "script": script},
        {**late, "timeout": "1s", "on_failure": "warn"},
    ]
    report = patched(yard, hooks, waves=["rest"], slots=3)
    for each in report.machines:
        told = json.loads((yard.root(each.name) / "tmp/told").read_text())
        assert [row["name"] for row in told["machines"]] == [each.name]
        assert told["key"] == f"{report.run_id}/before/machine/{each.name}/own"
        (own,) = [step for step in each.steps if step.title == "Hook before: own"]
        assert own.result == f"on {each.name}"
        assert "hook late: not ended after 1 s, so it was ended" in each.reason
        assert each.status == Status.COMPLETED_WITH_WARNINGS


PATCH = "import json, sys; from flows.patch import patch; patch(**json.loads(sys.argv[1]))"


def killed_in(held: str, hooks: list[dict[str, Any]], yard: SimulatedYard, notes: Notes) -> str:
    """Patch in a process of its own, and kill that in the middle of a hook. Answers the run."""
    given = {
        "inventory": str(inventory_of(yard)),
        "dry_run": False,
        "hooks": hooks,
        "waves": ["rest"],
        "slots": 3,
        "resume": "never",
    }
    return killed(held, PATCH, given, notes)


def killed(held: str, program: str, given: dict[str, Any], notes: Notes) -> str:
    """Run a flow in a process of its own, and kill that in a hook. Answers the run."""
    (notes.folder / f"hold-{held}").touch()
    with (notes.folder / "log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-c", program, json.dumps(given)], stdout=log, stderr=log
        )
        deadline = time.monotonic() + 60
        while not any(c["hook"] == held for c in notes.calls):
            assert time.monotonic() < deadline, (notes.folder / "log").read_text()
            time.sleep(0.1)
        child.kill()
        child.wait(10)
    (notes.folder / f"hold-{held}").unlink()
    return str(notes.calls[0]["run"]["id"])


def resumed(run_id: str) -> RunReport:
    with recording_server():
        (report,) = resume(ResumeParameters(run_id=run_id))
    return report


@pytest.mark.parametrize("held", ["before-run", "after-machine"])
def test_after_the_controller_was_killed_in_a_hook_resume_calls_it_again_with_the_same_key(
    yard: SimulatedYard, notes: Notes, held: str
) -> None:
    report = resumed(killed_in(held, everywhere(notes), yard, notes))

    assert report.status == Status.SUCCEEDED, report.halted_because
    attempts: dict[str, list[int]] = {}
    for each in notes.calls:
        attempts.setdefault(each["key"], []).append(each["attempt"])
    again = {key for key, numbers in attempts.items() if numbers != [1]}
    assert again
    assert all(f"/{held}" in key and attempts[key] == [1, 2] for key in again)
    assert len(attempts) == 4 + 2 * 2
    if held == "before-run":
        (told,) = [hook for hook in report.hooks if hook.name == held]
        assert told.attempts == 2
        assert told.detail.endswith("nobody saw how it ended")


def test_a_hook_that_may_not_be_repeated_is_told_as_unknown_and_not_called_again(
    yard: SimulatedYard, notes: Notes
) -> None:
    hooks = [
        notes.hook("once", "before", "run", idempotent=False),
        notes.hook("after", "after", "run"),
    ]
    report = resumed(killed_in("once", hooks, yard, notes))

    assert notes.order == ["once run", "after run"]
    unseen = "it was begun before, and nobody saw how it ended"
    assert report.halted_because == f"hook once: {unseen}"
    first = report.hooks[0]
    assert (first.code, first.detail) == ("hook_unknown", unseen)
    assert len(report.not_reached) == 2


def test_a_halted_run_that_goes_on_calls_its_hooks_anew(yard: SimulatedYard, notes: Notes) -> None:
    notes.fails("before-machine")
    halted = patched(yard, everywhere(notes))
    (one,), (two,) = halted.waves
    assert list(halted.not_reached) == [two]
    (notes.folder / "before-machine").unlink()
    (notes.folder / "calls.jsonl").unlink()

    report = patched(yard, [], resume=halted.run_id, forgive=[one])

    assert report.run_id == halted.run_id
    assert machine(report, two).status == Status.SUCCEEDED
    assert notes.order == [
        *("before-run run", "before-wave 2", f"before-machine {two}", f"after-machine {two}"),
        *("after-wave 2", "after-run run"),
    ]
    assert notes.calls[0]["key"] == f"{report.run_id}#1/before/run/before-run"
    assert len(report.hooks) == 4 + 4
    # Whoever takes it up after a crash knows who was forgiven.
    with open_store(settings().database_url) as store:
        record = store.run(report.run_id)
    assert record is not None
    assert asked_again(record, PatchParameters).forgive == [one]


def test_two_hooks_of_one_name_are_refused_for_only_one_of_them_would_be_called() -> None:
    twice = [{"name": "a", "when": when, "of": "run", "command": ["x"]} for when in ("before",) * 2]
    with pytest.raises(ValidationError, match="has several hooks named a"):
        PatchParameters.model_validate({"inventory": "x", "hooks": twice})


def test_a_cancel_calls_the_hooks_after_what_was_begun(
    yard: SimulatedYard, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "HEARTBEAT_SECONDS", 0.3)
    (notes.folder / "hold-before-machine").touch()

    def act() -> None:
        deadline = time.monotonic() + 60
        while not any(c["hook"] == "before-machine" for c in notes.calls):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        with open_store(settings().database_url) as store:
            store.request_cancel(notes.calls[0]["run"]["id"])
        time.sleep(1)
        (notes.folder / "hold-before-machine").unlink()

    before = {m.name: yard.packages(m.name) for m in yard.machines}
    with somebody(act):
        report = patched(yard, everywhere(notes))
    (one,), _ = report.waves
    assert report.halted_because == "cancelled"
    assert machine(report, one).status == Status.CANCELLED
    assert {m.name: yard.packages(m.name) for m in yard.machines} == before
    assert notes.order == [
        *("before-run run", "before-wave 1", f"before-machine {one}", f"after-machine {one}"),
        *("after-wave 1", "after-run run"),
    ]
    assert notes.calls[3]["outcome"]["status"] == "cancelled"


def test_where_patchyard_itself_fails_on_a_machine_its_hooks_after_it_are_called(
    yard: SimulatedYard, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(operations, "install", broken)
    hooks = [notes.hook("before", "before", "machine"), notes.hook("after", "after", "machine")]
    report = patched(yard, hooks, waves=["rest"])
    assert {each.status for each in report.machines} == {Status.FAILED}
    told = {c["machine"]: c["outcome"]["status"] for c in notes.calls if c["hook"] == "after"}
    assert told == {each.name: "Failed" for each in yard.machines}
    for each in report.machines:
        assert "Patchyard itself failed here: RuntimeError('a bug')" in each.reason
        assert each.steps[-1].title == "Hook after: after"


def test_a_controller_that_was_taken_for_dead_leaves_the_run_and_its_hooks_to_the_other(
    yard: SimulatedYard, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "HEARTBEAT_SECONDS", 0.3)
    (notes.folder / "hold-before-machine").touch()
    other = "elsewhere/1/1"

    def act() -> None:
        deadline = time.monotonic() + 60
        while not any(c["hook"] == "before-machine" for c in notes.calls):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        run_id = notes.calls[0]["run"]["id"]
        with open_store(settings().database_url) as store:
            record = store.run(run_id)
            assert record is not None
            store.release_run(run_id, record.owner)
            assert store.claim_run(run_id, other, runs.now(), runs.OWNER_TTL)
        time.sleep(1)
        (notes.folder / "hold-before-machine").unlink()

    before = {m.name: yard.packages(m.name) for m in yard.machines}
    with somebody(act), pytest.raises(Refused, match="taken up by another controller"):
        patched(yard, everywhere(notes))

    assert {c["when"] for c in notes.calls} == {"before"}
    run_id = str(notes.calls[0]["run"]["id"])
    with open_store(settings().database_url) as store:
        record = store.run(run_id)
        assert record is not None
        assert (record.finished_at, record.owner) == (None, other)
        states = {machine.status for machine in store.machines(run_id)}
        assert states == {Status.IN_PROGRESS, Status.NOT_STARTED}
        assert len(store.leases()) > 0
        store.release_run(run_id, other)
    assert {m.name: yard.packages(m.name) for m in yard.machines} == before
    report = resumed(run_id)
    assert report.status == Status.SUCCEEDED, report.halted_because
    assert notes.order[-1] == "after-run run"
    assert len([each for each in notes.order if each.startswith("after-")]) == 2 + 2 + 1
