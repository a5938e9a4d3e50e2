"""The patch flow in a maintenance window: claimed once, admitted, approved, evidence kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.patch import patch
from patchyard.domain.admission import EXCEEDED
from patchyard.domain.outcome import InstallationState, RebootStatus, Status
from patchyard.domain.report import RunReport
from patchyard.runs import begin
from patchyard.settings import settings
from patchyard.store import open_store
from patchyard.testing.simulated import SimulatedYard, machines
from tests.flows.conftest import Api
from tests.flows.windows import (
    GROUPS,
    answer,
    inventory_of,
    minute,
    now,
    somebody,
    wait_for_question,
    window_now,
    write_maintenance,
)

LONG, SHORT = timedelta(hours=6), timedelta(minutes=30)


@pytest.fixture
def yard(tmp_path: Path, prefect_server: str) -> Iterator[SimulatedYard]:
    """Two simulated machines, and the server that records what is done to them."""
    assert prefect_server
    with SimulatedYard(tmp_path / "yard", machines(2), groups=GROUPS) as yard:
        yield yard


def patched(yard: SimulatedYard, window: dict[str, Any], **more: Any) -> RunReport:
    given = {"waves": ["rest"], "resume": "never", "max_failure_percent": 100, **more}
    report: RunReport = patch(
        inventory=str(inventory_of(yard)), dry_run=False, window=window, **given
    )
    return report


def test_a_window_is_patched_once_and_a_second_run_of_it_does_nothing(
    yard: SimulatedYard, api: Api
) -> None:
    write_maintenance(inventory_of(yard), minute(now()), "6h")
    window = window_now(LONG)
    first = patched(yard, window)
    assert first.status == Status.SUCCEEDED, first.halted_because
    assert api.get(f"flow_runs/{first.flow_run_id}")["name"] == window["key"]
    before = {m.name: yard.packages(m.name) for m in yard.machines}

    second = patched(yard, window)

    assert second.status == Status.REFUSED
    assert (
        second.halted_because
        == f"window_taken: window {window['key']} belongs to run {first.run_id}"
    )
    assert second.machines == ()
    state = api.state(second.flow_run_id)
    assert (state["type"], state["name"]) == ("COMPLETED", "window_taken")
    assert {m.name: yard.packages(m.name) for m in yard.machines} == before


def test_a_run_that_comes_after_its_window_does_nothing_and_is_seen(
    yard: SimulatedYard, api: Api
) -> None:
    start = minute(now()) - timedelta(hours=2)
    write_maintenance(inventory_of(yard), start, "1h")
    late = patched(
        yard,
        {
            "key": f"web@{start:%Y-%m-%d}",
            "start": start.isoformat(),
            "end": (start + timedelta(hours=1)).isoformat(),
        },
    )
    assert late.status == Status.REFUSED
    assert late.maintenance_window_exceeded
    state = api.state(late.flow_run_id)
    assert (state["type"], state["name"]) == ("FAILED", EXCEEDED)


def test_a_window_that_was_frozen_after_it_was_booked_does_not_open(yard: SimulatedYard) -> None:
    start = minute(now())
    freeze = {"start": f"{start:%Y-%m-%d}", "end": f"{start:%Y-%m-%d}", "reason": "audit"}
    write_maintenance(inventory_of(yard), start, "6h", freezes={"audit": freeze})

    report = patched(yard, window_now(LONG))

    assert report.halted_because.startswith("window_closed: ")
    assert "frozen: audit" in report.halted_because


def test_a_window_too_short_leaves_all_pending_and_nothing_half_done(yard: SimulatedYard) -> None:
    write_maintenance(inventory_of(yard), minute(now()), "30m")
    before = {m.name: yard.packages(m.name) for m in yard.machines}

    report = patched(yard, window_now(SHORT))

    names = [machine.name for machine in yard.machines]
    assert [machine.name for machine in report.pending] == names
    assert list(report.not_reached) == names
    assert report.maintenance_window_exceeded
    assert report.status == Status.FAILED
    for machine in report.machines:
        assert machine.status == Status.NOT_STARTED
        assert machine.reason.startswith(f"{EXCEEDED}: ")
        assert machine.steps == ()
        assert {update.state for update in machine.updates} == {InstallationState.PENDING}
    assert {m.name: yard.packages(m.name) for m in yard.machines} == before
    with open_store(settings().database_url) as store:
        run = store.run(report.run_id)
        assert run is not None
        assert run.finished_at is not None


def test_an_approval_is_asked_kept_as_evidence_and_narrows(yard: SimulatedYard, api: Api) -> None:
    write_maintenance(inventory_of(yard), minute(now()), "6h")
    first, second = (machine.name for machine in yard.machines)
    told: list[str] = []

    def act() -> None:
        flow_run, shown = wait_for_question(api)
        told.append(shown)
        plan = shown.partition("plan: `")[2][:12]
        # A name that may not answer, then a plan that is not this one: both are asked again.
        answer(api, flow_run, decision="approve", approver="Eve", plan=plan)
        api.until(lambda: "Eve may not answer" in wait_for_question(api)[1], 60)
        answer(api, flow_run, decision="approve", approver="Ada", plan="0" * 12)
        api.until(lambda: "and this is" in wait_for_question(api)[1], 60)
        answer(
            api,
            flow_run,
            decision="approve",
            approver="Ada",
            plan=plan,
            machines=[second],
            note="ok",
        )

    with somebody(act):
        report = patched(yard, window_now(LONG), approval="run", approvers=["Ada"])
    assert told
    assert report.plan_hash in told[0]
    assert "undo: a way back is prepared on 2 of 2 machines" in told[0]
    (evidence,) = report.approvals
    assert (evidence.approver, evidence.decision, evidence.note) == ("Ada", "approved", "ok")
    assert evidence.plan_hash == report.plan_hash
    status = {machine.name: machine.status for machine in report.machines}
    assert status == {first: Status.NOT_STARTED, second: Status.SUCCEEDED}
    (left,) = [machine for machine in report.machines if machine.name == first]
    assert left.reason == "not among what Ada approved"
    with open_store(settings().database_url) as store:
        (kept,) = store.approvals(report.run_id)
    assert (kept.approver, kept.plan_hash, kept.machines) == ("Ada", report.plan_hash, [second])
    assert "Approved by Ada" in Path(report.files["markdown"]).read_text()


def test_a_rejected_plan_changes_nothing_and_the_window_is_used_up(
    yard: SimulatedYard, api: Api
) -> None:
    write_maintenance(inventory_of(yard), minute(now()), "6h")
    before = {m.name: yard.packages(m.name) for m in yard.machines}

    def act() -> None:
        flow_run, shown = wait_for_question(api)
        plan = shown.partition("plan: `")[2][:12]
        answer(api, flow_run, decision="reject", approver="Ada", plan=plan, note="not today")

    with somebody(act):
        report = patched(yard, window_now(LONG), approval="run")
    assert report.halted_because == "rejected by Ada: not today"
    assert [answer.decision for answer in report.approvals] == ["rejected"]
    assert {m.name: yard.packages(m.name) for m in yard.machines} == before
    assert all(m.reboot != RebootStatus.COMPLETED for m in report.machines)


def test_a_cancel_is_seen_while_a_person_is_waited_for(yard: SimulatedYard, api: Api) -> None:
    write_maintenance(inventory_of(yard), minute(now()), "6h")
    before = {m.name: yard.packages(m.name) for m in yard.machines}

    def act() -> None:
        wait_for_question(api)
        with open_store(settings().database_url) as store:
            (run,) = store.find_unfinished("patch", inventory_of(yard).name)
            store.request_cancel(run.id)

    with somebody(act):
        report = patched(yard, window_now(LONG), approval="run")

    assert report.halted_because == "cancelled"
    assert report.approvals == ()
    assert {m.status for m in report.machines} == {Status.NOT_STARTED}
    assert {m.name: yard.packages(m.name) for m in yard.machines} == before


def test_a_run_that_died_before_it_had_its_window_is_not_let_into_a_frozen_one(
    yard: SimulatedYard,
) -> None:
    start, window = minute(now()), window_now(LONG)
    folder = inventory_of(yard)
    given = {"dry_run": False, "window": window, "waves": ["rest"], "slots": 10}
    with begin(
        "patch", inventory=str(folder), scope="all", parameters=given, flow_run_id=""
    ) as died:
        pass
    freeze = {"start": f"{start:%Y-%m-%d}", "end": f"{start:%Y-%m-%d}", "reason": "audit"}
    write_maintenance(folder, start, "6h", freezes={"audit": freeze})

    report = patched(yard, window, resume=died.id)

    assert report.run_id == died.id
    assert report.halted_because.startswith("window_closed: ")
    with open_store(settings().database_url) as store:
        assert store.window_claims(folder.name, [window["key"]]) == ()
