"""Emergency: patch now, past those windows, freezes and soaks that are named, and no others."""

from __future__ import annotations

from prefect.client.schemas.objects import State
from prefect.events import emit_event

from flows.patch import carry_out
from flows.recorded import recorded_flow
from patchyard.approving import emergency_of
from patchyard.domain.report import RunReport
from patchyard.emergencies import declared, let_in
from patchyard.openings import Closed
from patchyard.parameters import EmergencyParameters, EmergencyRun
from patchyard.runs import Run, now


@recorded_flow("emergency", "emergency {parameters.inventory} [{parameters.scope}]")
def emergency(parameters: EmergencyParameters) -> State[RunReport]:
    """Patch the machines of a scope now.

    A person must approve the plan. Canary, checks, undo and budget hold as ever; windows, freezes
    and soak hold where they are not bypassed by name. What was bypassed is kept as evidence.

    Args:
        parameters: what to patch, why, and what to bypass.
    """
    return carry_out("emergency", declared(parameters, now()), let_in=_let_in)


@recorded_flow("emergency", "emergency {parameters.resume}")
def taken_up(parameters: EmergencyRun) -> State[RunReport]:
    """Go on with an emergency whose controller is gone.

    Args:
        parameters: what it was recorded with.
    """
    return carry_out("emergency", parameters, let_in=let_in)


def _let_in(run: Run) -> Closed | None:
    closed = let_in(run)
    if evidence := emergency_of(run):
        told = [each.text for each in evidence.obstacles]
        said = f"wanted by {evidence.requested_by}, bypasses {evidence.bypassed}: {evidence.reason}"
        run.say("", "emergency", said)
        emit_event(
            "patchyard.emergency.refused" if closed else "patchyard.emergency.begun",
            resource={"prefect.resource.id": f"patchyard.run.{run.id}"},
            payload={
                "run": run.id,
                "reason": evidence.reason,
                "requested_by": evidence.requested_by,
                "bypass": list(evidence.bypass),
                "obstacles": told[:20],
            },
        )
    return closed
