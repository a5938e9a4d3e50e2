"""What other runs of an inventory keep away, and starting machines beside them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Lock

import pytest

from patchyard.domain.inventory import Inventory, Machine
from patchyard.domain.outcome import Status
from patchyard.domain.plan import Plan
from patchyard.domain.rollout import Done, Start, WaitForRuns, next_step
from patchyard.leasing import lease_key
from patchyard.other_runs import SILENT
from patchyard.parameters import PatchParameters, RollbackParameters
from patchyard.planner import RecordedRollout
from patchyard.runs import Run
from patchyard.store import InRun, NotRecorded, RunRecord, Store, open_store
from patchyard.store.other_runs import LATELY
from tests.store.conftest import NOW, begin
from tests.store.samples import assessment, plan

MINUTE = timedelta(minutes=1)
AT_WORK = Status.IN_PROGRESS
LOST = {Status.LOST_CONTACT, Status.NEEDS_REPAIR, Status.UNREACHABLE}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Store]:
    """A store where only the rules matter, and not which database it is."""
    with open_store(f"sqlite:///{tmp_path / 'here.db'}") as made:
        yield made


def having(
    store: Store, run_id: str, status: Status, machine: str = "db-1", **of: str
) -> RunRecord:
    """Record another run, and how it stands with one machine of it."""
    record = begin(store, run_id, **of)
    store.add_machines(run_id, [(machine, 1, 0)])
    store.set_machine(run_id, machine, status, "", NOW)
    return record


def told(store: Store, run: RunRecord, at: datetime = NOW) -> dict[str, Status]:
    return {each.machine: each.status for each in store.in_other_runs(run.id, at)}


class TestWhoIsAway:
    def test_a_machine_at_work_in_another_run_is(self, store: Store, run: RunRecord) -> None:
        having(store, "patch-2", AT_WORK)
        (found,) = store.in_other_runs(run.id, NOW)
        assert found == InRun("db-1", "patch-2", AT_WORK, goes_on=True, alive_at=NOW)
        assert found.alive_at == NOW
        store.claim_run("patch-2", "a", NOW + MINUTE, MINUTE)
        (found,) = store.in_other_runs(run.id, NOW)
        assert found.alive_at == NOW + MINUTE
        store.finish_run("patch-2", Status.FAILED, "", NOW)
        assert [each.goes_on for each in store.in_other_runs(run.id, NOW)] == [False]

    def test_one_that_has_come_to_another_end_or_was_not_begun_is_not(
        self, store: Store, run: RunRecord
    ) -> None:
        for status in sorted({*Status} - LOST - {AT_WORK}):
            having(store, f"patch-{status}", status)
        assert told(store, run) == {}

    def test_nor_is_one_of_the_run_itself_of_another_inventory_or_only_looked_at(
        self, store: Store, run: RunRecord
    ) -> None:
        store.add_machines(run.id, [("db-1", 1, 0)])
        store.set_machine(run.id, "db-1", AT_WORK, "", NOW)
        having(store, "patch-2", AT_WORK, inventory="another")
        having(store, "assess-1", Status.UNREACHABLE, kind="assess")
        assert told(store, run) == {}
        having(store, "emergency-1", AT_WORK, "db-2", kind="emergency")
        having(store, "rollback-1", AT_WORK, "db-3", kind="rollback")
        assert told(store, run) == {"db-2": AT_WORK, "db-3": AT_WORK}

    def test_what_was_begun_and_not_ended_is_missed_for_a_week_after_its_run_fell_silent(
        self, store: Store, run: RunRecord
    ) -> None:
        having(store, "patch-2", AT_WORK)
        store.claim_run("patch-2", "a", NOW + MINUTE, MINUTE)
        assert told(store, run, NOW + LATELY) == {"db-1": AT_WORK}
        assert told(store, run, NOW + LATELY + MINUTE) == {}

    def test_what_was_lost_is_missed_until_it_is_seen_and_for_a_week_at_most(
        self, store: Store, run: RunRecord
    ) -> None:
        lost = {f"db-{n}": status for n, status in enumerate(sorted(LOST))}
        for name, status in lost.items():
            having(store, f"patch-{name}", status, name)
            store.finish_run(f"patch-{name}", Status.FAILED, "", NOW)
        assert told(store, run) == lost
        assert told(store, run, NOW + LATELY - MINUTE) == lost
        assert told(store, run, NOW + LATELY) == {}

        begin(store, "patch-9", inventory="another")
        for name in lost:
            for run_id, at in ((run.id, NOW), ("patch-9", NOW + MINUTE)):
                store.save_assessment(run_id, name, "before", assessment(name, at))
        assert told(store, run) == lost
        store.save_assessment(run.id, "db-1", "before", assessment("db-1", NOW + MINUTE))
        assert told(store, run) == {name: lost[name] for name in ("db-0", "db-2")}


class TestStarting:
    def test_a_start_is_recorded_where_nothing_has_come_to_what_is_known(
        self, store: Store, run: RunRecord
    ) -> None:
        store.add_machines(run.id, [("db-2", 1, 0), ("db-3", 1, 1)])
        assert store.start_machines(run.id, "", ["db-2"], (), NOW)
        having(store, "patch-2", AT_WORK)
        known = store.in_other_runs(run.id, NOW)
        assert not store.start_machines(run.id, "", ["db-3"], (), NOW)
        assert store.standings(run.id)["db-3"].status == Status.NOT_STARTED
        store.claim_run("patch-2", "a", NOW + MINUTE, MINUTE)  # a sign of life is nothing new
        assert store.start_machines(run.id, "", ["db-3"], known, NOW)
        assert {each.status for each in store.standings(run.id).values()} == {AT_WORK}

    def test_a_run_that_has_another_owner_by_now_starts_nothing(
        self, store: Store, run: RunRecord
    ) -> None:
        store.add_machines(run.id, [("db-2", 1, 0)])
        store.claim_run(run.id, "b", NOW, MINUTE)
        assert not store.start_machines(run.id, "a", ["db-2"], (), NOW)
        assert store.standings(run.id)["db-2"].status == Status.NOT_STARTED
        assert store.start_machines(run.id, "b", ["db-2"], (), NOW)

    def test_all_of_a_start_are_recorded_or_none(self, store: Store, run: RunRecord) -> None:
        store.add_machines(run.id, [("db-2", 1, 0)])
        with pytest.raises(NotRecorded):
            store.start_machines(run.id, "", ["db-2", "db-3"], (), NOW)
        assert store.standings(run.id)["db-2"].status == Status.NOT_STARTED
        with pytest.raises(NotRecorded):
            store.start_machines("patch-0", "", ["db-2"], (), NOW)


# --- runs that meet -------------------------------------------------------------------------

CONTROLLERS = 4
CLUSTERS = ("blue", "green", "red")


def node(cluster: str, number: int) -> Machine:
    name = f"{cluster}-{number}"
    return Machine(name=name, address=f"{name}.example", cluster=cluster)


INVENTORY = Inventory(
    name="yard",
    folder="yard",
    machines=tuple(node(c, n) for c in CLUSTERS for n in range(CONTROLLERS)),
)


def controller(store: Store, number: int, at: datetime | None = None) -> tuple[Run, Plan]:
    """Open a run that has one node of each cluster."""
    names = [node(cluster, number).name for cluster in CLUSTERS]
    record = RunRecord(
        id=f"patch-{number}",
        kind="patch",
        inventory="yard",
        scope="*",
        parameters={"availability": {}},
        status=AT_WORK,
        started_at=at or datetime.now(UTC),
    )
    store.create_run(record)
    store.claim_run(record.id, str(number), record.started_at, MINUTE)
    store.add_machines(record.id, [(name, 1, n) for n, name in enumerate(names)])
    return Run(record=record, store=store, inventory=INVENTORY, owner=str(number)), plan(*names)


PARAMETERS = PatchParameters(inventory="yard")


class Witness:
    """Sees which machines are at work at the same time."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.at_work: set[str] = set()
        self.together: list[set[str]] = []
        self.refused = 0

    def begun(self, names: tuple[str, ...]) -> None:
        with self.lock:
            self.at_work |= set(names)
            of = [name.partition("-")[0] for name in self.at_work]
            if len(set(of)) < len(of):
                self.together.append(set(self.at_work))

    def ended(self, names: tuple[str, ...]) -> None:
        with self.lock:
            self.at_work -= set(names)


def drive(url: str, number: int, barrier: Barrier, seen: Witness) -> None:
    """Carry a run out as a controller of its own does; its machines take a moment each."""
    with open_store(url) as store:
        run, made = controller(store, number)
        rollout = RecordedRollout(run, made, PARAMETERS)
        step = next_step(rollout.now(), run.clock())
        barrier.wait(60)
        while not isinstance(step, Done):
            if isinstance(step, Start) and rollout.start(step.machines):
                seen.begun(step.machines)
                time.sleep(0.05)
                seen.ended(step.machines)
                for name in step.machines:
                    store.set_machine(run.id, name, Status.SUCCEEDED, "", run.clock())
            else:
                seen.refused += isinstance(step, Start)
                time.sleep(0.01)
            step = next_step(rollout.now(), run.clock())


def test_controllers_that_ask_at_the_same_instant_never_take_two_nodes_of_a_cluster(
    url: str,
) -> None:
    open_store(url).close()
    barrier, seen = Barrier(CONTROLLERS), Witness()
    with ThreadPoolExecutor(CONTROLLERS) as pool:
        runs = [pool.submit(drive, url, number, barrier, seen) for number in range(CONTROLLERS)]
    for each in runs:
        each.result()
    assert seen.together == []
    assert seen.refused >= CONTROLLERS - 1, "all had decided to start before the first did"
    with open_store(url) as store:
        for number in range(CONTROLLERS):
            ends = {each.status for each in store.standings(f"patch-{number}").values()}
            assert ends == {Status.SUCCEEDED}


def test_a_run_waits_for_one_that_lives_and_names_one_that_is_silent(here: Store) -> None:
    other, _ = controller(here, 1)
    here.set_machine(other.id, "blue-1", AT_WORK, "", other.clock())
    run, made = controller(here, 2)
    later = timedelta(0)
    run.clock = lambda: datetime.now(UTC) + later
    rollout = RecordedRollout(run, made, PARAMETERS)

    assert next_step(rollout.now(), run.clock()) == Start(("green-2", "red-2"))
    for name in ("green-2", "red-2"):
        here.set_machine(run.id, name, Status.SUCCEEDED, "", run.clock())
    told = "no failure domain has room: cluster:blue lacks blue-1 (by run patch-1)"
    assert next_step(rollout.now(), run.clock()) == WaitForRuns(told)
    later = SILENT + MINUTE
    assert getattr(next_step(rollout.now(), run.clock()), "reason", "") == told
    assert not isinstance(next_step(rollout.now(), run.clock()), WaitForRuns)
    here.set_machine(other.id, "blue-1", Status.SUCCEEDED, "", other.clock())
    assert next_step(rollout.now(), run.clock()) == Start(("blue-2",))


QUORUM = {"quorum": [{"of": "cluster exists", "each": "cluster", "at_least": 3}]}


@pytest.mark.parametrize(
    ("ends", "hours", "starts"),
    [
        ({}, 1, True),
        ({}, 25, False),
        ({2: Status.FAILED}, 1, False),
        ({2: Status.LOST_CONTACT}, 1, False),
        ({2: Status.ROLLED_BACK}, 1, True),
    ],
)
def test_a_rollback_of_one_node_counts_the_others_as_the_run_that_it_takes_back_left_them(
    here: Store, ends: dict[int, Status], hours: int, starts: bool
) -> None:
    """It looks at no others, and could otherwise never keep a quorum."""
    begun = datetime.now(UTC) - timedelta(hours=hours)
    past = replace(begin(here, "patch-9"), started_at=begun)
    nodes = [node("blue", number).name for number in range(CONTROLLERS)]
    here.add_machines(past.id, [(name, 1, n) for n, name in enumerate(nodes)])
    for number, name in enumerate(nodes):
        here.set_machine(past.id, name, ends.get(number, Status.SUCCEEDED), "", begun)
    here.finish_run(past.id, Status.SUCCEEDED, "", begun)
    asked = RollbackParameters(run_id=past.id, machines=["blue-0"], dry_run=False)
    given = {**asked.model_dump(mode="json"), "availability": QUORUM}
    record = replace(past, id="rollback-1", kind="rollback", parameters=given)
    here.create_run(record)
    here.add_machines(record.id, [("blue-0", 1, 0)])
    run = Run(record=record, store=here, inventory=INVENTORY, owner="a")

    step = next_step(RecordedRollout(run, plan("blue-0"), asked).now(), run.clock())

    assert (step == Start(("blue-0",))) is starts, step


PLACES = Inventory(
    name="yard",
    folder="yard",
    machines=(
        Machine(name="east", address="east.example", region="eastus", tags={"role": "fw"}),
        Machine(name="west", address="west.example", region="West US", tags={"role": "fw"}),
        Machine(name="north", address="north.example", region="northeurope"),
    ),
)


@pytest.mark.parametrize(
    ("rules", "machine", "told"),
    [
        ({}, "west", "region westus stands in for that of east (by run patch-2)"),
        ({}, "north", ""),
        ({"regions": "one_by_one"}, "north", "region northeurope stands in for that of east"),
        ({"regions": "together"}, "west", ""),
        (
            {"regions": "together", "apart": [{"of": "tags.role == fw"}]},
            "west",
            "apart[0] tags.role == fw: 1 must be up, and 1 are known to be",
        ),
    ],
)
def test_a_region_or_a_pair_waits_for_a_machine_that_only_another_run_has(
    here: Store, rules: dict[str, object], machine: str, told: str
) -> None:
    run = begin(here, "patch-1")
    having(here, "patch-2", AT_WORK, "east")
    here.add_machines(run.id, [(machine, 1, 0)])
    given = replace(run, parameters={"availability": rules})
    mine = Run(record=given, store=here, inventory=PLACES, owner="a")
    mine.clock = lambda: NOW

    rollout = RecordedRollout(mine, plan(machine), PARAMETERS)
    step = next_step(rollout.now(), NOW)

    if told:
        assert isinstance(step, WaitForRuns)
        assert step.reason.startswith(told)
    else:
        assert step == Start((machine,))
    here.set_machine("patch-2", "east", Status.LOST_CONTACT, "", NOW)
    assert isinstance(next_step(rollout.now(), NOW), Start) == ("apart" not in rules)
    here.set_machine("patch-2", "east", Status.SUCCEEDED, "", NOW)
    assert next_step(rollout.now(), NOW) == Start((machine,))


def test_a_machine_that_a_run_of_another_inventory_has_is_known_by_its_lease(here: Store) -> None:
    """Inventories may call one machine by two names; its lease is held for the machine itself."""
    other = begin(here, "patch-2", inventory="another")
    run, made = controller(here, 1)
    key = lease_key(node("blue", 0))
    here.acquire_lease(key, other.id, "b", run.clock(), MINUTE)
    rollout = RecordedRollout(run, made, PARAMETERS)
    assert next_step(rollout.now(), run.clock()) == Start(("green-1", "red-1"))

    assert [each.machine for each in here.foreign_leases(run.id)] == [key]
    here.finish_run(other.id, Status.SUCCEEDED, "", run.clock())
    assert here.foreign_leases(run.id) == ()
    assert next_step(rollout.now(), run.clock()) == Start(("blue-1", "green-1", "red-1"))
    here.reopen_run(other.id)
    (held,) = here.foreign_leases(run.id)
    run.clock = lambda: held.expires_at + LATELY - MINUTE
    assert next_step(rollout.now(), run.clock()) == Start(("green-1", "red-1"))
    run.clock = lambda: held.expires_at + LATELY
    assert next_step(rollout.now(), run.clock()) == Start(("blue-1", "green-1", "red-1"))
    mine = begin(here, "patch-3")
    here.acquire_lease("another-machine", mine.id, "c", run.clock(), MINUTE)
    assert [each.run_id for each in here.foreign_leases(run.id)] == [other.id]
