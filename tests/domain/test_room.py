"""A machine in a window: what does not fit is not begun, and a reboot that does not fit is owed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from patchyard.domain.actions import CHANGES, Finish, Install, Reboot, RestartServices
from patchyard.domain.admission import EXCEEDED, History, Sample
from patchyard.domain.inventory import OsFamily, Policy
from patchyard.domain.machine import next_step, too_late_to_start
from patchyard.domain.outcome import Status
from patchyard.domain.path import RebootSetting
from patchyard.domain.record import MachineRun
from patchyard.domain.room import WindowRoom
from patchyard.domain.updates import Classification
from patchyard.testing.assessments import NOON, machine_plan, planned
from tests.domain.fake_machine import FakeMachine, Nature, Story, drive
from tests.domain.strategies import unhurried

SECOND = timedelta(seconds=1)
PLAN = machine_plan(planned("a"), planned("b"))
BEFORE = {"a:amd64": "1", "b:amd64": "1"}
AFTER = {"a:amd64": "2", "b:amd64": "2"}


def quick(reboot: int = 20) -> History:
    """A machine that was seen to be quick, often enough to be trusted."""
    classes = frozenset(Classification)
    sample = Sample(2, classes, 5 * SECOND)
    return History((sample,) * 5, (sample,) * 5, (reboot * SECOND,) * 5)


def run_in(seconds: int, history: History | None = None, **changes: Any) -> MachineRun:
    """A run whose window has so many seconds left when it begins."""
    history = quick() if history is None else history
    room = WindowRoom(NOON + seconds * SECOND, OsFamily.DEBIAN, history)
    run = MachineRun("r1", PLAN, Policy(), RebootSetting.IF_REQUIRED, room=room)
    return replace(run, **changes)


def story(run: MachineRun, **nature: Any) -> Story:
    packages = dict(BEFORE) if run.plan.updates else dict(AFTER)
    return drive(run, FakeMachine(Nature(**nature), packages, AFTER))


def begun(told: Story, kind: Any) -> list[str]:
    return [action.key for action in told.actions if isinstance(action, kind)]


def test_what_fits_is_patched_as_ever() -> None:
    told = story(run_in(300), owes_reboot=True)

    assert told.finish.status == Status.SUCCEEDED
    assert begun(told, Reboot) == ["reboot"]


def test_a_machine_that_does_not_fit_is_not_even_looked_at() -> None:
    told = story(run_in(49))

    assert told.actions == []
    assert told.finish.status == Status.NOT_STARTED
    assert told.finish.reason == (
        f"{EXCEEDED}: 49s are left of the window, and install 5s, reboot 20s, undo 25s are needed"
    )
    assert story(run_in(50)).actions != []


def test_a_machine_that_is_off_is_started_only_where_its_start_fits_too() -> None:
    history = replace(quick(), starts=(30 * SECOND,) * 5)

    assert too_late_to_start(run_in(80, history), NOON) == ""
    assert too_late_to_start(run_in(79, history), NOON) == (
        f"{EXCEEDED}: 1m19s are left of the window, "
        "and start 30s, install 5s, reboot 20s, undo 25s are needed"
    )
    assert story(run_in(79, history)).finish.status == Status.SUCCEEDED  # it is on
    assert too_late_to_start(replace(run_in(0), room=None), NOON) == ""


def test_without_history_the_published_numbers_count() -> None:
    assert story(run_in(49 * 60, History())).finish.status == Status.NOT_STARTED
    assert story(run_in(51 * 60, History())).finish.status == Status.SUCCEEDED


def test_what_fitted_at_first_and_no_more_when_it_is_its_turn_is_not_installed() -> None:
    told = story(run_in(60), locked=(0, 25))

    assert begun(told, CHANGES) == []
    assert told.finish.status == Status.NOT_STARTED
    assert told.finish.reason.startswith(EXCEEDED)


def test_a_reboot_that_does_not_fit_is_owed_and_the_machine_verified() -> None:
    told = story(run_in(140), owes_reboot=True, takes=30)

    assert begun(told, Install) == ["install-0-0"]
    assert begun(told, Reboot) == []
    assert told.finish.status == Status.COMPLETED_WITH_WARNINGS
    assert f"{EXCEEDED}: reboot_owed" in told.finish.reason
    assert "verify" in [action.key for action in told.actions]


def test_services_are_restarted_where_the_reboot_is_owed() -> None:
    told = story(run_in(140), owes_reboot=True, restarts=True, takes=30)

    assert begun(told, RestartServices) == ["restart"]
    assert f"{EXCEEDED}: reboot_owed" in told.finish.reason


def test_the_next_window_does_the_reboot_although_nothing_is_to_be_installed() -> None:
    empty = PLAN.model_copy(update={"updates": ()})
    told = story(run_in(60, plan=empty), owes_for_ever=True)

    assert begun(told, Install) == []
    assert begun(told, Reboot) == ["reboot"]


def test_undo_is_done_however_late_it_is() -> None:
    told = story(run_in(140), bad=frozenset({"a:amd64"}), takes=30)

    assert told.finish.status == Status.ROLLED_BACK


@given(st.integers(0, 400), st.booleans(), st.integers(1, 60), st.integers(0, 30))
@settings(unhurried, max_examples=200)
def test_nothing_begins_that_does_not_fit_and_a_record_tells_the_same_again(
    seconds: int, owes: bool, takes: int, stop_at: int
) -> None:
    run = run_in(seconds)
    told = story(run, owes_reboot=owes, takes=takes)
    for step in told.run.steps:
        if isinstance(step.action, Reboot):
            assert run.room is not None
            assert not run.room.refuses_reboot(step.started_at)
    again = replace(told.run, steps=told.run.steps[:stop_at])
    much_later = told.run.steps[-1].started_at + 999 * SECOND if told.run.steps else NOON
    answer = next_step(again, much_later)
    if stop_at >= len(told.run.steps):
        assert isinstance(answer, Finish)
        assert answer.status == told.finish.status
    assert not (isinstance(answer, Finish) and "look at the machine" in answer.reason)
    assert not (isinstance(answer, Install | Reboot) and answer not in told.actions)
