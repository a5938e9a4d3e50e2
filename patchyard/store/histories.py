"""Memory over runs: what one machine's changes took before, for admission to a window."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Select, func, select

from patchyard.store.models import AvailabilityRow, PowerStartRow, RunRow, StepRow
from patchyard.store.part import Part, as_records, select_as
from patchyard.store.records import StepRecord

_TIMED = ("install", "undo", "reboot")
"""Kinds of acts whose time counts."""

_CHANGING = ("patch", "emergency", "rollback")
"""Kinds of runs that change machines."""

_STEPS = select_as(StepRecord, StepRow)
_THERE = func.min(AvailabilityRow.at)
_STARTED = (
    select(PowerStartRow.machine, PowerStartRow.ordered_at, _THERE)
    .join(
        AvailabilityRow,
        (AvailabilityRow.run_id == PowerStartRow.run_id)
        & (AvailabilityRow.machine == PowerStartRow.machine),
    )
    .where(AvailabilityRow.kind == "up", AvailabilityRow.at >= PowerStartRow.ordered_at)
    .group_by(PowerStartRow.run_id, PowerStartRow.machine, PowerStartRow.ordered_at)
    .order_by(PowerStartRow.ordered_at)
)


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
        query = _timed(run_ids).where(StepRow.machine == machine)
        steps = as_records(StepRecord, self._database.rows(query))
        return {run_id: tuple(of) for run_id, of in groupby(steps, lambda step: step.run_id)}

    def all_timed_steps(
        self, run_ids: tuple[str, ...]
    ) -> dict[str, dict[str, tuple[StepRecord, ...]]]:
        """Return what `timed_steps` does, for all machines by name."""
        found: dict[str, dict[str, list[StepRecord]]] = defaultdict(lambda: defaultdict(list))
        for step in as_records(StepRecord, self._database.rows(_timed(run_ids))):
            found[step.machine][step.run_id].append(step)
        return {
            machine: {run_id: tuple(steps) for run_id, steps in of.items()}
            for machine, of in found.items()
        }

    def start_times(
        self, run_ids: tuple[str, ...], machine: str | None = None
    ) -> dict[str, tuple[timedelta, ...]]:
        """Return how long machines that were off took from their start until they were there.

        Where a run started a machine several times, its first start counts. One that was not
        there in time has no such end, and does not count.
        """
        query = _STARTED.where(PowerStartRow.run_id.in_(run_ids))
        if machine is not None:
            query = query.where(PowerStartRow.machine == machine)
        found: dict[str, list[timedelta]] = defaultdict(list)
        for name, ordered_at, there_at in self._database.rows(query):
            found[name].append(there_at - ordered_at)
        return {name: tuple(took) for name, took in found.items()}


def _timed(run_ids: tuple[str, ...]) -> Select[Any]:
    return (
        _STEPS.where(StepRow.run_id.in_(run_ids))
        .where(StepRow.finished_at.is_not(None))
        .where(StepRow.action["kind"].as_string().in_(_TIMED))
        .order_by(StepRow.run_id, StepRow.seq)
    )
