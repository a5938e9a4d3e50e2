"""Continue runs that lost their controller: a stopped worker, a crash, a reboot."""

from __future__ import annotations

from typing import TypeVar

from prefect import flow, get_run_logger

from flows.emergency import taken_up
from flows.patch import patch
from flows.rollback import rollback
from patchyard.domain.report import RunReport
from patchyard.parameters import EmergencyRun, PatchParameters, ResumeParameters, RollbackParameters
from patchyard.runs import orphaned_runs
from patchyard.store import RunRecord

P = TypeVar("P", PatchParameters, EmergencyRun, RollbackParameters)


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
        if record.kind == "patch":
            reports.append(patch(asked_again(record, PatchParameters)))
        elif record.kind == "emergency":
            reports.append(taken_up(asked_again(record, EmergencyRun)))
        elif record.kind == "rollback":
            reports.append(rollback(asked_again(record, RollbackParameters)))
    return reports


def asked_again(record: RunRecord, model: type[P]) -> P:
    """Return the parameters that a run was started with; what it recorded besides is its own."""
    known = {k: value for k, value in record.parameters.items() if k in model.model_fields}
    return model.model_validate({**known, "resume": record.id})
