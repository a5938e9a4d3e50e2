"""Interpreting the rollout: what it says comes next is submitted, waited for, or the end."""

from __future__ import annotations

from collections import deque
from datetime import timedelta

from prefect.futures import PrefectFuture

from flows.window import Window
from patchyard.domain.plan import Plan
from patchyard.domain.rollout import Done, Halt, Start, WaitForMachines, WaitUntil, next_step
from patchyard.parameters import PatchParameters, RollbackParameters
from patchyard.planner import interrupted, mark_started, rollout_of, select_machines
from patchyard.runs import Run
from tasks.assess import assess_batch
from tasks.batches import batch_size, batches, label
from tasks.patch import work_batch

TURN = timedelta(seconds=0.5)
"""Longest time between two questions to the rollout: so soon is a cancel or a finish seen."""


def assess_all(run: Run, window: Window, *, refresh: bool) -> None:
    """Assess every machine in scope, a bounded number at a time."""
    names = select_machines(run)
    window.begin("assess", len(names))
    slots = int(str(run.record.parameters.get("slots", 10)))
    size = min(batch_size(len(names)), slots)
    waiting = deque(batches(names, size))
    working: list[PrefectFuture[None]] = []
    while (waiting or working) and not run.cancelled():
        while waiting and len(working) * size < slots:
            batch = waiting.popleft()
            working.append(assess_batch.submit(run.id, label(batch), batch, refresh=refresh))
        run.pause(TURN)
        working = [future for future in working if not future.state.is_final()]
        window.progress()
    window.assessed()


def roll_out(
    run: Run, window: Window, plan: Plan, parameters: PatchParameters | RollbackParameters
) -> str:
    """Carry a plan out in waves. Answers why it was halted; empty where it was not.

    Machines that an earlier controller of this run had begun are taken up first.
    """
    total = sum(len(wave) for wave in plan.waves)
    window.begin(run.record.kind, total)
    size = min(batch_size(total), max(1, parameters.slots // 2))
    for batch in batches(interrupted(run), size):
        work_batch.submit(run.id, run.record.kind, label(batch), batch)
    while True:
        step = next_step(rollout_of(run, plan, parameters), run.clock())
        match step:
            case Start():
                for batch in batches(step.machines, size):
                    mark_started(run, batch)
                    work_batch.submit(run.id, run.record.kind, label(batch), batch)
            case WaitUntil() | WaitForMachines():
                run.pause(TURN)
            case Halt() if interrupted(run):
                run.pause(TURN)
            case Halt():
                return step.reason
            case Done():
                return ""
        window.progress()
