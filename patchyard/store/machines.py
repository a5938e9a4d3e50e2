"""Memory of machines in runs: place in the waves, verdict, and when they were away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from patchyard.domain.outcome import Status
from patchyard.store.columns import UtcTime
from patchyard.store.errors import NotRecorded
from patchyard.store.models import AvailabilityRow, MachineRunRow, RunRow
from patchyard.store.part import Part, as_records, select_as
from patchyard.store.records import AvailabilityEvent, AvailabilityKind, MachineRecord, Standing

_MACHINES = select_as(MachineRecord, MachineRunRow)
_OF_RUN = _MACHINES.where(MachineRunRow.run_id == bindparam("run")).order_by(
    MachineRunRow.position, MachineRunRow.machine
)
_COUNT = (
    select(MachineRunRow.status, func.count())
    .where(MachineRunRow.run_id == bindparam("run"))
    .group_by(MachineRunRow.status)
)
_STANDINGS = select(MachineRunRow.machine, MachineRunRow.status, MachineRunRow.finished_at).where(
    MachineRunRow.run_id == bindparam("run")
)
_SET = (
    update(MachineRunRow)
    .where(MachineRunRow.run_id == bindparam("run"), MachineRunRow.machine == bindparam("on"))
    .values(status=bindparam("word"), reason=bindparam("why"), finished_at=bindparam("end"))
)
_START = _SET.values(
    started_at=func.coalesce(MachineRunRow.started_at, bindparam("start", type_=UtcTime()))
)
_EVENTS = select_as(AvailabilityEvent, AvailabilityRow)


def change_machine(
    connection: Connection, run_id: str, machine: str, status: Status, reason: str, at: datetime
) -> None:
    """Do what `Machines.set_machine` does, within a transaction that has begun."""
    values: dict[str, Any] = {"run": run_id, "on": machine, "word": status, "why": reason}
    values["end"] = at if status.final else None
    changed = _SET
    if status == Status.IN_PROGRESS:
        changed, values["start"] = _START, at
    if not connection.execute(changed, values).rowcount:
        raise NotRecorded(f"run {run_id} does not have the machine {machine}")


class Machines(Part):
    """The machines of runs, and their availability."""

    def add_machines(self, run_id: str, machines: Iterable[tuple[str, int | None, int]]) -> None:
        """Record the machines of a run, each with its wave and its position.

        A machine that is there already gets the new wave and position, and keeps the rest.

        Raises:
            NotRecorded: there is no such run.
        """
        rows = [
            {"run_id": run_id, "machine": machine, "wave": wave, "position": position}
            for machine, wave, position in machines
        ]
        added = self._database.insert(MachineRunRow).values(status=Status.NOT_STARTED, reason="")
        added = added.on_conflict_do_update(
            index_elements=[MachineRunRow.run_id, MachineRunRow.machine],
            set_={"wave": added.excluded.wave, "position": added.excluded.position},
        )
        if rows:
            self._database.write(lambda connection: connection.execute(added, rows))

    def place_machines(self, run_id: str, waves: Mapping[str, int]) -> None:
        """Record in which waves machines of the run are, by name. Others stay as they are."""
        placed = (
            update(MachineRunRow)
            .where(MachineRunRow.run_id == run_id, MachineRunRow.machine == bindparam("name"))
            .values(wave=bindparam("number"))
        )
        rows = [{"name": machine, "number": wave} for machine, wave in waves.items()]
        if rows:
            self._database.write(lambda connection: connection.execute(placed, rows))

    def set_machine(
        self, run_id: str, machine: str, status: Status, reason: str, at: datetime
    ) -> None:
        """Record how it goes for a machine. The first start and the last end are kept as times.

        Raises:
            NotRecorded: the run does not have this machine.
        """
        self._database.write(
            lambda connection: change_machine(connection, run_id, machine, status, reason, at)
        )

    def count_machines(self, run_id: str) -> tuple[int, int]:
        """Count a run's machines that have come to an end, and those that are at work."""
        rows = self._database.rows(_COUNT, {"run": run_id})
        counts = {Status(status): count for status, count in rows}
        final = sum(count for status, count in counts.items() if status.final)
        return final, counts.get(Status.IN_PROGRESS, 0)

    def machines(self, run_id: str) -> list[MachineRecord]:
        """Return all machines of a run in the order of their positions."""
        return list(as_records(MachineRecord, self._database.rows(_OF_RUN, {"run": run_id})))

    def standings(self, run_id: str) -> dict[str, Standing]:
        """Return how it stands with all machines of a run, by name."""
        rows = self._database.rows(_STANDINGS, {"run": run_id})
        return {name: Standing(status, at) for name, status, at in rows}

    def record_availability(
        self,
        machine: str,
        run_id: str,
        kind: AvailabilityKind,
        cause: str,
        at: datetime,
        detail: str = "",
    ) -> None:
        """Record that a machine went away or came back. The same event is recorded once.

        Raises:
            NotRecorded: there is no such run.
        """
        event = self._database.insert(AvailabilityRow).values(
            machine=machine, run_id=run_id, kind=kind, cause=cause, at=at, detail=detail
        )
        self._database.change(event.on_conflict_do_nothing())

    def availability(
        self, machine: str, inventory: str | None = None
    ) -> tuple[AvailabilityEvent, ...]:
        """Return when a machine went away and came back, oldest first."""
        query = _EVENTS.where(AvailabilityRow.machine == machine)
        if inventory is not None:
            runs = select(RunRow.id).where(RunRow.inventory == inventory)
            query = query.where(AvailabilityRow.run_id.in_(runs))
        query = query.order_by(AvailabilityRow.at, AvailabilityRow.id)
        return as_records(AvailabilityEvent, self._database.rows(query))
