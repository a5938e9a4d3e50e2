"""Hooks of one machine: when each is called, and what follows where one fails.

Those before it are called after the preflight, in the procedure. Those after it stand outside of
the procedure: they are called whatever its end was, and only where it had got as far as theirs.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace

from patchyard.domain.actions import Action, Call, Download, Finish, Look, Repair
from patchyard.domain.around import OnFailure
from patchyard.domain.outcome import Status
from patchyard.domain.procedure import NOT_REACHED, Ended, result_of, stop_on_fault
from patchyard.domain.record import MachineRun, Step

FAILED = "hook_failed"
"""The code of a hook that ended badly."""

TIMED_OUT = "hook_timed_out"
"""The code of a hook that took longer than it may."""

UNKNOWN = "hook_unknown"
"""The code of a hook that was begun, whose end nobody saw, and that may not be called again."""


def call_before(run: MachineRun) -> Generator[Action, Step, None]:
    """Call the hooks before a machine; one that fails may leave the machine alone."""
    for call in _calls(run, "before"):
        step = yield call
        fault = result_of(step).fault
        if fault is None:
            continue
        if fault.code in NOT_REACHED:
            stop_on_fault(run, step)
        if call.hook.on_failure != OnFailure.WARN:
            reason = f"{_told(step)}; the machine was left alone"
            raise Ended(Finish(status=Status.REFUSED, reason=reason))


def call_after(run: MachineRun, finish: Finish) -> Action | Finish:
    """Return the hook that is to be called now that a machine has come to its end, or the end."""
    if not _reached_hooks(run):
        return finish
    recorded = {step.action.key: step for step in run.steps}
    for call in _calls(run, "after", finish):
        step = recorded.get(call.key)
        if step is None:
            return call
        if step.finished_at is None:
            return step.action
    return _with_failures(run, finish)


def without_after(run: MachineRun) -> MachineRun:
    """Return a machine's run without the steps of hooks after it; the same where there are none."""
    steps = tuple(step for step in run.steps if not _is_after(step))
    return run if len(steps) == len(run.steps) else replace(run, steps=steps)


def ended_early() -> Finish:
    """Return the end of a machine that nothing was done to."""
    return Finish(status=Status.CANCELLED, reason="cancelled before anything was done")


def stopping(steps: Iterable[Step]) -> Iterator[str]:
    """Tell the hooks of a machine whose failure stops the whole run.

    Where the machine itself could not be reached that is the machine's failure, not the hook's.
    """
    for step in steps:
        action, fault = step.action, result_of(step).fault
        if not isinstance(action, Call) or fault is None or fault.code in NOT_REACHED:
            continue
        if action.hook.on_failure == OnFailure.STOP:
            yield _told(step)


def _calls(run: MachineRun, when: str, finish: Finish | None = None) -> Iterator[Call]:
    for number, hook in enumerate(run.hooks):
        if hook.of == "machine" and hook.when == when:
            status, reason = (finish.status, finish.reason) if finish else (None, "")
            yield Call(key=f"hook-{when}-{number}", hook=hook, status=status, reason=reason)


def _reached_hooks(run: MachineRun) -> bool:
    """Say whether more than the preflight was done: hooks before it were called, or would be."""
    return any(not isinstance(step.action, Look | Repair | Download) for step in run.steps)


def _is_after(step: Step) -> bool:
    return isinstance(step.action, Call) and step.action.hook.when == "after"


def _told(step: Step) -> str:
    fault, action = result_of(step).fault, step.action
    assert isinstance(action, Call)  # noqa: S101 - asked of hooks only
    return f"hook {action.hook.name}: {fault.detail if fault else 'done'}"


def _with_failures(run: MachineRun, finish: Finish) -> Finish:
    """Tell failed hooks beside the verdict: a machine with one has not simply succeeded."""
    calls = [step for step in run.steps if isinstance(step.action, Call)]
    told = [_told(step) for step in calls if result_of(step).fault is not None]
    new = [each for each in told if each not in finish.reason]
    if not new:
        return finish
    fine = finish.status == Status.SUCCEEDED
    status = Status.COMPLETED_WITH_WARNINGS if fine else finish.status
    return Finish(status=status, reason="; ".join([finish.reason, *new]))
