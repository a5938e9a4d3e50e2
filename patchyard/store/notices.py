"""Memory of notices: each is claimed by its key before it is given, so that it is given once."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy import Connection, insert, or_, update

from patchyard.store.models import NoticeRow
from patchyard.store.part import Part, as_records, select_as
from patchyard.store.records import NoticeRecord

_NOTICES = select_as(NoticeRecord, NoticeRow)


class Notices(Part):
    """Who was told of what."""

    def claim_notice(self, notice: NoticeRecord, *, attempts: int = 1) -> NoticeRecord | None:
        """Take a notice to give it now; of several that ask at once, one gets it.

        One that has failed may be taken again until it was tried `attempts` times. One that was
        taken and of which nothing is known is not: it may have been given.
        """

        def work(connection: Connection) -> NoticeRecord | None:
            row = connection.execute(_NOTICES.where(NoticeRow.key == notice.key)).first()
            if row is None:
                # Who wrote the same at this instant breaks the key, is tried again, and reads it.
                connection.execute(insert(NoticeRow), [asdict(notice) | {"attempts": 1}])
                return replace(notice, attempts=1)
            known = NoticeRecord(*row)
            if known.state != "failed" or known.attempts >= attempts:
                return None
            again = replace(known, state="claimed", attempts=known.attempts + 1)
            connection.execute(
                update(NoticeRow)
                .where(NoticeRow.key == notice.key)
                .values(state=again.state, attempts=again.attempts, claimed_at=notice.claimed_at)
            )
            return again

        return self._database.write(work)

    def end_notice(self, key: str, state: str, detail: str, at: datetime) -> None:
        """Record what came of a notice: sent or failed, and why."""
        ended = update(NoticeRow).where(NoticeRow.key == key)
        self._database.change(ended.values(state=state, detail=detail, ended_at=at))

    def notices(self, inventory: str, window: str, run_id: str) -> tuple[NoticeRecord, ...]:
        """Return the notices of a run and, where there is one, of its window before it."""
        mine = NoticeRow.run_id == run_id
        before = (NoticeRow.inventory == inventory) & (NoticeRow.window == window)
        where = or_(mine, before & NoticeRow.run_id.is_(None)) if window else mine
        query = _NOTICES.where(where).order_by(NoticeRow.claimed_at)
        return as_records(NoticeRecord, self._database.rows(query))
