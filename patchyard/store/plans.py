"""Memory of plans: frozen, kept under their hash, and checked against it when they are read."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, or_, select, update

from patchyard.domain.plan import Plan
from patchyard.errors import Refused
from patchyard.store.database import Database
from patchyard.store.errors import DamagedRecord, NotRecorded
from patchyard.store.models import PlanRow, RunRow
from patchyard.store.part import Part, parsed

_REMEMBERED = 4
"""Plans kept in memory. A run's plan never changes, and is asked for once per machine."""


class Plans(Part):
    """The plans of runs."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._plans: dict[str, Plan] = {}

    def set_plan(self, run_id: str, plan: Plan) -> None:
        """Freeze the plan of a run. Setting the same plan again changes nothing.

        Raises:
            Refused: the run has another plan already.
            NotRecorded: there is no such run.
        """
        canonical, plan_hash = plan.canonical(), plan.hash

        def work(connection: Connection) -> int:
            kept = self._database.insert(PlanRow).values(hash=plan_hash, canonical=canonical)
            connection.execute(kept.on_conflict_do_nothing())
            unset = or_(RunRow.plan_hash.is_(None), RunRow.plan_hash == plan_hash)
            return connection.execute(
                update(RunRow).where(RunRow.id == run_id, unset).values(plan_hash=plan_hash)
            ).rowcount

        if self._database.write(work):
            return
        self.plan(run_id)
        raise Refused(f"run {run_id} has another plan; a plan does not change once it is frozen")

    def plan(self, run_id: str) -> Plan:
        """Return the plan of a run.

        Raises:
            NotRecorded: there is no such run, or it has no plan yet.
            DamagedRecord: the plan is not what its hash says.
        """
        plan = self.find_plan(run_id)
        if plan is None:
            raise NotRecorded(f"there is no plan of run {run_id}")
        return plan

    def find_plan(self, run_id: str) -> Plan | None:
        """Return the plan of a run, or None where it has none yet.

        Raises:
            DamagedRecord: the plan is not what its hash says.
        """
        known = self._plans.get(run_id) or self._read_plan(run_id)
        if known is not None and run_id not in self._plans:
            while len(self._plans) >= _REMEMBERED:
                self._plans.pop(next(iter(self._plans)), None)
            self._plans[run_id] = known
        return known

    def _read_plan(self, run_id: str) -> Plan | None:
        row = self._database.row(
            select(PlanRow.hash, PlanRow.canonical)
            .join(RunRow, RunRow.plan_hash == PlanRow.hash)
            .where(RunRow.id == run_id)
        )
        if row is None:
            return None
        if hashlib.sha256(row.canonical.encode()).hexdigest() != row.hash:
            raise DamagedRecord(f"the plan of run {run_id} was altered: its hash differs")
        return parsed(Plan, row.canonical, what=f"the plan of run {run_id}")
