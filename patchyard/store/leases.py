"""Memory of leases: one run per machine at a time. An expired lease frees nothing by itself."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, update

from patchyard.store.database import Database
from patchyard.store.models import LeaseRow
from patchyard.store.part import Part, as_records, select_as
from patchyard.store.records import HeldBy, Lease

_LEASES = select_as(Lease, LeaseRow)
_COLUMNS = tuple(_LEASES.selected_columns)
_RELEASE = delete(LeaseRow).where(
    LeaseRow.machine == bindparam("key"), LeaseRow.run_id == bindparam("run")
)


class Leases(Part):
    """Which run has which machine. `machine_key` is the machine's identity, as callers agree."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        added = database.insert(LeaseRow)
        self._added = added.on_conflict_do_update(
            index_elements=[LeaseRow.machine],
            set_={"owner": added.excluded.owner, "expires_at": added.excluded.expires_at},
            where=LeaseRow.run_id == added.excluded.run_id,
        ).returning(*_COLUMNS)

    def acquire_lease(
        self, machine_key: str, run_id: str, owner: str, now: datetime, ttl: timedelta
    ) -> Lease | HeldBy:
        """Take a machine for a run; of several runs that ask at once, one gets it.

        A run that has the machine gets it again, for its present owner. Where another run has
        it, the answer says which, and whether that lease has expired; the machine is not taken
        even then, for work of that run may go on there.

        Raises:
            NotRecorded: there is no such run.
        """
        lease = Lease(machine_key, run_id, owner, now, now + ttl)
        return self._database.write(lambda connection: self._take(connection, lease))

    def take_over_lease(
        self,
        machine_key: str,
        run_id: str,
        owner: str,
        now: datetime,
        ttl: timedelta,
        *,
        held: HeldBy,
    ) -> Lease | HeldBy:
        """Take a machine away from the run that was seen to hold it and judged to be gone.

        It is taken only if the lease is still exactly that one: not renewed, and
        not taken over by somebody else. Otherwise the answer says who has it now. A machine
        that was released in between is free, and taken.

        Raises:
            NotRecorded: there is no such run.
        """
        lease = Lease(machine_key, run_id, owner, now, now + ttl)
        unchanged = (
            LeaseRow.machine == machine_key,
            LeaseRow.run_id == held.run_id,
            LeaseRow.owner == held.owner,
            LeaseRow.expires_at == held.expires_at,
        )

        def work(connection: Connection) -> Lease | HeldBy:
            connection.execute(delete(LeaseRow).where(*unchanged))
            return self._take(connection, lease)

        return self._database.write(work)

    def renew_lease(
        self, machine_key: str, run_id: str, owner: str, now: datetime, ttl: timedelta
    ) -> bool:
        """Prove that the owner still works on the machine. False where it has it no more."""
        renewed = (
            update(LeaseRow)
            .where(
                LeaseRow.machine == machine_key, LeaseRow.run_id == run_id, LeaseRow.owner == owner
            )
            .values(expires_at=now + ttl)
        )
        return self._database.change(renewed) == 1

    def release_lease(self, machine_key: str, run_id: str) -> None:
        """Give a machine free. Nothing happens where another run has it by now."""
        self._database.change(_RELEASE, {"key": machine_key, "run": run_id})

    def leases(self) -> tuple[Lease, ...]:
        """Return all leases, those that expire first at the head."""
        rows = self._database.rows(_LEASES.order_by(LeaseRow.expires_at, LeaseRow.machine))
        return as_records(Lease, rows)

    def _take(self, connection: Connection, lease: Lease) -> Lease | HeldBy:
        """Insert the lease, or prolong it where its run has it; both are one statement.

        The statement locks the lease that stands in its way, so that it is still there to tell.
        """
        row = connection.execute(self._added, asdict(lease)).first()
        if row is not None:
            return Lease(*row)
        other = Lease(*connection.execute(_LEASES.where(LeaseRow.machine == lease.machine)).one())
        expired = other.expires_at <= lease.acquired_at
        return HeldBy(other.run_id, other.owner, other.expires_at, expired=expired)
