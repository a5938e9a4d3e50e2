"""Memory of steps: every act on a machine, recorded before it is done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from patchyard.domain.downloading import DOWNLOAD
from patchyard.errors import Refused
from patchyard.store.errors import NotRecorded, StepStillOpen
from patchyard.store.models import StepRow
from patchyard.store.part import Part, as_records, select_as
from patchyard.store.records import StepRecord

_STEPS = select_as(StepRecord, StepRow)
_OF_MACHINE = _STEPS.where(StepRow.run_id == bindparam("run"), StepRow.machine == bindparam("on"))
_ONE = _OF_MACHINE.where(StepRow.seq == bindparam("number"))
_LAST = (
    select(StepRow.seq, StepRow.finished_at)
    .where(StepRow.run_id == bindparam("run"), StepRow.machine == bindparam("on"))
    .order_by(StepRow.seq.desc())
    .limit(1)
)
"""The machine's last step without what it was and led to, which takes long to read."""
_BEGIN = insert(StepRow)
_END = (
    update(StepRow)
    .where(
        StepRow.run_id == bindparam("run"),
        StepRow.machine == bindparam("on"),
        StepRow.seq == bindparam("number"),
        StepRow.finished_at.is_(None),
    )
    .values(finished_at=bindparam("at"), result=bindparam("outcome"))
)


class Steps(Part):
    """The steps of machines in runs."""

    def begin_step(
        self, run_id: str, machine: str, key: str, action: Mapping[str, Any], at: datetime
    ) -> StepRecord:
        """Record that an act begins, before it is done.

        Where the machine's last step is open and has this key, it is returned as it was
        recorded: whoever asks goes on with what was begun.

        Raises:
            StepStillOpen: the machine's last step is open and has another key.
            NotRecorded: there is no such run.
        """

        def work(connection: Connection) -> StepRecord:
            place = {"run": run_id, "on": machine}
            last = connection.execute(_LAST, place).first()
            if last is not None and last.finished_at is None:
                row = connection.execute(_ONE, {**place, "number": last.seq}).one()
                return _attached(StepRecord(*row), key)
            seq = last.seq + 1 if last else 1
            step = StepRecord(run_id, machine, seq, key, dict(action), at)
            connection.execute(_BEGIN, _values(step))
            return step

        return self._database.write(work)

    def finish_step(
        self, run_id: str, machine: str, seq: int, result: Mapping[str, Any], at: datetime
    ) -> None:
        """Record what an act led to. Recording the same again changes nothing.

        Raises:
            Refused: the step has ended with another result.
            NotRecorded: there is no such step.
        """
        self._database.write(
            lambda connection: end_step(connection, run_id, machine, seq, result, at)
        )

    def steps(self, run_id: str, machine: str) -> tuple[StepRecord, ...]:
        """Return the steps of one machine in the order they were begun."""
        place = {"run": run_id, "on": machine}
        query = _OF_MACHINE.order_by(StepRow.seq)
        rows = self._database.read(lambda connection: connection.execute(query, place).all())
        return as_records(StepRecord, rows)

    def all_steps(self, run_id: str) -> dict[str, tuple[StepRecord, ...]]:
        """Return the steps of all machines that have any, each in the order they were begun."""
        query = _STEPS.where(StepRow.run_id == run_id).order_by(StepRow.machine, StepRow.seq)
        steps = as_records(StepRecord, self._database.rows(query))
        return {machine: tuple(of) for machine, of in groupby(steps, lambda step: step.machine)}

    def downloaded(self, run_id: str) -> frozenset[str]:
        """Return the machines of a run whose download ahead has ended, well or not."""
        query = select(StepRow.machine).where(
            StepRow.run_id == run_id,
            StepRow.key == DOWNLOAD,
            StepRow.finished_at.is_not(None),
        )
        return frozenset(str(machine) for (machine,) in self._database.rows(query))


def end_step(
    connection: Connection,
    run_id: str,
    machine: str,
    seq: int,
    result: Mapping[str, Any],
    at: datetime,
) -> None:
    """Do what `Steps.finish_step` does, within a transaction that has begun."""
    outcome = dict(result)
    place = {"run": run_id, "on": machine, "number": seq}
    if connection.execute(_END, {**place, "at": at, "outcome": outcome}).rowcount:
        return
    row = connection.execute(_ONE, place).first()
    if row is None:
        raise NotRecorded(f"there is no step {seq} of {machine} in run {run_id}")
    if StepRecord(*row).result != outcome:
        raise Refused(f"step {seq} of {machine} in run {run_id} has ended already")


def _attached(last: StepRecord, key: str) -> StepRecord:
    if last.key != key:
        raise StepStillOpen(
            f"{last.machine} is in step {last.seq} ({last.key}) of run {last.run_id}, "
            f"which has not ended; {key} cannot begin"
        )
    return last


def _values(step: StepRecord) -> dict[str, Any]:
    return {
        "run_id": step.run_id,
        "machine": step.machine,
        "seq": step.seq,
        "key": step.key,
        "action": step.action,
        "started_at": step.started_at,
    }
