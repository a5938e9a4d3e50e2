"""Patch a fleet: assess, freeze a plan, install it in waves, verify, undo what went bad."""

from __future__ import annotations

from collections.abc import Callable

from prefect.client.schemas.objects import State

from flows.recorded import closed_state, flow_run_id, recorded_flow, state_of
from flows.rollout import assess_all, roll_out
from flows.window import Window
from patchyard.account import close, closed_report, report_of
from patchyard.domain.report import RunReport
from patchyard.openings import Closed, enter
from patchyard.parameters import PatchParameters
from patchyard.planner import drift_of, plan_of, plan_run
from patchyard.powering import put_all_back
from patchyard.runs import Run, begin


@recorded_flow("patch", "patch {parameters.inventory} [{parameters.scope}]")
def patch(parameters: PatchParameters) -> State[RunReport]:
    """Patch the machines of a scope.

    With `dry_run` on, the fleet is assessed and a plan is frozen and shown; nothing is changed.

    Args:
        parameters: what to patch, with what, and how carefully.
    """
    return carry_out("patch", parameters)


def carry_out(
    kind: str, parameters: PatchParameters, let_in: Callable[[Run], Closed | None] = enter
) -> State[RunReport]:
    """Patch as the parameters say. `let_in` says why a run may not begin, if it may not."""
    with (
        begin(
            kind,
            inventory=parameters.inventory,
            scope=parameters.scope,
            parameters=parameters.model_dump(mode="json"),
            flow_run_id=flow_run_id(),
            resume=parameters.resume,
        ) as run,
        Window(run) as window,
    ):
        closed = let_in(run)
        if closed is not None:
            return closed_state(close(run, window.publish(closed_report(run, closed))), closed.word)
        plan = plan_of(run)
        if plan is None:
            assess_all(run, window, refresh=True)
            run.must_be_ours()
            plan = plan_run(run, parameters)
        window.planned(plan)
        halted = ""
        if not parameters.dry_run:
            halted = roll_out(run, window, plan, parameters)
        put_all_back(run)
        report = report_of(run, plan=plan, halted_because=halted, drift=drift_of(run, plan))
        return state_of(close(run, window.publish(report)))
