"""Patch a fleet: assess, freeze a plan, install it in waves, verify, undo what went bad."""

from __future__ import annotations

from collections.abc import Callable

from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from flows.recorded import closed_state, flow_run_id, recorded_flow, state_of
from flows.rollout import assess_all, roll_out
from flows.window import Window
from patchyard.account import close, closed_report, report_of
from patchyard.advised import ready
from patchyard.domain.report import RunReport
from patchyard.openings import Closed, enter
from patchyard.parameters import PatchParameters
from patchyard.planner import drift_of, plan_of, plan_run
from patchyard.powering import put_all_back
from patchyard.runs import Run, begin


def _run_name() -> str:
    """Name a run after its window, as it was booked: what was seen ahead is known again."""
    given = PatchParameters.model_validate(flow_run.parameters["parameters"])
    return given.window.key if given.window else f"patch {given.inventory} [{given.scope}]"


@recorded_flow("patch", _run_name)
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
    ready(parameters.fixes)
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
            return _not_let_in(run, window, closed)
        plan = plan_of(run)
        if plan is None:
            assess_all(run, window, refresh=True)
            run.must_be_ours()
            plan = plan_run(run, parameters)
        window.planned(plan)
        halted: str | Closed = ""
        if not parameters.dry_run:
            halted = roll_out(run, window, plan, parameters)
        if isinstance(halted, Closed):
            return _not_let_in(run, window, halted)
        put_all_back(run)
        report = report_of(run, plan=plan, halted_because=halted, drift=drift_of(run, plan))
        return state_of(close(run, window.publish(report)))


def _not_let_in(run: Run, window: Window, closed: Closed) -> State[RunReport]:
    """End a run that nothing was done in, and name its state after why."""
    return closed_state(close(run, window.publish(closed_report(run, closed))), closed.word)
