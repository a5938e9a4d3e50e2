"""Memory over runs: what one machine's changes took before, for admission to a window."""

from __future__ import annotations

from itertools import groupby

from sqlalchemy import select

from patchyard.store.models import RunRow, StepRow
from patchyard.store.part import Part, as_records, select_as
from patchyard.store.records import StepRecord

_TIMED = ("install", "undo", "reboot")
"""Kinds of acts whose time counts."""

_CHANGING = ("patch", "emergency", "rollback")
"""Kinds of runs that change machines."""

_STEPS = select_as(StepRecord, StepRow)


class Histories(Part):
    """What was measured in earlier runs."""

    def runs_before(self, inventory: str, but: str, limit: int = 20) -> tuple[str, ...]:
        """Return the ids of the last runs that changed machines of an inventory, newest first."""
        query = (
            select(RunRow.id)
            .where(RunRow.inventory == inventory, RunRow.kind.in_(_CHANGING))
            .where(RunRow.id != but, RunRow.plan_hash.is_not(None))
            .order_by(RunRow.started_at.desc(), RunRow.id.desc())
            .limit(limit)
        )
        return tuple(str(run_id) for (run_id,) in self._database.rows(query))

    def timed_steps(
        self, machine: str, run_ids: tuple[str, ...]
    ) -> dict[str, tuple[StepRecord, ...]]:
        """Return a machine's ended installs, ways back and reboots in these runs, by run."""
        query = (
            _STEPS.where(StepRow.machine == machine, StepRow.run_id.in_(run_ids))
            .where(StepRow.finished_at.is_not(None))
            .where(StepRow.action["kind"].as_string().in_(_TIMED))
            .order_by(StepRow.run_id, StepRow.seq)
        )
        steps = as_records(StepRecord, self._database.rows(query))
        return {run_id: tuple(of) for run_id, of in groupby(steps, lambda step: step.run_id)}
