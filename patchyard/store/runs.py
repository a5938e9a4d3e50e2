"""Memory of runs: what was started, who drives it, how it ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, or_, select, update

from patchyard.domain.outcome import Status
from patchyard.errors import Refused
from patchyard.store.errors import NotRecorded
from patchyard.store.models import LeaseRow, NoticeRow, PlanRow, RunRow
from patchyard.store.part import Part, as_records, select_as
from patchyard.store.records import RunRecord

_RUNS = select_as(RunRecord, RunRow)


class Runs(Part):
    """Runs, their owners, and their ends."""

    def create_run(self, run: RunRecord) -> None:
        """Record a new run.

        Raises:
            Refused: another run has this id.
        """
        row = self._database.insert(RunRow).values(**asdict(run)).on_conflict_do_nothing()
        added = row.returning(RunRow.id)
        new = self._database.write(lambda connection: connection.execute(added).first())
        if new is None and self.run(run.id) != run:
            raise Refused(f"there is already another run {run.id}")

    def run(self, run_id: str) -> RunRecord | None:
        """Return a run, or None where there is no such run."""
        row = self._database.row(_RUNS.where(RunRow.id == run_id))
        return None if row is None else RunRecord(*row)

    def runs(
        self, limit: int = 50, kind: str | None = None, inventory: str | None = None
    ) -> list[RunRecord]:
        """Return the latest runs, newest first."""
        query = _RUNS.order_by(RunRow.started_at.desc(), RunRow.id.desc()).limit(limit)
        if kind is not None:
            query = query.where(RunRow.kind == kind)
        if inventory is not None:
            query = query.where(RunRow.inventory == inventory)
        return list(as_records(RunRecord, self._database.rows(query)))

    def find_unfinished(self, kind: str, inventory: str | None = None) -> list[RunRecord]:
        """Return the runs that have no end yet, oldest first, whether or not they are driven."""
        query = _RUNS.where(RunRow.kind == kind, RunRow.finished_at.is_(None))
        if inventory is not None:
            query = query.where(RunRow.inventory == inventory)
        query = query.order_by(RunRow.started_at, RunRow.id)
        return list(as_records(RunRecord, self._database.rows(query)))

    def finish_run(
        self,
        run_id: str,
        status: Status,
        summary: str,
        at: datetime,
        report: Mapping[str, Any] | None = None,
    ) -> None:
        """Record the end of a run. Why it was halted is taken from the report.

        Raises:
            NotRecorded: there is no such run.
        """
        halted = str((report or {}).get("halted_because", ""))
        self._change_run(
            run_id,
            status=status,
            summary=summary,
            finished_at=at,
            halted_because=halted,
            report=None if report is None else dict(report),
        )

    def reopen_run(self, run_id: str) -> None:
        """Make an ended run one that goes on: its end, halt and cancellation are taken back.

        Raises:
            NotRecorded: there is no such run.
        """
        self._change_run(
            run_id,
            status=Status.IN_PROGRESS,
            finished_at=None,
            halted_because="",
            cancel_requested=False,
            reopened=RunRow.reopened + 1,
        )

    def forgive(self, run_id: str, names: Collection[str]) -> None:
        """Record whose failure no longer counts in a run, so that a crash does not forget it.

        Raises:
            NotRecorded: there is no such run.
        """

        def work(connection: Connection) -> None:
            row = connection.execute(select(RunRow.parameters).where(RunRow.id == run_id)).first()
            if row is None:
                raise NotRecorded(f"there is no run {run_id}")
            known = row.parameters.get("forgive") or []
            every = {**row.parameters, "forgive": [*known, *(n for n in names if n not in known)]}
            connection.execute(update(RunRow).where(RunRow.id == run_id).values(parameters=every))

        self._database.write(work)

    def report(self, run_id: str) -> dict[str, Any] | None:
        """Return the report that the run ended with, or None where it has none."""
        row = self._database.row(select(RunRow.report).where(RunRow.id == run_id))
        return None if row is None else row[0]

    def claim_run(self, run_id: str, owner: str, now: datetime, ttl: timedelta) -> bool:
        """Become the one who drives a run: True where nobody does, or the driver fell silent.

        Of several who ask at once, one gets it. The owner itself may ask again.
        """
        free = or_(
            RunRow.owner.is_(None),
            RunRow.owner == owner,
            RunRow.owner_expires_at.is_(None),
            RunRow.owner_expires_at <= now,
        )
        return self._hold(run_id, owner, now, ttl, free)

    def heartbeat(self, run_id: str, owner: str, now: datetime, ttl: timedelta) -> bool:
        """Prove that the owner lives. False where it owns the run no more, and must stop."""
        return self._hold(run_id, owner, now, ttl, RunRow.owner == owner)

    def release_run(self, run_id: str, owner: str) -> None:
        """Give a run up. Nothing happens where somebody else drives it by now."""
        self._database.change(
            update(RunRow)
            .where(RunRow.id == run_id, RunRow.owner == owner)
            .values(owner="", owner_expires_at=None)
        )

    def request_cancel(self, run_id: str) -> None:
        """Ask that the run begins nothing further.

        Raises:
            NotRecorded: there is no such run.
        """
        self._change_run(run_id, cancel_requested=True)

    def cancel_requested(self, run_id: str) -> bool:
        """Say whether somebody asked that the run begins nothing further."""
        row = self._database.row(select(RunRow.cancel_requested).where(RunRow.id == run_id))
        return row is not None and bool(row[0])

    def forget_runs(self, before: datetime) -> int:
        """Forget the runs that ended before a time, with all that belongs to them, and notices.

        A run that still holds a machine is kept. Answers how many runs were forgotten.
        """
        held = select(LeaseRow.run_id)
        old = select(RunRow.id).where(RunRow.finished_at < before, RunRow.id.not_in(held))
        forgotten = 0
        for (run_id,) in self._database.rows(old):
            forgotten += self._database.change(
                delete(RunRow).where(RunRow.id == run_id, RunRow.id.not_in(held))
            )
        self._database.change(delete(NoticeRow).where(NoticeRow.claimed_at < before))
        used = select(RunRow.plan_hash).where(RunRow.plan_hash.is_not(None))
        self._database.change(delete(PlanRow).where(PlanRow.hash.not_in(used)))
        return forgotten

    def _hold(self, run_id: str, owner: str, now: datetime, ttl: timedelta, condition: Any) -> bool:
        held = (
            update(RunRow)
            .where(and_(RunRow.id == run_id, condition))
            .values(owner=owner, heartbeat_at=now, owner_expires_at=now + ttl)
        )
        return self._database.change(held) == 1

    def _change_run(self, run_id: str, **values: Any) -> None:
        if not self._database.change(update(RunRow).where(RunRow.id == run_id).values(**values)):
            raise NotRecorded(f"there is no run {run_id}")
