"""Events as a way to tell somebody, and the notices before windows, which the dispatcher gives."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from uuid import NAMESPACE_URL, uuid5

from prefect import get_run_logger
from prefect.events import emit_event

from patchyard.announcing import Unused, announce
from patchyard.notifiers import Letter, Notifier, notifiers
from patchyard.runs import now as clock
from patchyard.store import Store

NAMED = 20
"""Machines that an event names; it has their number too."""


def _emit(letter: Letter) -> str:
    message = letter.message
    kind = "window" if ".window." in message.type else "run"
    payload = {**message.data, "title": message.title, "text": message.text}
    payload["machines"] = list(letter.machines[:NAMED])
    event = emit_event(
        message.type,
        resource={
            "prefect.resource.id": f"patchyard.{kind}.{message.subject}",
            "prefect.resource.name": message.title,
        },
        payload={**payload, "machine_count": len(letter.machines)},
        occurred=message.at,
        id=uuid5(NAMESPACE_URL, message.id),
    )
    return "" if event is not None else "the event was not taken"


EVENT = Notifier(name="event", send=_emit)


def ways() -> Mapping[str, Notifier]:
    """Return the ways to tell somebody, by name."""
    return MappingProxyType({**notifiers(), EVENT.name: EVENT})


def announce_all(store: Store, unused: Mapping[str, Unused], *, dry_run: bool) -> None:
    """Give the notices that are due, by inventories. What cannot be given ends nothing.

    Where dry runs are booked nobody is told: nothing will be changed.
    """
    log = get_run_logger()
    for reference, found in () if dry_run else unused.items():
        try:
            given = announce(store, reference, ways(), clock(), found)
        except Exception as error:  # noqa: BLE001 - windows are booked whatever becomes of notices
            log.error("notices of %s could not be given: %r", reference, error)  # noqa: TRY400
            continue
        for each in given:
            told = log.warning if each.state == "failed" else log.info
            to = f"{each.to} {each.address}".strip()
            told("notice %s of %s to %s: %s", each.moment, each.window, to, each.state)
            if each.detail:
                log.warning("%s: %s", each.key, each.detail)
