"""Telling people: each notice is claimed in the memory, given once, and what came of it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from patchyard.domain.around import Notice
from patchyard.domain.inventory import Inventory
from patchyard.domain.noticing import Message, key_of
from patchyard.errors import PatchyardError
from patchyard.notifiers import Letter, Notifier
from patchyard.store import NoticeRecord, Store
from patchyard.untrusted import visible


@dataclass(frozen=True, slots=True)
class Matter:
    """What there is to tell, of which machines; and of which run or window."""

    place: str
    moment: str
    type: str
    subject: str
    title: str
    text: str
    data: Mapping[str, Any]
    machines: tuple[str, ...]
    window: str = ""
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Teller:
    """Gives notices of one inventory, by the ways that there are."""

    store: Store
    inventory: Inventory
    ways: Mapping[str, Notifier]

    def give(
        self, notice: Notice, matter: Matter, now: datetime, *, attempts: int = 1
    ) -> NoticeRecord | None:
        """Give a notice, unless it was given or is being given. Answers what came of it."""
        key = f"{self.inventory.name}/{key_of(matter.place, matter.moment, notice)}"
        record = NoticeRecord(
            key=key,
            run_id=matter.run_id,
            inventory=self.inventory.name,
            window=matter.window,
            moment=matter.moment,
            to=notice.to,
            address=notice.address,
            attempts=1,
            claimed_at=now,
            stops=notice.on_failure == "stop",
        )
        taken = self.store.claim_notice(record, attempts=attempts)
        if taken is None:
            return None
        why = self._send(notice, self._letter(notice, matter, key, now))
        state = "failed" if why else "sent"
        self.store.end_notice(key, state, why, now)
        return replace(taken, state=state, detail=why, ended_at=now)

    def _send(self, notice: Notice, letter: Letter) -> str:
        """Give a letter; whatever goes wrong with it is told and ends nothing else."""
        try:
            return self.ways[notice.to].send(letter)
        except PatchyardError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - nobody's patches wait for a notice
            return f"Patchyard itself failed here: {error!r}"

    def _letter(self, notice: Notice, matter: Matter, key: str, now: datetime) -> Letter:
        message = Message(
            id=key,
            type=matter.type,
            at=now,
            inventory=self.inventory.name,
            subject=matter.subject,
            title=visible(matter.title),
            text=visible(matter.text, lines=True),
            data={
                "inventory": self.inventory.name,
                "moment": matter.moment,
                "machines": list(matter.machines),
                **matter.data,
            },
        )
        return Letter(message, notice.address, self.inventory, matter.machines)
