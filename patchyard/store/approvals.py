"""Memory of approvals: who answered what to which plan, and when. Nothing is ever changed."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import insert

from patchyard.store.models import ApprovalRow
from patchyard.store.part import Part, as_records, select_as
from patchyard.store.records import ApprovalRecord

_APPROVALS = select_as(ApprovalRecord, ApprovalRow)


class Approvals(Part):
    """The answers of people."""

    def record_approval(self, approval: ApprovalRecord) -> None:
        """Keep what a person answered.

        Raises:
            NotRecorded: there is no such run.
        """
        self._database.change(insert(ApprovalRow).values(**asdict(approval)))

    def approvals(self, run_id: str) -> tuple[ApprovalRecord, ...]:
        """Return the answers to a run, in the order in which they were given."""
        query = _APPROVALS.where(ApprovalRow.run_id == run_id).order_by(ApprovalRow.id)
        return as_records(ApprovalRecord, self._database.rows(query))
