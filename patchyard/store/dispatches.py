"""Memory of dispatching: up to when the windows of each inventory were looked at."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from patchyard.store.models import DispatchRow
from patchyard.store.part import Part


class Dispatches(Part):
    """Where dispatchers have come to."""

    def looked_at(self, inventory: str) -> datetime | None:
        """Return up to when an inventory's windows were looked at; None where they never were."""
        query = select(DispatchRow.looked_at).where(DispatchRow.inventory == inventory)
        return next((at for (at,) in self._database.rows(query)), None)

    def record_looked(self, inventory: str, at: datetime) -> None:
        """Record that an inventory's windows were looked at, and what was missed is told."""
        row = self._database.insert(DispatchRow).values(inventory=inventory, looked_at=at)
        self._database.change(
            row.on_conflict_do_update(
                index_elements=[DispatchRow.inventory], set_={"looked_at": at}
            )
        )
