"""Memory of windows: each is claimed once, by one run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from sqlalchemy import Connection, delete, insert, select

from patchyard.store.models import WindowClaimRow
from patchyard.store.part import Part, as_records, select_as
from patchyard.store.records import WindowClaim

_CLAIMS = select_as(WindowClaim, WindowClaimRow)


class WindowClaims(Part):
    """The windows that runs have taken."""

    def claim_window(self, claim: WindowClaim) -> str:
        """Take a window for a run.

        Answers the run that has it: the asking one, also where it had it before; otherwise the
        one that came first, and then nothing is taken.
        """
        holder = select(WindowClaimRow.run_id).where(
            WindowClaimRow.inventory == claim.inventory, WindowClaimRow.key == claim.key
        )

        def work(connection: Connection) -> str:
            has_it = connection.scalar(holder)
            if has_it is not None:
                return str(has_it)
            # Who wrote the same at this instant breaks the unique key here, is tried again by
            # the database's patience, and then reads who was first.
            connection.execute(insert(WindowClaimRow), asdict(claim))
            return claim.run_id

        return self._database.write(work)

    def release_window(self, inventory: str, run_id: str) -> None:
        """Give back the window of a run that has begun nothing in it."""
        gone = delete(WindowClaimRow).where(
            WindowClaimRow.inventory == inventory, WindowClaimRow.run_id == run_id
        )
        self._database.write(lambda connection: connection.execute(gone))

    def claims_of(self, inventory: str, configuration: str, most: int) -> tuple[WindowClaim, ...]:
        """Return the newest claims of a configuration's windows, newest first."""
        query = (
            _CLAIMS.where(
                WindowClaimRow.inventory == inventory,
                WindowClaimRow.key.startswith(f"{configuration}@", autoescape=True),
            )
            .order_by(WindowClaimRow.opens_at.desc(), WindowClaimRow.key)
            .limit(most)
        )
        return as_records(WindowClaim, self._database.rows(query))

    def window_claims(self, inventory: str, keys: Iterable[str]) -> tuple[WindowClaim, ...]:
        """Return the claims of windows, by their keys."""
        query = _CLAIMS.where(
            WindowClaimRow.inventory == inventory, WindowClaimRow.key.in_(list(keys))
        )
        return as_records(WindowClaim, self._database.rows(query))
