"""What is told in Prefect: an event for each machine that needs a person, and for no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.patch import patch
from patchyard.testing.simulated import Fault, SimulatedMachine, SimulatedYard
from tests.flows.conftest import Api

UNIT = "nginx.service"
GROUPS = {
    "simulated": {
        "checks": [{"systemd_unit": {"unit": UNIT}}],
        "policy": {"stable_seconds": 0, "check_seconds": 3},
    }
}


def test_events_tell_of_the_machines_that_need_a_person(tmp_path: Path, api: Api) -> None:
    machines = [
        SimulatedMachine(name=name, address=f"127.23.0.{number}", groups=("simulated",))
        for number, name in enumerate(("good-1", "bad-1"), 1)
    ]
    with SimulatedYard(tmp_path / "yard", machines, groups=GROUPS) as yard:
        yard.cause("bad-1", Fault.BREAKS_SERVICE, UNIT)
        report = patch(
            inventory=str(yard.inventory), dry_run=False, waves=["rest"], max_failure_percent=100
        )
    assert report.status == "CompletedWithWarnings"
    api.until(lambda: bool(events_of(api)), 60)
    (event,) = events_of(api)
    assert event["event"] == "patchyard.machine.rolled_back"
    assert event["resource"]["prefect.resource.id"] == "patchyard.machine.bad-1"
    assert event["payload"]["run"] == report.run_id
    assert UNIT in event["payload"]["reason"]
    state = api.state(report.flow_run_id)
    assert (state["type"], state["name"]) == ("COMPLETED", "CompletedWithWarnings")
    of_the_run = {"flow_run_id": {"any_": [report.flow_run_id]}}
    kept = api.post("artifacts/filter", {"artifacts": of_the_run, "limit": 200})
    inventory = yard.inventory.name
    ours = {row["key"]: row for row in kept}
    assert {row["type"] for row in ours.values()} == {"progress", "table", "markdown"}
    assert "bad-1" in ours[f"{inventory}-patch-report"]["data"]
    assert float(ours[f"{inventory}-patch-progress"]["data"]) == 100.0


def events_of(api: Api) -> list[dict[str, Any]]:
    query = {"filter": {"event": {"prefix": ["patchyard.machine."]}}, "limit": 50}
    found: list[dict[str, Any]] = api.post("events/filter", query)["events"]
    return [event for event in found if "bad-1" in str(event) or "good-1" in str(event)]
