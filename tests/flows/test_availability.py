"""Availability first in whole runs over the simulated yard: who was away at the same time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from flows.patch import patch
from flows.resume import asked_again
from flows.rollback import rollback
from patchyard.domain.outcome import Status
from patchyard.domain.preview import Case
from patchyard.domain.report import RunReport
from patchyard.maintenance_parameters import patch_parameters
from patchyard.parameters import RollbackParameters
from patchyard.providers import load_inventory, load_maintenance
from patchyard.settings import settings
from patchyard.store import RunRecord, Store, open_store
from patchyard.testing.simulated import Fault, SimulatedMachine, SimulatedYard
from tests.flows.windows import inventory_of, minute, now, somebody, write_maintenance

UNIT = "nginx.service"
CHECKED = {
    "simulated": {
        "checks": [{"systemd_unit": {"unit": UNIT}}],
        "policy": {"stable_seconds": 0, "check_seconds": 3},
    }
}
WEB = "web"
REPLICA, PRIMARY = "replica", "primary"

PLACES: dict[str, dict[str, Any]] = {
    "n-web-1": {"role": WEB, "region": "North Europe", "zone": "1"},
    "n-web-2": {"role": WEB, "region": "North Europe", "zone": "1"},
    "n-web-3": {"role": WEB, "region": "North Europe", "zone": "2"},
    "n-rep-1": {"role": REPLICA, "region": "North Europe", "cluster": "n-db"},
    "n-rep-2": {"role": REPLICA, "region": "North Europe", "cluster": "n-db"},
    "n-pri-1": {"role": PRIMARY, "region": "North Europe", "cluster": "n-db"},
    "w-app-1": {"role": "app", "region": "westeurope", "update_domain": "0"},
    "w-app-2": {"role": "app", "region": "westeurope", "update_domain": "0"},
    "w-app-3": {"role": "app", "region": "westeurope", "update_domain": "1"},
    "w-fw-1": {"role": "fw", "region": "westeurope"},
    "w-fw-2": {"role": "fw", "region": "westeurope"},
}
AVAILABILITY = {
    "service": "tags.app",
    "quorum": [{"of": "cluster exists", "each": "cluster", "at_least": "majority"}],
    "order": [{"first": "tags.role == replica", "then": "tags.role == primary", "each": "cluster"}],
    "apart": [{"of": "tags.role == fw", "each": "region"}],
}


def machine(name: str, number: int) -> SimulatedMachine:
    place = dict(PLACES[name])
    role = place.pop("role")
    tags = {"role": role} | ({"app": "shop"} if role == WEB else {})
    place |= {"availability_set": "app"} if role == "app" else {}
    return SimulatedMachine(
        name=name,
        address=f"127.24.0.{number}",
        groups=("simulated",),
        settings={**place, "tags": tags},
    )


@pytest.fixture
def yard(tmp_path: Path, prefect_server: str) -> Iterator[SimulatedYard]:
    """Two paired regions: a service over zones, a cluster, a set with update domains, a pair."""
    assert prefect_server
    fleet = [machine(name, number) for number, name in enumerate(PLACES, 1)]
    with SimulatedYard(tmp_path / "yard", fleet, groups=CHECKED) as made:
        yield made


@dataclass(frozen=True)
class Away:
    """When each machine of a run was worked on, by the record."""

    times: dict[str, tuple[datetime, datetime]]

    @classmethod
    def of(cls, report: RunReport) -> Away:
        with open_store(settings().database_url) as store:
            records = store.machines(report.run_id)
        return cls(
            {
                r.machine: (r.started_at, r.finished_at)
                for r in records
                if r.wave and r.started_at and r.finished_at
            }
        )

    def together(self, *names: str) -> bool:
        """Say whether any two of these were away at the same time."""
        return any(
            self.times[a][0] < self.times[b][1] and self.times[b][0] < self.times[a][1]
            for a, b in combinations(names, 2)
        )

    def before(self, first: list[str], then: list[str]) -> bool:
        """Say whether all of the first had ended when the first of the others began."""
        return max(self.times[n][1] for n in first) <= min(self.times[n][0] for n in then)


def run_of_configuration(yard: SimulatedYard, **fields: Any) -> RunReport:
    """Patch as the run of a configuration's window is: by the parameters that it is booked with."""
    folder = inventory_of(yard)
    written = {"slots": 20, "domain_limit": "50%", "availability": AVAILABILITY, **fields}
    write_maintenance(folder, minute(now()), "6h", **written)
    inventory = load_inventory(folder)
    (lane,) = Case(load_maintenance(folder, inventory), inventory, now()).lanes
    given = patch_parameters(str(folder), lane, dry_run=False)
    report: RunReport = patch(given)
    return report


def names(start: str) -> list[str]:
    return [name for name in PLACES if name.startswith(start)]


def test_every_rule_holds_in_one_run_of_one_configuration(yard: SimulatedYard) -> None:
    report = run_of_configuration(yard)

    assert {m.status for m in report.machines} == {Status.SUCCEEDED}, report.halted_because
    away = Away.of(report)
    assert set(away.times) == set(PLACES)
    assert away.before(names("n-"), names("w-"))
    assert not any(away.together(one, "n-web-3") for one in ("n-web-1", "n-web-2"))
    assert not any(away.together(one, "w-app-3") for one in ("w-app-1", "w-app-2"))
    assert not away.together("n-rep-1", "n-rep-2", "n-pri-1")
    assert away.before(["n-rep-1", "n-rep-2"], ["n-pri-1"])
    assert not away.together("w-fw-1", "w-fw-2")
    # What no rule keeps apart was not: the run was not merely one by one.
    assert away.together("n-web-1", "n-web-2")
    assert away.together("n-rep-1", "n-web-1")


@pytest.mark.slow
def test_a_rollback_keeps_the_rules_of_the_run_with_its_order_turned_round(
    yard: SimulatedYard,
) -> None:
    report = run_of_configuration(yard)
    back = rollback(run_id=report.run_id, dry_run=False, slots=20, resume="never")
    assert {m.status for m in back.machines} == {Status.ROLLED_BACK}, back.halted_because
    away = Away.of(back)
    with open_store(settings().database_url) as store:
        record = store.run(back.run_id)
    assert record is not None
    assert asked_again(record, RollbackParameters).run_id == report.run_id
    assert away.before(["n-pri-1"], ["n-rep-1", "n-rep-2"])
    assert not away.together(*names("n-rep"), "n-pri-1")
    assert not away.together("w-fw-1", "w-fw-2")
    assert not any(away.together(a, b) for a in names("n-") for b in names("w-"))


def test_a_replica_that_went_bad_holds_its_database_back_until_a_person_forgives(
    yard: SimulatedYard,
) -> None:
    yard.cause("n-rep-2", Fault.BREAKS_SERVICE, UNIT)
    report = run_of_configuration(yard, budget={"max_failure_percent": 100})

    status = {m.name: m.status for m in report.machines}
    assert status["n-rep-2"] == Status.ROLLED_BACK
    assert status["n-pri-1"] == Status.NOT_STARTED
    assert {status[name] for name in names("w-")} == {Status.NOT_STARTED}
    assert report.halted_because == (
        "order[0] cluster n-db: n-rep-2 comes first and is not done well"
    )

    again = patch(
        inventory=str(inventory_of(yard)),
        dry_run=False,
        resume=report.run_id,
        forgive=["n-rep-2"],
        max_failure_percent=100,
        slots=20,
    )
    status = {m.name: m.status for m in again.machines}
    assert status.pop("n-rep-2") == Status.ROLLED_BACK
    assert set(status.values()) == {Status.SUCCEEDED}
    assert Away.of(again).before(["n-pri-1"], names("w-"))


def test_a_run_whose_rules_cannot_hold_says_so_and_does_nothing(yard: SimulatedYard) -> None:
    before = {m.name: yard.packages(m.name) for m in yard.machines}
    with pytest.raises(Exception, match="cluster == n-db has 3, and 3 must be up"):
        patch(
            inventory=str(inventory_of(yard)),
            dry_run=False,
            resume="never",
            availability={"quorum": [{"of": "cluster == n-db", "at_least": 3}]},
        )
    assert {m.name: yard.packages(m.name) for m in yard.machines} == before


def at_work_elsewhere(store: Store, inventory: str, machine: str) -> None:
    """Record that another run lives and is at work on a machine."""
    other = RunRecord(
        "emergency-other", "emergency", inventory, "all", {}, Status.IN_PROGRESS, now()
    )
    store.create_run(other)
    store.claim_run(other.id, "elsewhere/1/1", now(), timedelta(minutes=1))
    store.add_machines(other.id, [(machine, 1, 0)])
    store.set_machine(other.id, machine, Status.IN_PROGRESS, "", now())


def test_a_node_waits_for_the_one_that_another_run_has_at_work(yard: SimulatedYard) -> None:
    folder = inventory_of(yard)
    ended: list[datetime] = []
    with open_store(settings().database_url) as store:
        at_work_elsewhere(store, folder.name, "n-rep-2")

        def ends_when_it_is_waited_for() -> None:
            deadline = time.monotonic() + 120
            while "cluster:n-db lacks n-rep-2 (by run emergency-other)" not in logs(folder.name):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            ended.append(now())
            store.set_machine("emergency-other", "n-rep-2", Status.SUCCEEDED, "", now())

        def logs(inventory: str) -> str:
            kept = (
                settings().home / "runs" / r.id / "run.log" for r in store.runs(inventory=inventory)
            )
            return "".join(log.read_text() for log in kept if log.exists())

        with somebody(ends_when_it_is_waited_for):
            report = patch(
                inventory=str(folder), scope="name == n-rep-1", dry_run=False, resume="never"
            )

    assert report.status == Status.SUCCEEDED, report.halted_because
    assert Away.of(report).times["n-rep-1"][0] >= ended[0]


@pytest.mark.slow
def test_two_controllers_that_begin_at_once_never_have_two_nodes_of_a_cluster(
    yard: SimulatedYard, tmp_path: Path
) -> None:
    """Two processes with a run each, over the same memory."""
    nodes = names("n-rep")
    for name in nodes:
        yard.cause(name, Fault.SLOW_INSTALL, "3")
    folder = str(inventory_of(yard))
    with ExitStack() as stack:
        controllers = []
        for name in nodes:
            given = {"inventory": folder, "scope": f"name == {name}", "dry_run": False}
            code = f"from flows.patch import patch\npatch(**{given!r})\n"
            log = stack.enter_context((tmp_path / f"{name}.log").open("w"))
            controller = subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log)
            stack.callback(controller.kill)
            controllers.append(controller)
        assert [controller.wait(240) for controller in controllers] == [0] * len(nodes)
    with open_store(settings().database_url) as store:
        runs = store.runs(inventory=Path(folder).name)
        assert {run.status for run in runs} == {Status.SUCCEEDED}
        times = [(m.started_at, m.finished_at) for run in runs for m in store.machines(run.id)]
    (first, first_end), (second, second_end) = sorted(times, key=str)
    assert first and first_end and second and second_end  # noqa: PT018 - all of them are there
    assert first_end <= second
