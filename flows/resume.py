"""Continue runs that lost their controller: a stopped worker, a crash, a reboot."""

from __future__ import annotations

from typing import TypeVar

from prefect import flow, get_run_logger
from pydantic import ValidationError

from flows.emergency import taken_up
from flows.patch import patch
from flows.rollback import rollback
from patchyard.domain.report import RunReport
from patchyard.errors import PatchyardError, Refused
from patchyard.parameters import EmergencyRun, PatchParameters, ResumeParameters, RollbackParameters
from patchyard.runs import orphaned_runs
from patchyard.store import RunRecord

P = TypeVar("P", PatchParameters, EmergencyRun, RollbackParameters)


@flow(name="resume", flow_run_name="resume {parameters.run_id}", persist_result=False)
def resume(parameters: ResumeParameters = ResumeParameters()) -> list[RunReport]:  # noqa: B008 - frozen
    """Continue one run, or every unfinished run whose controller is gone.

    One that cannot go on is told at the end, and keeps no other from it.

    Args:
        parameters: which run; all where none is named.
    """
    reports: list[RunReport] = []
    wrong: list[str] = []
    for record in orphaned_runs(parameters.run_id):
        get_run_logger().info(
            "%s goes on; it was driven by %s", record.id, record.owner or "nobody"
        )
        try:
            reports += _taken_up(record)
        except PatchyardError as error:
            get_run_logger().error("%s cannot go on: %s", record.id, error)
            wrong.append(f"{record.id}: {error}")
    if wrong:
        raise Refused(f"could not go on: {'; '.join(wrong)}")
    return reports


def _taken_up(record: RunRecord) -> list[RunReport]:
    if record.kind == "patch":
        return [patch(asked_again(record, PatchParameters))]
    if record.kind == "emergency":
        return [taken_up(asked_again(record, EmergencyRun))]
    if record.kind == "rollback":
        return [rollback(asked_again(record, RollbackParameters))]
    return []


def asked_again(record: RunRecord, model: type[P]) -> P:
    """Return the parameters that a run was started with; what it recorded besides is its own.

    Raises:
        Refused: this version cannot read them.
    """
    known = {k: value for k, value in record.parameters.items() if k in model.model_fields}
    try:
        return model.model_validate({**known, "resume": record.id})
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        )
        raise Refused(f"the parameters of run {record.id} cannot be read: {wrong}") from None
