"""Undo a past run: back to exactly the versions that its machines had before it."""

from __future__ import annotations

from prefect.client.schemas.objects import State

from flows.recorded import flow_run_id, recorded_flow, state_of
from flows.rollout import roll_out
from flows.window import Window
from patchyard.account import close, report_of
from patchyard.domain.report import RunReport
from patchyard.parameters import RollbackParameters
from patchyard.powering import put_all_back
from patchyard.runs import begin
from patchyard.taking_back import past_run, plan_rollback


@recorded_flow("rollback", "rollback {parameters.run_id}")
def rollback(parameters: RollbackParameters) -> State[RunReport]:
    """Undo a past run, or some of its machines.

    Its hooks are called, and told that this is a rollback; and who was told of it is told again.
    With `dry_run` on, it is said what would go back; nothing is changed.

    Args:
        parameters: which run, and which of its machines.
    """
    past = past_run(parameters)
    with (
        begin(
            "rollback",
            inventory=past.inventory,
            scope=past.scope,
            parameters=past.parameters,
            flow_run_id=flow_run_id(),
            resume=parameters.resume,
        ) as run,
        Window(run) as window,
    ):
        plan = plan_rollback(run, past)
        window.planned(plan)
        halted = ""
        if not parameters.dry_run:
            halted = str(roll_out(run, window, plan, parameters))
        put_all_back(run)
        report = report_of(run, plan=plan, halted_because=halted)
        return state_of(close(run, window.publish(report)))
