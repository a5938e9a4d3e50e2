"""Rings in a run: what the ring before has proven is installed, by its versions, and no more."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.assess import assess
from flows.patch import patch
from patchyard.cli import main
from patchyard.domain.outcome import Status
from patchyard.domain.plan import WhyNot
from patchyard.domain.report import MachineReport, RunReport
from patchyard.testing.simulated import SimulatedMachine, SimulatedYard
from tests.flows.conftest import Api
from tests.flows.windows import (
    GROUPS,
    answer,
    inventory_of,
    minute,
    now,
    somebody,
    wait_for_question,
)

DEV, PROD = "dev-1", "prod-1"
LENGTH = timedelta(hours=6)


class Rings:
    """A ring of one machine, and one after it."""

    def __init__(self, yard: SimulatedYard) -> None:
        self.yard, self.start = yard, minute(now())

    def write(self, **ring: Any) -> None:
        schedule = {
            "recurrence": "Day",
            "start": f"{self.start:%Y-%m-%d %H:%M}",
            "length": "6h",
            "time_zone": "UTC",
        }
        each = {"schedule": schedule, "waves": ["rest"]}
        found = {
            "dev": {**each, "scope": f"name == {DEV}"},
            "prod": {**each, "scope": f"name == {PROD}", "ring": {"after": "dev", **ring}},
        }
        text = yaml.safe_dump({"configurations": found})
        (inventory_of(self.yard) / "maintenance.yaml").write_text(text)

    def run(self, ring: str, machine: str, **more: Any) -> tuple[RunReport, MachineReport | None]:
        report: RunReport = patch(
            inventory=str(inventory_of(self.yard)),
            scope=f"name == {machine}",
            dry_run=False,
            waves=["rest"],
            resume="never",
            window=window(ring, self.start),
            **more,
        )
        return report, next(iter(report.machines), None)


def window(ring: str, start: datetime) -> dict[str, str]:
    end = (start + LENGTH).isoformat()
    return {"key": f"{ring}@{start:%Y-%m-%d}", "start": start.isoformat(), "end": end}


def forecast_of(yard: SimulatedYard, told: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the forecast of the second machine's fixes, by their names."""
    told.readouterr()
    assert (
        main(["maintenance", "forecast", str(inventory_of(yard)), "--scope", PROD, "--json"]) == 0
    )
    rows = json.loads(told.readouterr().out)["forecasts"]
    return {
        row["update"]: (row["outlook"], *(r["detail"] for r in row["in_the_way"])) for row in rows
    }


@pytest.mark.usefixtures("prefect_server")
def test_a_ring_waits_for_the_one_before_it_and_installs_its_versions_only(
    tmp_path: Path, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    machines = [
        SimulatedMachine(name, f"127.68.0.{number}", ("simulated",))
        for number, name in enumerate((DEV, PROD), 1)
    ]
    with SimulatedYard(tmp_path / "yard", machines, groups=GROUPS) as yard:
        rings = Rings(yard)
        rings.write(soak="1h")
        before = yard.packages(PROD)

        early, _ = rings.run("prod", PROD)
        assert early.halted_because == "ring_not_ready: ring dev has proven nothing yet"
        assert api.state(early.flow_run_id)["name"] == "ring_not_ready"

        proof, _ = rings.run("dev", DEV, exclude=["libssl3"])
        assert proof.status == Status.SUCCEEDED, proof.halted_because
        soaking, _ = rings.run("prod", PROD)
        assert soaking.halted_because.startswith("ring_not_ready: dev@")
        assert "has to soak for" in soaking.halted_because
        assert yard.packages(PROD) == before
        assess(inventory=str(inventory_of(yard)), scope=f"name == {PROD}")
        soaks = forecast_of(yard, capsys)
        assert soaks["openssl"][0] == soaks["libssl3"][0] == "waits"
        assert soaks["openssl"][1].startswith("dev has it since ")
        assert soaks["libssl3"][1].startswith("dev must run it well first: its window dev@")

        rings.write(soak="0m")
        ready = forecast_of(yard, capsys)
        assert (ready["openssl"], ready["libssl3"][0]) == (("scheduled",), "waits")
        promoted, told = rings.run("prod", PROD)
        assert told is not None
        assert told.status == Status.SUCCEEDED, told.reason
        assert promoted.promoted is not None
        assert promoted.promoted.proven
        assert yard.packages(PROD) == yard.packages(DEV)
        left = {each.name: each for each in told.left_out if each.why == WhyNot.NOT_PROMOTED}
        assert f"the ring before it has {before['libssl3']}" in left["libssl3"].detail
        assert any("libssl3" in line and PROD in line for line in promoted.drift)
        assert "Ring after dev, proven" in Path(promoted.files["markdown"]).read_text()


@pytest.mark.usefixtures("prefect_server")
def test_a_person_may_say_yes_to_what_no_ring_has_proven(tmp_path: Path, api: Api) -> None:
    machines = [
        SimulatedMachine(name, f"127.68.1.{number}", ("simulated",))
        for number, name in enumerate((DEV, PROD), 1)
    ]
    with SimulatedYard(tmp_path / "yard", machines, groups=GROUPS) as yard:
        rings = Rings(yard)
        rings.write(soak="9h", otherwise="ask")
        rings.run("dev", DEV)
        shown: list[str] = []

        def act() -> None:
            flow_run, told = wait_for_question(api)
            shown.append(told)
            plan = told.partition("plan: `")[2][:12]
            answer(api, flow_run, decision="approve", approver="Ada", plan=plan)

        with somebody(act):
            report, told = rings.run("prod", PROD)
        assert "- ring: dev@" in shown[0]
        assert "has to soak for" in shown[0]
        assert told is not None
        assert told.status == Status.SUCCEEDED, told.reason
        assert [each.approver for each in report.approvals] == ["Ada"]
        assert report.promoted is not None
        assert not report.promoted.proven
        assert yard.packages(PROD) == yard.packages(DEV)
