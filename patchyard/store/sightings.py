"""Memory of sightings: whether machines were seen at each look at them, and what they were."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import datetime

from sqlalchemy import Connection, func, select

from patchyard.domain.outcome import Status
from patchyard.domain.watch import Sighting
from patchyard.store.database import Database
from patchyard.store.models import MachineRunRow, RunRow, SightingRow
from patchyard.store.part import Part, as_records

_FIELDS = tuple(field.name for field in fields(Sighting))


class Sightings(Part):
    """The looks at machines. The last one of a run counts."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        row = database.insert(SightingRow)
        self._sight = row.on_conflict_do_update(
            index_elements=[SightingRow.run_id, SightingRow.machine],
            set_={name: row.excluded[name] for name in _FIELDS if name != "machine"},
        )

    def record_sighting(self, run_id: str, sighting: Sighting) -> None:
        """Keep what came of a look at a machine.

        Raises:
            NotRecorded: there is no such run.
        """
        self._database.write(lambda connection: self.sight(connection, run_id, sighting))

    def sight(self, connection: Connection, run_id: str, sighting: Sighting) -> None:
        """Do what `record_sighting` does, within a transaction that has begun."""
        connection.execute(self._sight, {"run_id": run_id, **asdict(sighting)})

    def sightings(self, inventory: str, most: int) -> tuple[Sighting, ...]:
        """Return the newest looks at each machine of an inventory, so many at most of each."""
        age = func.row_number().over(
            partition_by=SightingRow.machine, order_by=(SightingRow.at.desc(), SightingRow.run_id)
        )
        ranked = (
            select(*(getattr(SightingRow, name) for name in _FIELDS), age.label("age"))
            .join(RunRow, RunRow.id == SightingRow.run_id)
            .where(RunRow.inventory == inventory)
            .subquery()
        )
        query = select(*(ranked.c[name] for name in _FIELDS)).where(ranked.c.age <= most)
        return as_records(Sighting, self._database.rows(query))

    def found_off(self, inventory: str) -> dict[str, datetime]:
        """Return when machines were last left out by a run because they were off, by name."""
        query = (
            select(MachineRunRow.machine, func.max(MachineRunRow.finished_at))
            .join(RunRow, RunRow.id == MachineRunRow.run_id)
            .where(RunRow.inventory == inventory, MachineRunRow.status == Status.SKIPPED)
            .where(MachineRunRow.finished_at.is_not(None))
            .group_by(MachineRunRow.machine)
        )
        return {str(name): at for name, at in self._database.rows(query)}
