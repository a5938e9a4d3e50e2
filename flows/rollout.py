"""Interpreting the rollout: what it says comes next is started, waited for, or the end."""

from __future__ import annotations

from collections import deque
from datetime import timedelta

from flows.announcing import ways
from flows.approval import ask_approval
from flows.crew import Crew
from flows.window import Window
from patchyard.domain.plan import Plan
from patchyard.domain.rollout import (
    AskApproval,
    Done,
    Fetch,
    Halt,
    Start,
    Step,
    WaitUntil,
    next_step,
)
from patchyard.hooks.around import Around
from patchyard.openings import Closed, Opening
from patchyard.parameters import PatchParameters, RollbackParameters
from patchyard.planner import RecordedRollout, interrupted, note_downloads, select_machines
from patchyard.runs import Run
from tasks.assess import assess_batch
from tasks.patch import download_batch, work_batch

TURN = timedelta(seconds=1)
"""Longest time between two questions to the rollout: so soon is a cancel or a finish seen."""

LONG_TURN = timedelta(seconds=5)
"""The same while a time is waited for, which may be a day."""


def assess_all(run: Run, window: Window, *, refresh: bool) -> None:
    """Assess every machine in scope, as many at a time as the run has slots."""
    names = select_machines(run)
    window.begin("assess", len(names))
    waiting = deque(names)
    with Crew(run, assess_batch, [names], refresh=refresh) as crew:
        while (waiting or crew.working) and not run.cancelled():
            while waiting and crew.working < run.slots:
                crew.start([waiting.popleft()])
            run.pause(TURN)
            crew.insist()
            window.progress()
    window.assessed()


def roll_out(
    run: Run, window: Window, plan: Plan, parameters: PatchParameters | RollbackParameters
) -> str | Closed:
    """Carry a plan out in waves. Answers why it was halted; empty where it was not.

    Machines that an earlier controller of this run had begun are taken up first. Hooks after it
    are called however it ends; where this controller dies, by the one that takes the run up.
    Nothing was done, and no hook called, where the run's window is not what it was when it opens.

    Raises:
        Refused: another controller has the run by now.
    """
    window.begin(run.record.kind, sum(len(wave) for wave in plan.waves))
    around = Around(run, plan, ways(), getattr(parameters, "forgive", ()))
    ended = _carry_out(run, window, plan, parameters, around)
    run.must_be_ours()
    return ended if isinstance(ended, Closed) else around.end(ended)


def _next(run: Run, rollout: RecordedRollout, around: Around) -> Step:
    """Do what comes after a wave, which may stop the run, and say what comes next."""
    run.must_be_ours()
    now = rollout.now()
    return next_step(rollout.now() if around.turn(now) else now, run.clock())


def _carry_out(
    run: Run,
    window: Window,
    plan: Plan,
    parameters: PatchParameters | RollbackParameters,
    around: Around,
) -> str | Closed:
    rollout, opening = RecordedRollout(run, plan, parameters), Opening(run)
    note_downloads(run, plan)
    window.prepares()
    with (
        Crew(run, download_batch, plan.waves) as ahead,
        Crew(run, work_batch, plan.waves, verb=run.record.kind) as crew,
    ):
        crew.start(interrupted(run))
        while True:
            step = _next(run, rollout, around)
            if closed := opening.closed(beginning=isinstance(step, Start)):
                return closed
            match step:
                case Done():
                    return ""
                case Halt() if not interrupted(run):
                    return step.reason
                case AskApproval():
                    by = getattr(parameters, "approvers", [])
                    if refused := ask_approval(run, window, plan, step.wave, by):
                        return refused
                    rollout = RecordedRollout(run, plan, parameters)
                case _:
                    window.waits(step)
                    _turn(run, rollout, around, step, ahead, crew)
            ahead.insist()
            crew.insist()
            window.progress()


def _turn(
    run: Run, rollout: RecordedRollout, around: Around, step: Step, ahead: Crew, crew: Crew
) -> None:
    """Begin on the machines that may be begun on, or wait for a turn."""
    match step:
        case Start():
            if around.begin(step.machines) and rollout.start(step.machines):
                crew.start(step.machines)
        case Fetch():
            machines = step.machines[: run.slots - ahead.working]
            run.to_download.difference_update(machines)
            ahead.start(machines)
            run.pause(TURN)
        case WaitUntil():
            run.pause(min(LONG_TURN, max(TURN, step.at - run.clock())))
        case _:
            run.pause(TURN)
