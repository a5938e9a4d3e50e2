"""From a configuration to evidence: a real server, a real worker, a real machine.

A window that is due in a minute is dispatched, waits for a person, is approved through the API of
the UI, is prepared by a download, patches in its time, and leaves to the next window the reboot
that no longer fits.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from patchyard.domain.actions import Install, Reboot, Undo
from patchyard.domain.admission import EXCEEDED
from patchyard.domain.outcome import RebootStatus, Status
from patchyard.domain.plan import MachinePlan, Plan, PlannedUpdate
from patchyard.domain.record import RebootOutcome, Result
from patchyard.domain.report import MachineReport, RunReport
from patchyard.domain.restore import PackageVersion
from patchyard.domain.updates import Classification
from patchyard.settings import settings
from patchyard.store import RunRecord, Store, open_store
from patchyard.testing.simulated import SimulatedMachine, SimulatedYard
from tests.flows.conftest import Api, Worker
from tests.flows.windows import (
    GROUPS,
    answer,
    inventory_of,
    minute,
    now,
    paused,
    under_its_own_name,
    wait_for_question,
    write_maintenance,
)
from tests.real.driving import MakeYard, make_yard
from tests.yard import faults
from tests.yard.spec import MachineSpec

__all__ = ["make_yard"]

pytestmark = pytest.mark.slow

MACHINE = "kernel-1"
MINUTE = timedelta(minutes=1)
QUICK, REBOOT, OVERRUN = timedelta(seconds=5), timedelta(seconds=40), 95
"""What the machine took before, and how many seconds longer than ever it takes this time."""

UPDATE = "yard-slow:all"


def measured(store: Store, inventory: str) -> None:
    """Record five earlier runs of the machine, so that its own times are trusted."""
    update = PlannedUpdate(
        name="yard-slow",
        architecture="all",
        from_version="1.0",
        to_version="2.0",
        classification=Classification.OTHER,
    )
    package = PackageVersion.of(update.key, "2.0")
    acts = (
        (Install(key="install-0-0", packages=(package,) * 50), QUICK, Result()),
        (Reboot(key="reboot", boot_id="b", reason=""), REBOOT, REBOOTED),
        (Undo(key="undo-0", folder="", packages=(package,) * 50), QUICK, Result()),
    )
    part = MachinePlan(machine=MACHINE, updates=(update,))
    for number in range(5):
        at, run_id = now() - timedelta(days=number + 1), f"patch-before-{inventory}-{number}"
        store.create_run(RunRecord(run_id, "patch", inventory, "all", {}, Status.SUCCEEDED, at, at))
        plan = Plan(inventory=inventory, scope="all", machines=(part,), waves=((MACHINE,),))
        store.set_plan(run_id, plan)
        for act, took, result in acts:
            step = store.begin_step(run_id, MACHINE, act.key, act.model_dump(mode="json"), at)
            told = result.model_dump(mode="json")
            store.finish_step(run_id, MACHINE, step.seq, told, at + took)


REBOOTED = Result(reboot=RebootOutcome.REBOOTED)


def window_runs(api: Api, inventory: str) -> list[dict[str, Any]]:
    query = {
        "flow_runs": {"tags": {"all_": [f"windows:{inventory}"]}},
        "sort": "EXPECTED_START_TIME_ASC",
    }
    found: list[dict[str, Any]] = api.post("flow_runs/filter", query)
    return found


def report_of(store: Store, flow_run: str) -> tuple[RunReport, MachineReport]:
    (run,) = [run for run in store.runs(kind="patch") if run.flow_run_id == flow_run]
    report = RunReport.model_validate(store.report(run.id))
    return report, report.machines[0]


def approve(api: Api, who: str, flow_run: str) -> str:
    """Say yes as the UI does. Answers what was shown."""
    asked, shown = wait_for_question(api, 300)
    assert asked == flow_run
    plan = shown.partition("plan: `")[2][:12]
    answer(api, flow_run, decision="approve", approver=who, plan=plan)
    return shown


def test_a_window_is_dispatched_approved_and_patched_and_its_reboot_goes_to_the_next(
    make_yard: MakeYard, worker: Worker, api: Api
) -> None:
    yard = make_yard(MachineSpec(MACHINE, groups=("yard",)))
    box = yard[MACHINE]
    with open_store(settings().database_url) as store:
        folder = under_its_own_name(yard.folder)
        measured(store, folder.name)
        faults.slow_package(box, OVERRUN, wants_reboot=True)
        first = minute(now() + timedelta(seconds=100))
        second = first + 4 * MINUTE
        write_maintenance(
            folder,
            minute(now() - timedelta(days=1)),
            "2m",
            recurrence=f"{first.minute},{second.minute} * * * *",
            approval={"of": "run", "by": ["Ada", "Ben"]},
            linux={"classifications": [], "include": ["yard-slow"]},
            prepare="1m",
        )
        before, boot = box.packages(), box.boot_id()
        assert before[UPDATE] == "1.0"

        given = {"inventory": str(folder), "dry_run": False, "ahead_hours": 0.15}
        for _ in range(2):
            done = api.wait_final(api.run("dispatch/fleet", given))
            assert done["name"] == "Completed", worker.log()
        one, two = window_runs(api, folder.name)
        begins = [datetime.fromisoformat(run["expected_start_time"]) for run in (one, two)]
        assert begins == [first - MINUTE, second - MINUTE]
        assert box.packages() == before

        shown = approve(api, "Ada", one["id"])
        assert box.packages() == before
        assert "a way back is prepared on 1 of 1 machines" in shown
        assert api.wait_final(one["id"])["name"] == "CompletedWithWarnings", worker.log()
        report, told = report_of(store, one["id"])
        assert told.status == Status.COMPLETED_WITH_WARNINGS
        assert f"{EXCEEDED}: reboot_owed" in told.reason
        assert told.reboot == RebootStatus.REQUIRED
        assert told.installed == told.planned == 1
        assert report.maintenance_window_exceeded
        assert box.packages() == {**before, UPDATE: "2.0"}
        assert box.boot_id() == boot
        (evidence,) = report.approvals
        assert (evidence.approver, evidence.plan_hash) == ("Ada", report.plan_hash)
        assert first - MINUTE <= evidence.answered_at < first + 2 * MINUTE
        began = {step.key: step.started_at for step in told.steps}
        assert began["download"] < first <= began["preflight-0"]

        after = box.packages()
        approve(api, "Ben", two["id"])
        assert api.wait_final(two["id"])["name"] == "Completed", worker.log()
        report, told = report_of(store, two["id"])
        assert (told.status, told.reboot) == (Status.SUCCEEDED, RebootStatus.COMPLETED)
        assert told.planned == 0
        assert box.boot_id() != boot
        assert box.packages() == after
        assert [each.approver for each in report.approvals] == ["Ben"]
        times = [step.started_at for step in told.steps]
        assert second <= min(times)
        assert max(times) < second + 2 * MINUTE


def test_a_run_that_waits_for_a_person_outlives_its_worker(
    tmp_path: Path, worker: Worker, api: Api
) -> None:
    machine = SimulatedMachine("box-1", "127.67.0.2", ("simulated",))
    with (
        SimulatedYard(tmp_path / "yard", [machine], groups=GROUPS) as yard,
        open_store(settings().database_url) as store,
    ):
        start = minute(now())
        folder = inventory_of(yard)
        write_maintenance(folder, start, "5h")
        key = f"web@{start:%Y-%m-%d}"
        window = {"key": key, "start": f"{start}", "end": f"{start + timedelta(hours=5)}"}
        given = {"inventory": str(folder), "dry_run": False, "approval": "run", "window": window}
        first = api.run("patch/window", given)
        assert wait_for_question(api, 150)[0] == first
        before = yard.packages("box-1")

        worker.stop()
        # The dead run is Paused for ever; whoever answers it reaches nobody.
        api.cancel(first)
        worker.start()
        resume = api.run("resume/fleet", {})
        api.until(lambda: any(r["id"] != first for r in paused(api)), 150)
        asked = [r["id"] for r in paused(api) if r["id"] != first]
        assert yard.packages("box-1") == before
        _, shown = wait_for_question(api)
        plan = shown.partition("plan: `")[2][:12]
        answer(api, asked[0], decision="approve", approver="Ada", plan=plan)
        assert api.wait_final(resume)["name"] == "Completed", worker.log()
        (claim,) = store.window_claims(folder.name, [key])
        report = RunReport.model_validate(store.report(claim.run_id))
        assert report.status == Status.SUCCEEDED
        assert report.resumed
        assert [each.approver for each in report.approvals] == ["Ada"]
        assert yard.packages("box-1") != before
