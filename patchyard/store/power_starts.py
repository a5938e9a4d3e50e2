"""Memory of power: machines that runs have started, and which of them are off again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import update

from patchyard.store.models import PowerStartRow
from patchyard.store.part import Part, as_records, select_as
from patchyard.store.records import PowerStart

_STARTS = select_as(PowerStart, PowerStartRow)


class PowerStarts(Part):
    """The machines that were off, and that runs started."""

    def record_start(self, run_id: str, machine: str, at: datetime) -> None:
        """Record that a run is about to start a machine, so that it owes to put it back off.

        Raises:
            NotRecorded: there is no such run.
        """
        row = self._database.insert(PowerStartRow).values(
            run_id=run_id, machine=machine, ordered_at=at, off_at=None, left_on=""
        )
        again = row.on_conflict_do_update(
            index_elements=[PowerStartRow.run_id, PowerStartRow.machine],
            set_={"off_at": None, "left_on": ""},
        )
        self._database.change(again)

    def record_off(self, run_id: str, machine: str, at: datetime) -> None:
        """Record that a machine is off again."""
        self._set(run_id, machine, off_at=at, left_on="")

    def record_left_on(self, run_id: str, machine: str, why: str) -> None:
        """Record why a machine is still on."""
        self._set(run_id, machine, off_at=None, left_on=why)

    def _set(self, run_id: str, machine: str, *, off_at: datetime | None, left_on: str) -> None:
        of = (PowerStartRow.run_id == run_id, PowerStartRow.machine == machine)
        values = {"off_at": off_at, "left_on": left_on}
        self._database.change(update(PowerStartRow).where(*of).values(**values))

    def power_starts(self, run_id: str) -> tuple[PowerStart, ...]:
        """Return the machines that a run has started, by name."""
        query = _STARTS.where(PowerStartRow.run_id == run_id).order_by(PowerStartRow.machine)
        return as_records(PowerStart, self._database.rows(query))
