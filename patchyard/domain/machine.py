"""The machine's state machine: what comes next for one machine, from its recorded steps alone.

The procedure is written as a plain sequence (`patching`, `undoing`). To learn what comes next it
is replayed: every recorded step is compared with what the procedure asks for and its result is
handed in, until the record ends. So a run that was killed goes on by asking again, and the same
record always leads to the same answer.
"""

from __future__ import annotations

from datetime import datetime
from types import MappingProxyType

from patchyard.domain.actions import Action, Finish, Install, Look, Reboot, Wait
from patchyard.domain.admission import EXCEEDED
from patchyard.domain.downloading import without_downloads
from patchyard.domain.hooking import call_after, ended_early, without_after
from patchyard.domain.outcome import Status
from patchyard.domain.patching import patch_procedure
from patchyard.domain.procedure import Ended, Procedure
from patchyard.domain.record import Fault, MachineRun, Result, Step
from patchyard.domain.undoing import undo_past

_TOUCHED = MappingProxyType(
    {
        Status.REFUSED: Status.FAILED,
        Status.UNREACHABLE: Status.LOST_CONTACT,
        Status.NOT_STARTED: Status.CANCELLED,
    }
)
"""What the end of a machine is called after all, where something on it was changed before."""


def next_step(run: MachineRun, now: datetime) -> Action | Wait | Finish:
    """Say what comes next for a machine.

    An action that was recorded and not finished is returned again as it was recorded: whoever
    carries it out attaches to what was begun. Where the run has a window, an install or a reboot
    that does not fit is not begun: the procedure is told so and goes on without it. That needs no
    record of its own, for the record then goes on with something else.

    Hooks after the machine are called once it has come to its end, whatever that is. What was
    downloaded ahead is no part of it.
    """
    run = without_downloads(run)
    worked = without_after(run)
    step = _next_of(worked, now)
    if isinstance(step, Finish):
        return call_after(run, step)
    # A hook after the machine was begun on: it had come to its end before, by a cancel.
    return step if worked is run else call_after(run, ended_early())


def _next_of(run: MachineRun, now: datetime) -> Action | Wait | Finish:
    """Say what comes next, but for the hooks after the machine."""
    late = _too_late_to_begin(run, now)
    if late:
        return Finish(status=Status.NOT_STARTED, reason=late)
    procedure = _procedure(run)
    try:
        wanted = next(procedure)
        for step in run.steps:
            if run.room is not None and step.action.key != wanted.key:
                wanted = _without(procedure, run, wanted, step.started_at)
            if step.action.key != wanted.key:
                return _diverged(step, wanted)
            if step.finished_at is None:
                return step.action
            wanted = procedure.send(step)
        while _does_not_fit(run, wanted, now):
            wanted = _without(procedure, run, wanted, now)
    except StopIteration as stop:
        return _touched(run, stop.value)
    if isinstance(wanted, Look) and wanted.not_before is not None and wanted.not_before > now:
        return Wait(until=wanted.not_before)
    return wanted


def _too_late_to_begin(run: MachineRun, now: datetime) -> str:
    """Say why a machine is not begun at all; nothing where it may be, or has been."""
    return "" if run.room is None or run.steps else run.room.refuses(run.plan.updates, now)


def too_late_to_start(run: MachineRun, now: datetime) -> str:
    """Say why a machine that is off is not even started; nothing where it may be."""
    return "" if run.room is None or run.steps else run.room.refuses_start(run.plan.updates, now)


def _does_not_fit(run: MachineRun, wanted: Action, now: datetime) -> str:
    """Say why what is wanted does not fit into the window; nothing where it does."""
    if run.room is None:
        return ""
    match wanted:
        case Install():
            keys = {package.key for package in wanted.packages}
            return run.room.refuses((u for u in run.plan.updates if u.key in keys), now)
        case Reboot():
            return run.room.refuses_reboot(now)
        case _:
            return ""


def _without(procedure: Procedure, run: MachineRun, wanted: Action, at: datetime) -> Action:
    """Tell the procedure that what it wants did not fit, and return what it wants then."""
    if not isinstance(wanted, Install | Reboot):
        return wanted
    detail = _does_not_fit(run, wanted, at) or f"{EXCEEDED}: it did not fit when it was its turn"
    fault = Fault(code=EXCEEDED, detail=detail)
    return procedure.send(
        Step(action=wanted, started_at=at, finished_at=at, result=Result(fault=fault))
    )


def _diverged(step: Step, wanted: Action) -> Finish:
    """The record was made under other rules. Guessing could do a thing twice: a person decides."""
    return Finish(
        status=Status.NEEDS_REPAIR,
        reason=f"the record has step {step.action.key!r} where the present rules want "
        f"{wanted.key!r}; look at the machine and start a new run",
    )


def _touched(run: MachineRun, finish: Finish) -> Finish:
    """Nothing is called untouched that was changed: a repair, a restart or a reboot is a change."""
    status = _TOUCHED.get(finish.status)
    if status is None or not run.changed:
        return finish
    return finish.model_copy(update={"status": status})


def _procedure(run: MachineRun) -> Procedure:
    try:
        if run.undo is not None:
            return (yield from undo_past(run, run.undo))
        return (yield from patch_procedure(run))
    except Ended as ended:
        return ended.finish
