"""Memory of assessments: what machines looked like, and when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from patchyard.domain.outcome import Status
from patchyard.domain.updates import Assessment
from patchyard.domain.watch import Sighting
from patchyard.store.database import Database
from patchyard.store.machines import change_machine
from patchyard.store.models import AssessmentRow, RunRow
from patchyard.store.part import parsed
from patchyard.store.sightings import Sightings
from patchyard.store.steps import end_step

_IDENTITY = [AssessmentRow.run_id, AssessmentRow.machine, AssessmentRow.phase]
_ONE = select(AssessmentRow.data).where(
    AssessmentRow.run_id == bindparam("run"),
    AssessmentRow.machine == bindparam("on"),
    AssessmentRow.phase == bindparam("of"),
)


class Assessments(Sightings):
    """The assessments of machines. The latest one of a phase of a run counts."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        saved = database.insert(AssessmentRow)
        self._save = saved.on_conflict_do_update(
            index_elements=_IDENTITY,
            set_={"taken_at": saved.excluded.taken_at, "data": saved.excluded.data},
        )

    def save_assessment(
        self, run_id: str, machine: str, phase: str, assessment: Assessment
    ) -> None:
        """Keep what was seen of a machine in a phase of a run.

        Raises:
            NotRecorded: there is no such run.
        """
        self.save_assessments(run_id, phase, {machine: assessment})

    def end_assessment(
        self,
        run_id: str,
        machine: str,
        phase: str,
        assessment: Assessment,
        reason: str,
        at: datetime,
    ) -> None:
        """Keep what was seen of a machine, and that its part in the run has succeeded, as one.

        Raises:
            NotRecorded: there is no such run, or it does not have this machine.
        """
        row = _values(run_id, machine, phase, assessment)
        seen = Sighting(
            machine=machine,
            at=at,
            machine_id=assessment.machine_id,
            host_key=assessment.host_key,
        )

        def ended(connection: Connection) -> None:
            connection.execute(self._save, row)
            self.sight(connection, run_id, seen)
            change_machine(connection, run_id, machine, Status.SUCCEEDED, reason, at)

        self._database.write(ended)

    def end_unseen(self, run_id: str, sighting: Sighting, status: Status, reason: str) -> None:
        """Keep that a machine could not be looked at, and what its part in the run ended as.

        Raises:
            NotRecorded: there is no such run, or it does not have this machine.
        """

        def ended(connection: Connection) -> None:
            self.sight(connection, run_id, sighting)
            change_machine(connection, run_id, sighting.machine, status, reason, sighting.at)

        self._database.write(ended)

    def end_look(
        self,
        run_id: str,
        machine: str,
        seq: int,
        key: str,
        assessment: Assessment,
        *,
        result: Mapping[str, Any],
        at: datetime,
    ) -> None:
        """Keep what a step has seen of a machine, and that the step has ended, as one.

        Raises:
            Refused: the step has ended with another result.
            NotRecorded: there is no such step.
        """
        row = _values(run_id, machine, key, assessment)

        def ended(connection: Connection) -> None:
            connection.execute(self._save, row)
            end_step(connection, run_id, machine, seq, result=result, at=at)

        self._database.write(ended)

    def save_assessments(
        self, run_id: str, phase: str, assessments: Mapping[str, Assessment]
    ) -> None:
        """Keep what was seen of many machines, by name, in one transaction.

        Raises:
            NotRecorded: there is no such run.
        """
        rows = [
            _values(run_id, machine, phase, assessment)
            for machine, assessment in assessments.items()
        ]
        if rows:
            self._database.write(lambda connection: connection.execute(self._save, rows))

    def assessment(self, run_id: str, machine: str, phase: str) -> Assessment | None:
        """Return what was seen of a machine in a phase of a run; None where nothing was."""
        row = self._database.row(_ONE, {"run": run_id, "on": machine, "of": phase})
        return None if row is None else _read(row[0], machine)

    def latest_assessment(self, machine: str, inventory: str) -> Assessment | None:
        """Return what was last seen of an inventory's machine in any run; None for never."""
        query = (
            select(AssessmentRow.data)
            .join(RunRow, RunRow.id == AssessmentRow.run_id)
            .where(AssessmentRow.machine == machine, RunRow.inventory == inventory)
            .order_by(AssessmentRow.taken_at.desc(), AssessmentRow.id.desc())
            .limit(1)
        )
        row = self._database.row(query)
        return None if row is None else _read(row[0], machine)

    def latest_assessments(self, inventory: str) -> dict[str, Assessment]:
        """Return what was last seen of each machine of an inventory in any run, by machine."""
        return self._newest(
            select(AssessmentRow.id)
            .join(RunRow, RunRow.id == AssessmentRow.run_id)
            .where(RunRow.inventory == inventory)
        )

    def assessments(self, run_id: str, phase: str) -> dict[str, Assessment]:
        """Return what was seen of all machines in a phase of a run, by machine."""
        query = select(AssessmentRow.machine, AssessmentRow.data).where(
            AssessmentRow.run_id == run_id, AssessmentRow.phase == phase
        )
        return {machine: _read(data, machine) for machine, data in self._database.rows(query)}

    def last_assessments(self, run_id: str) -> dict[str, Assessment]:
        """Return what was last seen of each machine in a run, whatever the phase, by machine."""
        return self._newest(select(AssessmentRow.id).where(AssessmentRow.run_id == run_id))

    def _newest(self, of: Select[int]) -> dict[str, Assessment]:
        """Return the newest of these assessments for each machine."""
        of_machine = func.row_number().over(
            partition_by=AssessmentRow.machine,
            order_by=(AssessmentRow.taken_at.desc(), AssessmentRow.id.desc()),
        )
        ranked = of.add_columns(of_machine.label("age")).subquery()
        query = (
            select(AssessmentRow.machine, AssessmentRow.data)
            .join(ranked, ranked.c.id == AssessmentRow.id)
            .where(ranked.c.age == 1)
        )
        return {machine: _read(data, machine) for machine, data in self._database.rows(query)}


def _values(run_id: str, machine: str, phase: str, assessment: Assessment) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "machine": machine,
        "phase": phase,
        "taken_at": assessment.taken_at,
        "data": assessment.model_dump_json(),
    }


def _read(data: str, machine: str) -> Assessment:
    return parsed(Assessment, data, what=f"the assessment of {machine}")
