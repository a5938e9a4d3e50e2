"""Deployments on a real server with a real worker: triggered, cancelled, restarted in mid-run."""

from __future__ import annotations

from patchyard.domain.outcome import Status
from patchyard.store import Store
from tests.flows.conftest import Api, Worker
from tests.real.driving import (
    MakeYard,
    make_yard,
    slow_install_runs,
    store,
    times_configured,
    wait_until,
)
from tests.yard import faults
from tests.yard.spec import MachineSpec

__all__ = ["make_yard", "store"]

SLOW = {"dry_run": False, "classifications": [], "include": ["yard-slow"]}


def test_a_run_triggered_as_the_ui_does_is_finished_by_a_worker(
    make_yard: MakeYard, worker: Worker, api: Api, store: Store
) -> None:
    yard = make_yard(MachineSpec("box-1", groups=("yard",)))
    assess = api.run("assess/fleet", {"inventory": str(yard.folder)})
    assert api.wait_final(assess)["name"] == "Completed", worker.log()
    faults.slow_package(yard["box-1"], 0)
    patch = api.run("patch/fleet", {"inventory": str(yard.folder), **SLOW})
    assert api.wait_final(patch)["name"] == "Completed", worker.log()
    assert yard["box-1"].packages()["yard-slow:all"] == "2.0"
    (run,) = [run for run in store.runs(kind="patch") if run.flow_run_id == patch]
    assert run.status == Status.SUCCEEDED
    of_the_run = {"flow_run_id": {"any_": [patch]}}
    keys = {row["key"] for row in api.post("artifacts/filter", {"artifacts": of_the_run})}
    inventory = run.inventory.lower()
    assert {f"{inventory}-patch-{n}" for n in ("assessment", "wave-1", "report")} <= keys
    of_the_run = {"id": {"any_": [patch]}}
    names = {row["name"] for row in api.post("task_runs/filter", {"flow_runs": of_the_run})}
    assert {"assess box-1", "patch box-1"} <= names


def test_cancel_starts_no_new_machine_and_leaves_the_started_one_whole(
    make_yard: MakeYard, worker: Worker, api: Api, store: Store
) -> None:
    names = ("box-1", "box-2", "box-3")
    yard = make_yard(*(MachineSpec(name, groups=("yard",)) for name in names))
    for name in names:
        faults.slow_package(yard[name], 20)
    parameters = {"inventory": str(yard.folder), **SLOW, "slots": 1, "waves": ["rest"]}
    flow_run = api.run("patch/fleet", parameters)
    wait_until("the install", lambda: slow_install_runs(yard["box-1"]), 180)
    api.cancel(flow_run)
    assert api.wait_final(flow_run)["type"] == "CANCELLED", worker.log()
    wait_until("a whole box-1", lambda: yard["box-1"].packages()["yard-slow:all"] == "2.0")
    assert yard["box-1"].exec(["dpkg", "--audit"]).strip() == ""
    resume = api.run("resume/fleet", {})
    assert api.wait_final(resume)["name"] == "Completed", worker.log()
    for name in ("box-2", "box-3"):
        assert yard[name].packages()["yard-slow:all"] == "1.0"
        assert not slow_install_runs(yard[name])
    (run,) = [run for run in store.runs(kind="patch") if run.flow_run_id == flow_run]
    assert (run.status, run.halted_because) == (Status.FAILED, "cancelled")
    ends = {record.machine: record.status for record in store.machines(run.id)}
    assert ends["box-1"] == Status.SUCCEEDED
    assert {ends["box-2"], ends["box-3"]} == {Status.NOT_STARTED}


def test_a_worker_restarted_in_mid_run_costs_nothing_but_time(
    make_yard: MakeYard, worker: Worker, api: Api, store: Store
) -> None:
    yard = make_yard(MachineSpec("box-1", groups=("yard",)))
    box = yard["box-1"]
    faults.slow_package(box, 20)
    flow_run = api.run("patch/fleet", {"inventory": str(yard.folder), **SLOW})
    wait_until("the install", lambda: slow_install_runs(box), 180)
    worker.stop()
    worker.start()
    resume = api.run("resume/fleet", {})
    assert api.wait_final(resume)["name"] == "Completed", worker.log()
    (run,) = [run for run in store.runs(kind="patch") if run.flow_run_id == flow_run]
    assert run.status == Status.SUCCEEDED, run.summary
    assert times_configured(box, "yard-slow") == 1
    assert len(box.read_file("/var/log/yard-slow").splitlines()) == 1
