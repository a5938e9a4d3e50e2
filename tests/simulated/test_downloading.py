"""Downloading ahead with a run's own record: on simulated machines, over real links and jobs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from patchyard import operations
from patchyard.batches import Batch
from patchyard.domain.actions import Download
from patchyard.domain.downloading import DOWNLOAD, download_of
from patchyard.domain.inventory import Inventory
from patchyard.domain.outcome import Status
from patchyard.domain.plan import MachinePlan, Plan
from patchyard.domain.record import Step
from patchyard.domain.selection import Selection, select
from patchyard.domain.updates import Classification, Filesystem
from patchyard.errors import TimedOut
from patchyard.fleet import BEFORE, assess_machine, download_on, work_on
from patchyard.leasing import lease_key
from patchyard.runs import OWNER_TTL, Run, begin
from patchyard.store import RunRecord, StepRecord
from patchyard.testing.simulated import Fault
from tests.simulated.conftest import Workplace, now

EVERYTHING = Selection(classifications=frozenset(Classification))


@pytest.fixture
def run(workplace: Workplace) -> Iterator[Run]:
    """An open run of the yard's machines, which are neither looked at nor planned yet."""
    given = {"slots": 2, "seed": "s", "reboot": "never"}
    inventory = str(workplace.yard.inventory)
    with begin("patch", inventory=inventory, scope="all", parameters=given, flow_run_id="") as run:
        told.clear()
        run.say = lambda machine, step, text: told.append((machine, step, text))
        run.inventory = quick(run.inventory)
        yield run


def quick(inventory: Inventory) -> Inventory:
    """The same machines, whose health is asked once."""
    policy = {"stable_seconds": 0, "check_seconds": 10}
    machines = tuple(
        machine.model_copy(update={"policy": machine.policy.model_copy(update=policy)})
        for machine in inventory.machines
    )
    return inventory.model_copy(update={"machines": machines})


told: list[tuple[str, str, str]] = []


def said(name: str) -> list[str]:
    """What the log says of a machine's download, but for that it began."""
    return [t for m, step, t in told if (m, step) == (name, DOWNLOAD) and t != "started"]


def plan(run: Run, name: str, *, empty: bool = False) -> MachinePlan:
    """Look at a machine, and freeze the plan that installs all of it."""
    run.store.add_machines(run.id, [(name, 1, 0)])
    assess_machine(run, name, refresh=False)
    seen = run.store.assessment(run.id, name, BEFORE)
    assert seen is not None
    updates, _ = select(seen, EVERYTHING)
    part = MachinePlan(machine=name, manager="apt", updates=() if empty else updates)
    run.store.set_plan(
        run.id, Plan(inventory="yard", scope="all", machines=(part,), waves=((name,),))
    )
    return run.store.plan(run.id).machine(name)


def steps(run: Run, name: str) -> tuple[StepRecord, ...]:
    return run.store.steps(run.id, name)


def test_what_is_planned_is_fetched_recorded_and_told_and_nothing_else_happens(
    workplace: Workplace, run: Run
) -> None:
    name = "sim-0001"
    part = plan(run, name)
    before, standing = workplace.yard.packages(name), run.store.standings(run.id)[name]
    done = workplace.yard.transactions(name)

    download_on(run, name)

    (step,) = steps(run, name)
    recorded = Step.model_validate({"action": step.action, "started_at": step.started_at})
    assert recorded.action == download_of(part)
    assert not step.open
    assert workplace.yard.packages(name) == before
    assert workplace.yard.transactions(name) == done
    assert len(workplace.yard.fetched(name)) == len(part.updates)
    assert run.store.standings(run.id)[name] == standing
    assert run.store.downloaded(run.id) == {name}
    assert run.at_work == {}
    size = sum(update.download_bytes or 0 for update in part.updates) / 10**6
    assert said(name) == [f"{len(part.updates)} updates, {size:.0f} MB"]

    download_on(run, name)
    assert steps(run, name) == (step,)

    work_on(run, name)
    (record,) = run.store.machines(run.id)
    assert record.status.good, record.reason
    assert len(workplace.yard.fetched(name)) == len(part.updates)
    download_on(run, name)
    assert said(name)[-1] == "not done: work on it has begun"
    assert workplace.yard.refused() == ()


def test_a_plan_without_updates_asks_the_machine_nothing(workplace: Workplace, run: Run) -> None:
    plan(run, "sim-0002", empty=True)
    download_on(run, "sim-0002")
    assert said("sim-0002") == ["nothing to download"]
    assert run.store.downloaded(run.id) == {"sim-0002"}
    assert workplace.yard.fetched("sim-0002") == ()


def test_a_machine_that_another_run_has_is_left_to_it(workplace: Workplace, run: Run) -> None:
    plan(run, "sim-0002")
    other = RunRecord("patch-other", "patch", "yard", "all", {}, Status.IN_PROGRESS, run.clock())
    run.store.create_run(other)
    key = lease_key(workplace.machine("sim-0002"))
    run.store.acquire_lease(key, other.id, "elsewhere/1/1", run.clock(), OWNER_TTL)

    download_on(run, "sim-0002")

    assert steps(run, "sim-0002") == ()
    assert "not done: run patch-other has this machine" in said("sim-0002")[0]
    assert run.store.downloaded(run.id) == frozenset()
    run.store.release_lease(key, other.id)


def test_a_machine_without_room_is_told_before_anything_is_asked_of_it(
    workplace: Workplace, run: Run
) -> None:
    name = "sim-0002"
    plan(run, name)
    seen = run.store.assessment(run.id, name, BEFORE)
    assert seen is not None
    full = Filesystem(mount="/var", size=10**10, free=10**6, inodes=10**6, inodes_free=10**6)
    others = tuple(each for each in seen.filesystems if each.mount != "/var")
    run.store.save_assessment(
        run.id, name, BEFORE, seen.model_copy(update={"filesystems": (*others, full)})
    )

    download_on(run, name)

    assert said(name)[0].startswith("not done: /var has 0 MiB free, the plan needs ")
    assert workplace.yard.fetched(name) == ()
    assert run.store.downloaded(run.id) == {name}


def test_a_disk_that_has_become_full_since_is_told_before_anything_is_fetched(
    workplace: Workplace, run: Run
) -> None:
    name = "sim-0003"
    plan(run, name)
    workplace.yard.cause(name, Fault.DISK_FULL)
    download_on(run, name)
    workplace.yard.heal(name, Fault.DISK_FULL)
    assert "not done: /var/cache/apt/archives has 0 MiB free, the download needs" in said(name)[0]
    assert workplace.yard.fetched(name) == ()


def test_a_task_run_fetches_for_the_machines_of_its_batch(workplace: Workplace, run: Run) -> None:
    from tasks.patch import download_batch  # noqa: PLC0415 - Prefect takes long to import

    plan(run, "sim-0003", empty=True)
    batch = Batch(["sim-0003"], threads=1)
    run.batches["download", batch.label] = batch
    batch.hand_over("sim-0003")
    download_batch.fn(run.id, batch.label)
    assert run.store.downloaded(run.id) == {"sim-0003"}
    assert (download_batch.name, download_batch.task_run_name) == ("download", "download {label}")
    assert workplace.yard.refused() == ()


def test_a_cancelled_run_begins_no_download(workplace: Workplace, run: Run) -> None:
    plan(run, "sim-0002")
    run.stop.set()
    download_on(run, "sim-0002")
    assert steps(run, "sim-0002") == ()
    assert said("sim-0002") == ["not done: the run was cancelled"]
    assert workplace.yard.fetched("sim-0002") == ()


def test_a_machine_that_is_off_is_told_and_not_started(workplace: Workplace, run: Run) -> None:
    """It is tried for a while of the run's clock, and no longer than that."""
    name, later = "sim-0003", timedelta()
    plan(run, name)
    standing = run.store.standings(run.id)[name]

    def sleep(seconds: float) -> None:
        nonlocal later
        later += timedelta(seconds=seconds)

    run.clock, run.sleep = (lambda: now() + later), sleep
    workplace.yard.turn_off(name)
    download_on(run, name)
    assert workplace.yard.is_off(name)
    assert said(name)[0].startswith("not done: ")
    assert later < timedelta(minutes=2)
    assert run.store.downloaded(run.id) == {name}
    assert run.store.standings(run.id)[name] == standing
    assert run.store.power_starts(run.id) == ()


def test_what_goes_wrong_in_patchyard_itself_is_told_and_ends_nothing(run: Run) -> None:
    run.store.add_machines(run.id, [("sim-0002", 1, 0)])
    download_on(run, "sim-0002")
    assert said("sim-0002")[0].startswith("not done: Patchyard itself failed here")
    assert run.at_work == {}
    download_on(run, "stranger")
    assert "not in the inventory" in said("stranger")[0]


class TestAttaching:
    """A download that is still at work: whoever comes next waits for it and begins none anew."""

    def begun(self, run: Run, name: str, workplace: Workplace) -> None:
        """A controller that died after it had let a slow download begin."""
        part = plan(run, name)
        workplace.yard.cause(name, Fault.SLOW_INSTALL, "1.5")
        action = download_of(part)
        run.store.begin_step(run.id, name, action.key, action.model_dump(mode="json"), run.clock())
        machine = workplace.machine(name)
        shop = run.workshop()
        with shop.link(machine) as link, pytest.raises(TimedOut):
            operations.download(shop.bench(machine, link), action, now() + timedelta(seconds=0.5))
        workplace.yard.heal(name, Fault.SLOW_INSTALL)

    def test_the_next_controller_attaches_to_it(self, workplace: Workplace, run: Run) -> None:
        name = "sim-0005"
        self.begun(run, name, workplace)
        download_on(run, name)
        (step,) = steps(run, name)
        assert not step.open
        fetched = workplace.yard.fetched(name)
        assert len(fetched) == len(set(fetched)) == len(step.action["packages"])
        assert said(name)[0].startswith(f"{len(fetched)} updates, ")

    def test_the_machine_s_run_waits_for_it_and_goes_its_way(
        self, workplace: Workplace, run: Run
    ) -> None:
        name = "sim-0006"
        self.begun(run, name, workplace)
        work_on(run, name)
        (record,) = run.store.machines(run.id)
        assert record.status.good, record.reason
        first, second, *_ = steps(run, name)
        assert (first.key, second.key) == (DOWNLOAD, "preflight-0")
        assert first.finished_at is not None
        assert first.finished_at <= second.started_at
        fetched = workplace.yard.fetched(name)
        assert len(fetched) == len(set(fetched)) == len(first.action["packages"])

    def test_a_cancelled_run_does_not_stay_with_it(
        self, workplace: Workplace, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = "sim-0008"
        monkeypatch.setattr("patchyard.downloading.TURN", timedelta(seconds=1))
        self.begun(run, name, workplace)
        shop, machine = run.workshop(), workplace.machine(name)
        cancelled = replace(shop, cancelled=lambda: True)
        monkeypatch.setattr(run, "workshop", lambda: cancelled)
        download_on(run, name)
        assert said(name) == ["not done: the run was cancelled; the machine was left at it"]
        with shop.link(machine) as link:
            bench = shop.bench(machine, link)
            again = Download.model_validate(steps(run, name)[0].action)
            operations.download(bench, again, now() + OWNER_TTL)


def test_two_threads_of_a_run_do_not_meet_on_a_machine(
    workplace: Workplace, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window opens while a download goes on: the one waits for the other, with its lease."""
    name = "sim-0004"
    plan(run, name)
    workplace.yard.cause(name, Fault.SLOW_INSTALL, "1")
    begun, leased = threading.Event(), list[bool]()
    say = run.say

    def hear(machine: str, step: str, text: str) -> None:
        say(machine, step, text)
        if text == "started":
            leased.append(name in run.at_work)
            begun.set()

    monkeypatch.setattr(run, "say", hear)
    ahead = threading.Thread(target=download_on, args=(run, name))
    ahead.start()
    assert begun.wait(20)
    work_on(run, name)
    ahead.join(20)
    workplace.yard.heal(name, Fault.SLOW_INSTALL)
    first, *rest = steps(run, name)
    assert first.key == DOWNLOAD
    assert first.finished_at is not None
    assert all(step.started_at >= first.finished_at for step in rest)
    assert all(leased)
    (record,) = run.store.machines(run.id)
    assert record.status.good, record.reason
    assert run.at_work == {}
