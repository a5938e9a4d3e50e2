"""Power over the record of a run: what is owed is put back, and never under somebody's hands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from patchyard import powering
from patchyard.account import report_of
from patchyard.domain.actions import Finish
from patchyard.domain.admission import EXCEEDED
from patchyard.domain.inventory import Machine
from patchyard.domain.outcome import Status
from patchyard.domain.plan import Plan
from patchyard.domain.power import PowerState
from patchyard.errors import PowerFailed, PowerTimedOut
from patchyard.fleet import assess_machine, work_on
from patchyard.leasing import lease_key
from patchyard.parameters import PatchParameters
from patchyard.planner import RecordedRollout
from patchyard.powering import arrive_at, leave, on_for_a_look, put_all_back
from patchyard.runs import OWNER_TTL, Run, begin, now
from patchyard.store import PowerStart, RunRecord
from patchyard.testing.assessments import machine_plan, planned
from tests.store.samples import plan

INVENTORY = """
machines:
  db-1:
    address: 127.0.0.9
    power: {command: {state: [p], start: [p], stop: [p]}}
    policy: {when_off: start, reboot_seconds: 10}
"""


class Switch:
    """The power of db-1, without the machine."""

    def __init__(self) -> None:
        self.is_on = True
        self.asked: list[str] = []
        self.deaf = False
        self.on_start: Callable[[], None] = lambda: None
        self.refuses = PowerFailed("no current")

    def state(self) -> PowerState:
        return PowerState.ON if self.is_on else PowerState.OFF

    def start(self) -> None:
        self.asked.append("start")
        self.on_start()
        raise self.refuses

    def stop(self) -> None:
        self.asked.append("stop")
        self.is_on = self.deaf


@pytest.fixture
def switch(monkeypatch: pytest.MonkeyPatch) -> Switch:
    switch = Switch()
    monkeypatch.setattr(powering, "open_switch", lambda machine, inventory: switch)  # noqa: ARG005
    return switch


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("PATCHYARD_HOME", str(tmp_path / "home"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "machines.yaml").write_text(INVENTORY)
    with begin(
        "patch",
        inventory=str(tmp_path / "mine"),
        scope="all",
        parameters={"slots": 2},
        flow_run_id="",
    ) as run:
        later = timedelta(0)

        def sleep(seconds: float) -> None:
            nonlocal later
            later += timedelta(seconds=seconds)

        run.clock = lambda: now() + later
        run.sleep = sleep
        run.store.add_machines(run.id, [("db-1", 1, 0)])
        yield run


def db(run: Run) -> Machine:
    return run.machine("db-1")


def owing(run: Run, status: Status = Status.SUCCEEDED) -> None:
    """Let the run have started db-1, and its work on it have ended so."""
    run.store.record_start(run.id, "db-1", run.clock())
    run.store.set_machine(run.id, "db-1", status, "as it went", run.clock())


def debt(run: Run) -> PowerStart:
    (found,) = run.store.power_starts(run.id)
    return found


def verdict(run: Run) -> tuple[Status, str]:
    (record,) = run.store.machines(run.id)
    return record.status, record.reason


def another_run(run: Run, at: datetime) -> RunRecord:
    other = RunRecord("patch-other", "patch", "mine", "all", {}, Status.IN_PROGRESS, at)
    run.store.create_run(other)
    run.store.acquire_lease(lease_key(db(run)), other.id, "elsewhere/1/1", at, OWNER_TTL)
    return other


@pytest.mark.parametrize(
    "status", [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.NOT_STARTED]
)
def test_what_is_owed_is_put_back_however_it_went(run: Run, switch: Switch, status: Status) -> None:
    owing(run, status)

    put_all_back(run)

    assert not switch.is_on
    assert debt(run).off_at is not None
    assert verdict(run) == (status, "as it went")
    put_all_back(run)
    assert switch.asked == ["stop"]
    assert run.at_work == {}


def test_a_machine_that_this_run_did_not_start_is_not_stopped(run: Run, switch: Switch) -> None:
    put_all_back(run)
    assert leave(run, db(run), Status.SUCCEEDED) == ""
    assert switch.asked == []


def test_a_machine_that_was_lost_is_left_on(run: Run, switch: Switch) -> None:
    owing(run, Status.LOST_CONTACT)

    put_all_back(run)

    assert switch.asked == []
    assert (debt(run).off_at, "may still be at work" in debt(run).left_on) == (None, True)
    assert verdict(run)[0] == Status.LOST_CONTACT
    assert "it is still on: contact with it was lost" in verdict(run)[1]


def test_a_machine_with_an_act_of_which_no_end_is_recorded_is_left_on(
    run: Run, switch: Switch
) -> None:
    owing(run, Status.FAILED)
    run.store.begin_step(run.id, "db-1", "install-0-0", {"kind": "install"}, run.clock())

    put_all_back(run)

    assert switch.asked == []
    assert "its end is not known" in debt(run).left_on


def test_a_machine_that_another_run_works_on_is_left_on(run: Run, switch: Switch) -> None:
    owing(run)
    other = another_run(run, run.clock())

    put_all_back(run)

    assert switch.asked == []
    assert f"run {other.id} has this machine" in debt(run).left_on
    assert verdict(run)[0] == Status.COMPLETED_WITH_WARNINGS
    assert "as it went; it is still on: run patch-other" in verdict(run)[1]


def test_a_machine_that_does_not_go_off_is_told_after_its_limit(run: Run, switch: Switch) -> None:
    owing(run)
    switch.deaf = True

    put_all_back(run)

    assert switch.asked == ["stop"]
    assert "10 s after it was told to stop its power is on" in debt(run).left_on
    assert verdict(run)[0] == Status.COMPLETED_WITH_WARNINGS


def test_that_a_machine_is_started_is_recorded_before_it_is(
    run: Run, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch.is_on = False
    seen: list[int] = []
    monkeypatch.setattr(switch, "start", lambda: seen.append(len(run.store.power_starts(run.id))))
    monkeypatch.setattr(powering, "_wait_until_there", lambda run, machine: "")  # noqa: ARG005

    assert arrive_at(run, db(run)) is None

    assert seen == [1]
    assert "db-1" in run.at_work


def test_a_start_that_fails_is_unreachable_with_its_reason(run: Run, switch: Switch) -> None:
    switch.is_on = False
    finish = arrive_at(run, db(run))
    assert finish is not None
    assert (finish.status, finish.reason) == (
        Status.UNREACHABLE,
        "it is off, and could not be started: no current",
    )


def test_a_machine_whose_start_does_not_fit_any_more_is_not_started(
    run: Run, switch: Switch
) -> None:
    switch.is_on = False
    finish = arrive_at(run, db(run), lambda: "too late")
    assert finish == Finish(status=Status.NOT_STARTED, reason="too late")
    assert (switch.asked, run.store.power_starts(run.id), run.at_work) == ([], (), {})

    switch.is_on = True
    assert arrive_at(run, db(run), lambda: "too late") is None


@pytest.mark.parametrize(("left", "started"), [(50, False), (70, True)])
def test_in_a_window_a_machine_is_started_where_its_start_and_its_work_fit(
    run: Run, switch: Switch, left: int, *, started: bool
) -> None:
    """One update takes 40 minutes with its reserves, by the published numbers; a start 15."""
    switch.is_on = False
    at = run.clock()
    end = at + timedelta(minutes=left)
    window = {"key": "web@2026-03-29", "start": at - timedelta(hours=1), "end": end}
    run.record.parameters["window"] = window
    part = machine_plan(planned("a")).model_copy(update={"machine": "db-1"})
    run.store.set_plan(run.id, Plan(inventory="mine", scope="all", machines=(part,), waves=()))

    work_on(run, "db-1")

    (record,) = run.store.machines(run.id)
    assert ("start" in switch.asked) is started
    if started:
        assert "no current" in record.reason
    else:
        assert record.status == Status.NOT_STARTED
        assert record.reason.startswith(EXCEEDED)
        assert "start 15m" in record.reason
        assert run.pending == {"db-1"}


@pytest.mark.parametrize(("left", "started"), [(14, False), (16, True)])
def test_in_a_window_a_machine_is_started_to_be_looked_at_where_its_start_fits(
    run: Run, switch: Switch, left: int, *, started: bool
) -> None:
    switch.is_on = False
    at = run.clock()
    end = at + timedelta(minutes=left)
    run.record.parameters["window"] = {"key": "web@x", "start": at - timedelta(hours=1), "end": end}

    assess_machine(run, "db-1", refresh=True)

    (record,) = run.store.machines(run.id)
    assert ("start" in switch.asked) is started
    if started:
        assert record.status == Status.UNREACHABLE
        return
    assert record.status == Status.NOT_STARTED
    assert record.reason.endswith("are left of the window, and start 15m is needed")
    report = report_of(run, plan=None)
    assert (report.status, report.maintenance_window_exceeded) == (Status.FAILED, True)
    assert [machine.name for machine in report.pending] == ["db-1"]


def test_a_machine_that_another_run_has_is_not_started(run: Run, switch: Switch) -> None:
    switch.is_on = False
    another_run(run, run.clock())
    finish = arrive_at(run, db(run))
    assert finish is not None
    assert finish.status == Status.REFUSED
    assert switch.asked == []
    assert run.store.power_starts(run.id) == ()


def test_a_machine_that_went_off_after_a_download_ahead_is_started_as_any_other(
    run: Run, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch.is_on = False
    monkeypatch.setattr(switch, "start", lambda: switch.asked.append("start"))
    monkeypatch.setattr(powering, "_wait_until_there", lambda run, machine: "")  # noqa: ARG005
    run.store.begin_step(run.id, "db-1", "download", {"kind": "download"}, run.clock())
    run.store.finish_step(run.id, "db-1", 1, {}, run.clock())

    assert arrive_at(run, db(run)) is None

    assert switch.asked == ["start"]


def test_a_machine_that_went_off_in_mid_work_is_left_to_its_record(
    run: Run, switch: Switch
) -> None:
    switch.is_on = False
    run.store.begin_step(run.id, "db-1", "install-0-0", {"kind": "install"}, run.clock())
    assert arrive_at(run, db(run)) is None
    assert switch.asked == []


def test_a_machine_that_somebody_else_started_meanwhile_is_left_on_and_told(
    run: Run, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was off when it was looked at; the order failed, and it was on all the same."""
    switch.is_on = False

    def somebody_starts_it() -> None:
        switch.is_on = True

    switch.on_start = somebody_starts_it
    monkeypatch.setattr(powering, "_wait_until_there", lambda run, machine: "")  # noqa: ARG005

    assert arrive_at(run, db(run)) is None
    run.store.set_machine(run.id, "db-1", Status.SUCCEEDED, "as it went", run.clock())
    why = leave(run, db(run), Status.SUCCEEDED)
    put_all_back(run)

    assert why == powering.NOT_OURS
    assert switch.asked == ["start"]
    assert (debt(run).off_at, debt(run).left_on) == (None, powering.NOT_OURS)
    assert verdict(run)[0] == Status.COMPLETED_WITH_WARNINGS
    switch.is_on = False
    assert leave(run, db(run), Status.SUCCEEDED) == ""
    assert debt(run).off_at is not None
    switch.is_on, switch.on_start = False, lambda: None
    run.store.record_start(run.id, "db-1", run.clock())
    assert leave(run, db(run), Status.SUCCEEDED) == ""
    assert debt(run).off_at is not None


def test_a_controller_that_lost_its_run_touches_no_power_of_it(run: Run, switch: Switch) -> None:
    """Whoever has the run by now may be in the middle of a change there."""
    owing(run)
    run.lost.set()

    assert leave(run, db(run), Status.SUCCEEDED) == ""
    put_all_back(run)

    assert switch.asked == []
    assert (debt(run).off_at, debt(run).left_on) == (None, "")
    assert verdict(run) == (Status.SUCCEEDED, "as it went")


def test_after_a_cancel_nothing_is_started(run: Run, switch: Switch) -> None:
    switch.is_on = False
    run.stop.set()

    finish = arrive_at(run, db(run))

    assert finish is not None
    assert (finish.status, switch.asked) == (Status.CANCELLED, [])
    assert run.store.power_starts(run.id) == ()


def test_what_was_begun_is_started_again_after_a_cancel_to_be_brought_to_its_end(
    run: Run, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    owing(run, Status.IN_PROGRESS)
    run.store.begin_step(run.id, "db-1", "install-0-0", {"kind": "install"}, run.clock())
    switch.is_on = False
    run.stop.set()
    monkeypatch.setattr(powering, "_wait_until_there", lambda run, machine: "")  # noqa: ARG005
    assert arrive_at(run, db(run)) is None
    assert switch.asked == ["start"]


def test_a_provider_that_breaks_ends_no_run(
    run: Run, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    owing(run)

    def broken() -> PowerState:
        raise RuntimeError("what was that?")

    monkeypatch.setattr(switch, "state", broken)

    put_all_back(run)

    assert "what was that?" in debt(run).left_on
    assert verdict(run)[0] == Status.COMPLETED_WITH_WARNINGS
    assert run.at_work == {}


def test_a_machine_of_which_nobody_knows_what_became_is_left_on(run: Run, switch: Switch) -> None:
    owing(run, Status.UNKNOWN)
    put_all_back(run)
    assert switch.asked == []
    assert "its end is not known" in debt(run).left_on


def test_a_machine_that_was_put_back_off_is_no_machine_that_is_up(run: Run, switch: Switch) -> None:
    owing(run, Status.NOT_STARTED)
    rollout = RecordedRollout(run, plan("db-1"), PatchParameters(inventory="mine"))
    assert rollout.now().off == frozenset()
    put_all_back(run)
    assert not switch.is_on
    assert rollout.now().off == {"db-1"}
    run.store.record_start(run.id, "db-1", run.clock())
    assert rollout.now().off == frozenset()


def test_a_machine_whose_start_did_not_end_in_time_and_that_is_on_was_started_by_this_run(
    run: Run, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch.is_on, switch.refuses = False, PowerTimedOut("virsh did not end within 60 s")
    switch.on_start = lambda: setattr(switch, "is_on", True)
    monkeypatch.setattr(powering, "_wait_until_there", lambda run, machine: "")  # noqa: ARG005
    assert arrive_at(run, db(run)) is None
    assert leave(run, db(run), Status.SUCCEEDED) == ""
    assert switch.asked == ["start", "stop"]


def test_a_machine_that_never_comes_up_is_unreachable_and_put_back(
    run: Run, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch.is_on = False
    monkeypatch.setattr(switch, "start", lambda: setattr(switch, "is_on", True))
    monkeypatch.setattr(powering, "_wait_until_there", lambda run, machine: "no answer")  # noqa: ARG005
    with on_for_a_look(run, db(run)) as away:
        assert away is not None
        assert away.status == Status.UNREACHABLE
        assert away.reason == "it was off and was started; it was not there in 10 s: no answer"
        assert switch.is_on
    assert (switch.is_on, debt(run).off_at is None) == (False, False)
    assert run.at_work == {}
