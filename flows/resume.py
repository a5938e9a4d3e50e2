"""Continue runs that lost their controller: a stopped worker, a crash, a reboot."""

from __future__ import annotations

from prefect import flow, get_run_logger

from flows.emergency import taken_up
from flows.patch import patch
from flows.rollback import rollback
from patchyard.domain.report import RunReport
from patchyard.parameters import EmergencyRun, PatchParameters, ResumeParameters, RollbackParameters
from patchyard.runs import orphaned_runs


@flow(name="resume", flow_run_name="resume {parameters.run_id}", persist_result=False)
def resume(parameters: ResumeParameters = ResumeParameters()) -> list[RunReport]:  # noqa: B008 - frozen
    """Continue one run, or every unfinished run whose controller is gone.

    Args:
        parameters: which run; all where none is named.
    """
    reports: list[RunReport] = []
    for record in orphaned_runs(parameters.run_id):
        get_run_logger().info(
            "%s goes on; it was driven by %s", record.id, record.owner or "nobody"
        )
        ours = {"seed", "folder", "undo_targets"}
        given = {key: value for key, value in record.parameters.items() if key not in ours}
        if record.kind == "patch":
            reports.append(patch(PatchParameters.model_validate({**given, "resume": record.id})))
        elif record.kind == "emergency":
            reports.append(taken_up(EmergencyRun.model_validate({**given, "resume": record.id})))
        elif record.kind == "rollback":
            reports.append(
                rollback(RollbackParameters.model_validate({**given, "resume": record.id}))
            )
    return reports
