"""Memory of hooks of runs and waves: recorded before they are called, ended once.

Those of machines are steps of the machine.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, insert, update

from patchyard.store.models import HookCallRow
from patchyard.store.part import Part, as_records, select_as
from patchyard.store.records import HookCall

_CALLS = select_as(HookCall, HookCallRow)


class HookCalls(Part):
    """The hooks that runs and waves have called."""

    def begin_hook(self, call: HookCall) -> HookCall:
        """Record that a hook is about to be called, and return it as it is recorded now.

        Where it has ended, or was begun before, it comes back as it is: with `attempts` above 1
        nobody saw how the attempt before this one ended.

        Raises:
            NotRecorded: there is no such run.
        """

        def work(connection: Connection) -> HookCall:
            row = connection.execute(_CALLS.where(_is(call))).first()
            if row is None:
                connection.execute(insert(HookCallRow), [asdict(call)])
                return call
            known = HookCall(*row)
            if known.finished_at is None:
                known = replace(known, attempts=known.attempts + 1)
                connection.execute(
                    update(HookCallRow).where(_is(call)).values(attempts=known.attempts)
                )
            return known

        return self._database.write(work)

    def end_hook(self, call: HookCall, code: str, detail: str, at: datetime) -> HookCall:
        """Record what came of a hook. One that has ended is not changed."""
        ended = update(HookCallRow).where(_is(call), HookCallRow.finished_at.is_(None))
        self._database.change(ended.values(code=code, detail=detail, finished_at=at))
        return self._hook(call)

    def _hook(self, call: HookCall) -> HookCall:
        return HookCall(*self._database.row(_CALLS.where(_is(call))))

    def hooks(self, run_id: str) -> tuple[HookCall, ...]:
        """Return the hooks that a run has called, in the order in which they were begun."""
        query = _CALLS.where(HookCallRow.run_id == run_id).order_by(HookCallRow.started_at)
        return as_records(HookCall, self._database.rows(query))


def _is(call: HookCall) -> ColumnElement[bool]:
    return and_(
        HookCallRow.run_id == call.run_id,
        HookCallRow.leg == call.leg,
        HookCallRow.when == call.when,
        HookCallRow.wave == call.wave,
        HookCallRow.name == call.name,
    )
