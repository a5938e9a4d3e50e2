"""Memory across runs: machines that other runs have at work or have lost, and starting beside them.

What several runs of an inventory must not do together is decided by each from what it knows of
the others. So that two do not decide at the same instant, a start is recorded in one transaction
with the question whether anything has changed since it was decided.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select
from sqlalchemy.orm import aliased

from patchyard.domain.census import DOWN
from patchyard.domain.outcome import Status
from patchyard.store.errors import NotRecorded
from patchyard.store.machines import change_machine
from patchyard.store.models import AssessmentRow, LeaseRow, MachineRunRow, RunRow
from patchyard.store.part import Part, as_records, select_as
from patchyard.store.records import InRun, Lease

LATELY = timedelta(days=7)
"""How long a machine is missed for which nobody has spoken since: neither its run, nor a look."""

CHANGING = ("patch", "emergency", "rollback")
"""Kinds of runs that change machines."""


class OtherRuns(Part):
    """What other runs of the same inventory do to its machines."""

    def in_other_runs(self, run_id: str, now: datetime) -> frozenset[InRun]:
        """Return the machines of its inventory that are away by other runs, in one query.

        These are those at work: until their run says otherwise, or has shown no life LATELY. And
        those that were lost, need repair, or were not reached LATELY, and not assessed since.
        """
        query = _away(run_id, now)
        return frozenset(as_records(InRun, self._database.rows(query)))

    def foreign_leases(self, run_id: str) -> tuple[Lease, ...]:
        """Return the leases of open runs of other inventories than a run's own.

        What another inventory calls a machine is of no use here; whose it is, its lease tells.
        """
        inventory = select(RunRow.inventory).where(RunRow.id == run_id).scalar_subquery()
        query = (
            select_as(Lease, LeaseRow)
            .join(RunRow, RunRow.id == LeaseRow.run_id)
            .where(RunRow.inventory != inventory, RunRow.finished_at.is_(None))
        )
        return as_records(Lease, self._database.rows(query))

    def start_machines(
        self,
        run_id: str,
        owner: str,
        machines: Collection[str],
        known: Collection[InRun],
        at: datetime,
    ) -> bool:
        """Record that work on machines begins, where other runs do no more than is known.

        False, and nothing is recorded, where another run has begun or lost a machine meanwhile:
        then it is to be decided anew. Of two runs that ask at the same instant one is the second.
        False also where the run has another owner by now, who may start the same.

        Raises:
            NotRecorded: there is no such run, or it does not have one of the machines.
        """

        def work(connection: Connection) -> bool:
            if _wait_for_turn(connection, run_id) != owner:
                return False
            found = as_records(InRun, connection.execute(_away(run_id, at)).all())
            if not set(found) <= set(known):
                return False
            for machine in machines:
                change_machine(connection, run_id, machine, Status.IN_PROGRESS, "", at)
            return True

        return self._database.write(work)


def _wait_for_turn(connection: Connection, run_id: str) -> str:
    """Keep all others of the inventory from starting machines until this transaction ends.

    SQLite has one writer at a time; elsewhere the rows of the open runs are locked, in one order.
    Answers who owns the run.
    """
    inventory = select(RunRow.inventory).where(RunRow.id == run_id).scalar_subquery()
    every = (
        select(RunRow.id, RunRow.owner)
        .where(RunRow.inventory == inventory, RunRow.finished_at.is_(None))
        .where(RunRow.kind.in_(CHANGING))
        .order_by(RunRow.id)
        .with_for_update(key_share=True)
    )
    owners = {row.id: str(row.owner) for row in connection.execute(every)}
    if run_id not in owners:
        raise NotRecorded(f"there is no open run {run_id}")
    return owners[run_id]


def _away(run_id: str, now: datetime) -> Select[str, str, Status, bool, datetime]:
    inventory = select(RunRow.inventory).where(RunRow.id == run_id).scalar_subquery()
    alive_at = func.coalesce(RunRow.heartbeat_at, RunRow.started_at)
    at_work = and_(MachineRunRow.status == Status.IN_PROGRESS, alive_at > now - LATELY)
    lost = and_(
        MachineRunRow.status.in_(DOWN), MachineRunRow.finished_at > now - LATELY, ~_seen_since()
    )
    return (
        select(
            MachineRunRow.machine,
            MachineRunRow.run_id,
            MachineRunRow.status,
            RunRow.finished_at.is_(None),
            alive_at,
        )
        .join(RunRow, RunRow.id == MachineRunRow.run_id)
        .where(RunRow.inventory == inventory, RunRow.id != run_id, RunRow.kind.in_(CHANGING))
        .where(or_(at_work, lost))
    )


def _seen_since() -> ColumnElement[bool]:
    """Say whether any run of the inventory has assessed a machine after it was lost."""
    look = aliased(RunRow)
    return exists().where(
        AssessmentRow.machine == MachineRunRow.machine,
        AssessmentRow.taken_at > MachineRunRow.finished_at,
        look.id == AssessmentRow.run_id,
        look.inventory == RunRow.inventory,
    )
