"""Assess a fleet: see what every machine has and could have. Nothing is changed."""

from __future__ import annotations

from prefect.client.schemas.objects import State

from flows.recorded import flow_run_id, recorded_flow, state_of
from flows.rollout import assess_all
from flows.window import Window
from patchyard.account import close, report_of
from patchyard.domain.report import RunReport
from patchyard.parameters import AssessParameters
from patchyard.runs import begin
from patchyard.watching import watch_of


@recorded_flow("assess", "assess {parameters.inventory} [{parameters.scope}]")
def assess(parameters: AssessParameters) -> State[RunReport]:
    """Assess the machines of a scope, and tell what has moved in the inventory.

    Args:
        parameters: what to assess.
    """
    with (
        begin(
            "assess",
            inventory=parameters.inventory,
            scope=parameters.scope,
            parameters=parameters.model_dump(mode="json"),
            flow_run_id=flow_run_id(),
        ) as run,
        Window(run) as window,
    ):
        assess_all(run, window, refresh=parameters.refresh)
        return state_of(close(run, window.publish(report_of(run, plan=None, watch=watch_of(run)))))
