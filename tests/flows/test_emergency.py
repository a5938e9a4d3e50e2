"""Emergency over a simulated yard: evidence of what it bypassed, and what it does not bypass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.emergency import emergency
from flows.resume import resume
from patchyard.domain.outcome import Status
from patchyard.domain.plan import WhyNot
from patchyard.domain.report import RunReport
from patchyard.domain.verdict import verdict
from patchyard.errors import ConfigurationError
from patchyard.leasing import lease_key
from patchyard.parameters import ResumeParameters
from patchyard.runs import OWNER_TTL, begin
from patchyard.settings import settings
from patchyard.store import RunRecord, open_store
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
    write_maintenance,
)

TRACKER = {
    "openssl": {
        "CVE-2026-7": {
            "releases": {
                "bookworm": {"status": "resolved", "fixed_version": "3.0.22-1~deb12u1"},
                "bullseye": {"status": "open", "repositories": {"bullseye": "1.1.1w-0+deb11u1"}},
            }
        }
    },
    "nginx": {
        "CVE-2026-8": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "0"}}}
    },
}
"""In the form in which Debian's security tracker publishes its own. Of curl it knows nothing."""

EVERYTHING = ["windows", "freezes", "soak"]
REASON = "CVE-2026-7 is used against us"


@pytest.fixture
def yard(tmp_path: Path, prefect_server: str) -> Iterator[SimulatedYard]:
    """Two simulated machines, and the server that records what is done to them."""
    assert prefect_server
    with SimulatedYard(tmp_path / "yard", machines(2), groups=GROUPS) as yard:
        yield yard


def frozen(yard: SimulatedYard) -> str:
    """Let today be frozen, and the next window be tomorrow. Answers the window's key."""
    today, tomorrow = now(), minute(now()) + timedelta(days=1)
    freeze = {
        "start": f"{today:%Y-%m-%d}",
        "end": f"{today:%Y-%m-%d}",
        "time_zone": "UTC",
        "reason": "books",
    }
    write_maintenance(
        inventory_of(yard),
        tomorrow + timedelta(hours=1),
        "4h",
        freezes={"audit": freeze},
        soak="2h",
        undo="required",
        hooks=[{"name": "drain", "when": "before", "of": "machine", "command": ["true"]}],
        notices=[{"at": ["24h", "start", "end"], "to": "event", "on_failure": "stop"}],
    )
    return f"web@{tomorrow + timedelta(hours=1):%Y-%m-%d}"


def hurry(yard: SimulatedYard, **more: Any) -> RunReport:
    given = {"dry_run": False, "requested_by": "Lea", "reason": REASON, **more}
    report: RunReport = emergency(inventory=str(inventory_of(yard)), **given)
    return report


def recorded(run_id: str) -> RunRecord:
    with open_store(settings().database_url) as store:
        run = store.run(run_id)
    assert run is not None
    return run


def newest_run() -> list[str]:
    with open_store(settings().database_url) as store:
        return [run.id for run in store.runs(limit=1)]


def packages(yard: SimulatedYard) -> dict[str, Any]:
    return {machine.name: yard.packages(machine.name) for machine in yard.machines}


def test_a_run_through_a_freeze_leaves_evidence_that_names_what_was_bypassed(
    yard: SimulatedYard, api: Api
) -> None:
    key = frozen(yard)
    told: list[str] = []

    def act() -> None:
        flow_run, shown = wait_for_question(api)
        told.append(shown)
        plan = shown.partition("plan: `")[2][:12]
        answer(api, flow_run, decision="approve", approver="Ada", plan=plan, note="go")

    with somebody(act):
        report = hurry(yard, bypass=EVERYTHING, approvers=["Ada"])

    names = [machine.name for machine in yard.machines]
    assert report.status == Status.SUCCEEDED, report.halted_because
    assert {machine.status for machine in report.machines} == {Status.SUCCEEDED}
    # The canary went first and alone; the soak of two hours was bypassed.
    assert [len(wave) for wave in report.waves] == [1, 1]
    first, second = (m for wave in report.waves for m in report.machines if m.name in wave)
    assert first.finished_at
    assert second.started_at
    assert first.finished_at <= second.started_at

    # The hooks of the configuration are called as ever.
    for machine in report.machines:
        assert any("drain" in f"{step.key} {step.title}" for step in machine.steps)

    # And whom it tells of its windows is told of this, although nothing was announced.
    told_of = [(each.moment, each.to, each.state) for each in report.notices]
    assert told_of == [("start", "event", "sent"), ("end", "event", "sent")]

    evidence = report.emergency
    assert evidence is not None
    assert (evidence.requested_by, evidence.reason) == ("Lea", REASON)
    assert list(evidence.bypass) == EVERYTHING
    stood = {each.rule: each for each in evidence.obstacles}
    assert stood.keys() == set(EVERYTHING)
    assert all(each.bypassed and list(each.machines) == names for each in evidence.obstacles)
    assert stood["freezes"].name == "audit: books"  # type: ignore[index]  # its words are texts
    assert key in stood["windows"].detail  # type: ignore[index]
    assert stood["soak"].detail == "2h between waves"  # type: ignore[index]
    assert [(a.approver, a.plan_hash) for a in report.approvals] == [("Ada", report.plan_hash)]

    run = recorded(report.run_id)
    assert run.kind == "emergency"
    assert run.parameters["emergency"] == evidence.model_dump(mode="json")
    with open_store(settings().database_url) as store:
        assert store.window_claims(run.inventory, [key]) == ()
        (kept,) = store.approvals(run.id)
    assert (kept.approver, kept.note) == ("Ada", "go")
    assert "bypasses windows, freezes, soak" in told[0]
    assert "audit: books" in told[0]
    # The undo policy of the configuration holds.
    assert "where it cannot be, 2 of them are left alone" in told[0]
    for form in ("markdown", "html"):
        text = Path(report.files[form]).read_text()
        for word in ("Lea", "Ada", "is used against us", "windows, freezes, soak", "audit: books"):
            assert word in text, (form, word)
    artifact = f"{run.inventory}-emergency-report"
    shown = api.get(f"artifacts/{artifact}/latest")["data"]
    assert "windows, freezes, soak" in shown
    assert "audit: books" in shown


@pytest.mark.parametrize(
    ("bypass", "named", "not_named"),
    [
        ([], ["freezes: audit: books", "windows: web"], []),
        (["windows", "soak"], ["freezes: audit: books"], ["windows: "]),
        (["freezes"], ["windows: web (next window web@"], ["freezes: "]),
    ],
)
def test_what_is_not_bypassed_refuses_the_run_by_name_and_nothing_is_changed(
    yard: SimulatedYard,
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    bypass: list[str],
    named: list[str],
    not_named: list[str],
) -> None:
    frozen(yard)
    # One that is let in by mistake asks somebody, who is not there.
    monkeypatch.setattr("flows.approval.PATIENCE", timedelta(seconds=10))
    before = packages(yard)

    report = hurry(yard, bypass=bypass)

    assert report.status == Status.REFUSED
    assert report.machines == ()
    assert report.halted_because.startswith("not_bypassed: ")
    assert all(word in report.halted_because for word in named)
    assert not any(word in report.halted_because for word in not_named)
    state = api.state(report.flow_run_id)
    assert (state["type"], state["name"]) == ("FAILED", "not_bypassed")
    assert packages(yard) == before
    run = recorded(report.run_id)
    assert run.parameters["emergency"]["reason"] == REASON
    assert run.finished_at is not None


def test_a_rejected_emergency_changes_nothing(yard: SimulatedYard, api: Api) -> None:
    frozen(yard)
    before = packages(yard)

    def act() -> None:
        flow_run, shown = wait_for_question(api)
        plan = shown.partition("plan: `")[2][:12]
        answer(api, flow_run, decision="reject", approver="Ada", plan=plan, note="wait")

    with somebody(act):
        report = hurry(yard, bypass=EVERYTHING)

    assert report.halted_because == "rejected by Ada: wait"
    assert packages(yard) == before


def test_an_emergency_that_nobody_approves_lapses_and_changes_nothing(
    yard: SimulatedYard, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen(yard)
    before = packages(yard)
    monkeypatch.setattr("flows.approval.PATIENCE", timedelta(seconds=10))

    report = hurry(yard, bypass=EVERYTHING)

    assert report.status == Status.FAILED
    assert report.halted_because.startswith("nobody approved the plan within")
    # The run tells its own end: it is not left to the server, which knows of no report.
    state = api.state(report.flow_run_id)
    assert (state["type"], state["message"]) == ("FAILED", verdict(report))
    assert recorded(report.run_id).halted_because == report.halted_because
    assert packages(yard) == before


def test_only_what_is_named_is_planned_and_what_nobody_tells_is_told_as_unknown(
    yard: SimulatedYard,
) -> None:
    frozen(yard)

    everything = hurry(yard, bypass=EVERYTHING, dry_run=True)
    wanted = everything.machines[0].updates[0].name
    only = hurry(
        yard, bypass=EVERYTHING, dry_run=True, fixes=["CVE-2026-7"], include=[wanted]
    ).machines[0]
    none = hurry(yard, bypass=EVERYTHING, dry_run=True, fixes=["CVE-2026-7"]).machines[0]

    # apt does not tell what an update fixes; a person may say which packages do.
    assert len(everything.machines[0].updates) > 1
    assert wanted in {update.name for update in only.updates}
    assert len(only.updates) < len(everything.machines[0].updates)
    assert WhyNot.UNKNOWN_FIX in only.ledger
    assert none.updates == ()
    assert "unknown_fix: nobody tells whether it fixes CVE-2026-7" in none.reason


def test_a_vulnerability_alone_installs_exactly_what_fixes_it_by_the_table(
    yard: SimulatedYard, api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = tmp_path / "tracker.json"
    table.write_text(json.dumps(TRACKER))
    monkeypatch.setenv("PATCHYARD_ADVISORIES", str(table))
    before = packages(yard)

    def act() -> None:
        flow_run, shown = wait_for_question(api)
        plan = shown.partition("plan: `")[2][:12]
        answer(api, flow_run, decision="approve", approver="Ada", plan=plan)

    with somebody(act):
        report = hurry(yard, fixes=["CVE-2026-7"])

    assert report.status == Status.SUCCEEDED, report.halted_because
    # All that is built from openssl, and nothing of the many other security updates.
    for machine in report.machines:
        assert {update.name for update in machine.updates} == {"libssl3", "openssl"}
        assert {update.detail for update in machine.updates} == {"fixes CVE-2026-7"}
        assert WhyNot.NOT_A_FIX in machine.ledger
        assert WhyNot.UNKNOWN_FIX in machine.ledger
    changed = {
        name
        for machine, now_there in packages(yard).items()
        for name, version in now_there.items()
        if before[machine].get(name) != version
    }
    assert {name.partition(":")[0] for name in changed} == {"libssl3", "openssl"}

    again = hurry(yard, fixes=["CVE-2026-7"], dry_run=True)
    told = {(machine.status, machine.reason) for machine in again.machines}
    assert told == {(Status.SUCCEEDED, "nothing to do: CVE-2026-7 fixed already")}


def test_a_table_that_cannot_be_read_is_told_before_anything_begins(
    yard: SimulatedYard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = tmp_path / "tracker.json"
    table.write_text(json.dumps(TRACKER)[:-1])
    monkeypatch.setenv("PATCHYARD_ADVISORIES", str(table))

    before = newest_run()
    with pytest.raises(ConfigurationError, match=r"tracker\.json:1: is no valid JSON"):
        hurry(yard, fixes=["CVE-2026-7"])

    assert newest_run() == before


def test_one_whose_controller_is_gone_is_taken_up_with_its_evidence_and_asks_again(
    yard: SimulatedYard, api: Api
) -> None:
    frozen(yard)
    planned = hurry(yard, bypass=EVERYTHING, dry_run=True)
    given = {**recorded(planned.run_id).parameters, "dry_run": False}
    with begin(
        "emergency",
        inventory=str(inventory_of(yard)),
        scope="all",
        parameters=given,
        flow_run_id="",
    ) as run:
        left = run.id

    def act() -> None:
        flow_run, shown = wait_for_question(api)
        plan = shown.partition("plan: `")[2][:12]
        answer(api, flow_run, decision="approve", approver="Ada", plan=plan)

    with somebody(act):
        (report,) = resume(ResumeParameters(run_id=left))

    assert report.run_id == left
    assert report.status == Status.SUCCEEDED, report.halted_because
    assert report.emergency is not None
    assert report.emergency.bypassed == "windows, freezes, soak"


def test_a_canary_that_another_run_is_at_work_on_is_left_alone_and_so_is_the_rest(
    yard: SimulatedYard, api: Api
) -> None:
    """A run of its regular window, or another emergency, has the canary: it proves nothing."""
    before = packages(yard)
    inventory = str(inventory_of(yard))
    free = hurry(yard, dry_run=True)
    (canary,), _ = free.waves

    def act() -> None:
        flow_run, shown = wait_for_question(api)
        plan = shown.partition("plan: `")[2][:12]
        answer(api, flow_run, decision="approve", approver="Ada", plan=plan)

    other = {"seed": "s", "slots": 1}
    with begin("patch", inventory=inventory, scope="all", parameters=other, flow_run_id="") as run:
        key = lease_key(run.machine(canary))
        run.store.acquire_lease(key, run.id, run.owner, run.clock(), OWNER_TTL)
        with somebody(act):
            report = hurry(yard, max_failure_percent=100)

    status = {machine.name: machine for machine in report.machines}
    assert status.pop(canary).reason.startswith(f"run {run.id} has this machine until ")
    assert {machine.status for machine in status.values()} == {Status.NOT_STARTED}
    assert report.halted_because == (
        "nothing of wave 1 has come to a good end, so wave 2 is unproven"
    )
    assert report.status == Status.FAILED
    assert packages(yard) == before
