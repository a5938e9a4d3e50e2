"""Hooks of one machine: when they are called, and what follows where one fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.actions import CHANGES, Call, Finish, Look, Repair, Wait
from patchyard.domain.around import Hook
from patchyard.domain.hooking import FAILED, UNKNOWN, call_after, ended_early, stopping
from patchyard.domain.machine import next_step
from patchyard.domain.outcome import Status
from patchyard.domain.record import Fault, MachineRun, Result
from patchyard.testing.assessments import machine_plan
from tests.domain.fake_machine import FakeMachine, Nature, Story, drive, recorded
from tests.domain.machine_stories import AFTER, AT_FIRST, BEFORE, TARGET, run_of, story_of


def hook(name: str, when: str, **more: Any) -> Hook:
    given = {"name": name, "when": when, "of": "machine", "command": ["./x"], **more}
    return Hook.model_validate(given)


HOOKS = (hook("drain", "before"), hook("undrain", "after"), hook("tell", "after"))


def story(*hooks: Hook, **nature: Any) -> Story:
    return drive(run_of(hooks=hooks), FakeMachine(Nature(**nature), dict(BEFORE), AFTER))


def called(story: Story) -> list[str]:
    return [a.hook.name for a in story.actions if isinstance(a, Call)]


def test_a_run_without_hooks_is_what_it_was() -> None:
    assert [a.key for a in story(*()).actions] == [a.key for a in story_of().actions]


def test_a_record_made_without_hooks_is_replayed_without_them() -> None:
    """Its run carries none, whatever the configuration says by now."""
    made = story_of()
    assert next_step(made.run, made.machine.now) == made.finish


def test_hooks_stand_between_the_preflight_and_the_checks_and_after_the_verdict() -> None:
    told = story(*HOOKS)
    keys = [action.key for action in told.actions]
    assert keys[:3] == ["preflight-0", "hook-before-0", "checks-before"]
    assert keys[-3:] == ["verdict", "hook-after-1", "hook-after-2"]
    assert told.finish.status == Status.SUCCEEDED
    after = [a for a in told.actions if isinstance(a, Call)][1]
    assert (after.status, after.reason) == (Status.SUCCEEDED, told.finish.reason)


def test_hooks_of_runs_and_waves_are_none_of_a_machines() -> None:
    other = Hook.model_validate({"name": "r", "when": "before", "of": "run", "command": ["x"]})
    assert called(story(other)) == []


natures = st.fixed_dictionaries(
    {},
    optional={
        "works_from": st.just({"a:amd64": 9}),
        "bad": st.just(frozenset({"b:amd64"})),
        "faults": st.sampled_from(
            [
                {key: code}
                for key in ("hook-before-0", "install-0-0", "verify", "verdict", "hook-after-1")
                for code in ("unreachable", "script_failed", FAILED, UNKNOWN)
            ]
        ),
        "owes_reboot": st.booleans(),
    },
)


@given(at_first=st.sampled_from(AT_FIRST), nature=natures)
def test_whatever_happens_hooks_after_are_called_once_where_hooks_before_were(
    at_first: dict[str, Any], nature: dict[str, Any]
) -> None:
    told = story(*HOOKS, **{**nature, **at_first})
    names = called_or_tried(told)
    assert names in ([], ["drain", "undrain", "tell"])
    changed = any(isinstance(a, CHANGES) and not isinstance(a, Repair) for a in told.actions)
    assert names or not changed


def called_or_tried(told: Story) -> list[str]:
    return [s.action.hook.name for s in told.run.steps if isinstance(s.action, Call)]


@given(at_first=st.sampled_from(AT_FIRST), nature=natures, at=st.integers(0, 60))
def test_wherever_a_controller_dies_the_next_goes_on_with_what_was_begun(
    at_first: dict[str, Any], nature: dict[str, Any], at: int
) -> None:
    """Cut after any number of steps, the last of them open: the same act comes next."""
    told = story(*HOOKS, **{**nature, **at_first})
    steps = told.run.steps[: 1 + at % max(1, len(told.run.steps))]
    if not steps:
        return
    open_step = steps[-1].model_copy(update={"finished_at": None, "result": None})
    cut = replace(told.run, steps=(*steps[:-1], open_step))
    assert next_step(cut, told.machine.now) == open_step.action


@pytest.mark.parametrize("mode", ["stop", "skip_machine"])
def test_a_hook_before_that_fails_leaves_the_machine_alone(mode: str) -> None:
    told = story(hook("drain", "before", on_failure=mode), faults={"hook-before-0": FAILED})
    assert told.finish.status == Status.REFUSED
    assert told.finish.reason.startswith("hook drain: hook-before-0: hook_failed")
    assert not any(isinstance(action, CHANGES) for action in told.actions)
    assert bool(list(stopping(told.run.steps))) == (mode == "stop")


def test_a_machine_that_is_lost_in_its_hook_is_unreachable_and_stops_no_run() -> None:
    told = story(hook("drain", "before"), faults={"hook-before-0": "unreachable"})
    assert told.finish.status == Status.UNREACHABLE
    assert list(stopping(told.run.steps)) == []


@pytest.mark.parametrize("key", ["hook-before-0", "hook-after-1"])
def test_a_hook_that_only_warns_is_told_beside_the_verdict(key: str) -> None:
    hooks = (hook("a", "before", on_failure="warn"), hook("b", "after", on_failure="warn"))
    told = story(*hooks, faults={key: FAILED})
    assert told.finish.status == Status.COMPLETED_WITH_WARNINGS
    assert told.finish.reason.endswith(f"{key}: hook_failed")


def test_a_machine_that_is_refused_before_its_hooks_needs_none_after() -> None:
    assert called(story(*HOOKS, full=True)) == []


def _until(run: MachineRun, machine: FakeMachine, key: str) -> MachineRun:
    while True:
        action = next_step(run, machine.now)
        assert not isinstance(action, Finish | Wait)
        if action.key == key:
            return run
        run = recorded(run, machine, action)


def test_a_cancel_after_the_hooks_before_calls_those_after_and_is_so_when_taken_up_again() -> None:
    machine = FakeMachine(Nature(), dict(BEFORE), AFTER)
    run = _until(run_of(hooks=HOOKS), machine, "checks-before")
    undrain = call_after(run, ended_early())
    assert isinstance(undrain, Call)
    assert (undrain.hook.name, undrain.status) == ("undrain", Status.CANCELLED)
    run = recorded(run, machine, undrain)
    # The controller dies here; whoever takes it up knows of no cancel.
    tell = next_step(run, machine.now)
    assert isinstance(tell, Call)
    assert tell.hook.name == "tell"
    run = recorded(run, machine, tell)
    assert next_step(run, machine.now) == ended_early()


def test_a_cancel_before_the_hooks_calls_none() -> None:
    machine = FakeMachine(Nature(), dict(BEFORE), AFTER)
    run = _until(run_of(hooks=HOOKS), machine, "hook-before-0")
    assert all(isinstance(step.action, Look) for step in run.steps)
    assert call_after(run, ended_early()) == ended_early()


def test_what_came_of_a_hook_is_its_step() -> None:
    told = story(HOOKS[0])
    assert told.result("hook-before-0") == Result(detail="drain was called")
    failed = story(HOOKS[0], faults={"hook-before-0": FAILED}).result("hook-before-0")
    assert failed == Result(fault=Fault(code=FAILED, detail="hook-before-0: hook_failed"))


# --- taking an earlier run back -------------------------------------------------------------


def taken_back(*hooks: Hook, packages: dict[str, str] | None = None, **nature: Any) -> Story:
    machine = FakeMachine(Nature(**nature), dict(packages or BEFORE), AFTER)
    return drive(run_of(undo=TARGET, plan=machine_plan(), hooks=hooks), machine)


def test_hooks_stand_around_a_rollback_of_a_machine_as_around_its_patch() -> None:
    told = taken_back(*HOOKS)
    keys = [action.key for action in told.actions]
    assert keys[:4] == ["preflight-0", "hook-before-0", "checks-before", "undo-0"]
    assert keys[-2:] == ["hook-after-1", "hook-after-2"]
    assert told.finish.status == Status.ROLLED_BACK


def test_a_machine_that_cannot_be_taken_back_is_not_drained() -> None:
    told = taken_back(*HOOKS, packages=BEFORE | {"a:amd64": "3"})
    assert told.finish.status == Status.REFUSED
    assert called(told) == []


def test_a_hook_before_that_fails_leaves_what_was_to_be_taken_back_as_it_is() -> None:
    told = taken_back(*HOOKS, faults={"hook-before-0": FAILED})
    assert told.finish.status == Status.REFUSED
    assert told.machine.packages == told.before
    assert called(told) == ["drain", "undrain", "tell"]
