"""A notice to whoever is logged in on the machines: a job that shows a message."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta

from patchyard import operations
from patchyard.domain.inventory import Machine
from patchyard.errors import PatchyardError
from patchyard.link import Link
from patchyard.managers import manager_for
from patchyard.notifiers.base import Letter, Notifier
from patchyard.operations import Bench
from patchyard.systems import system_for
from patchyard.transports import open_transport

AT_ONCE = 16
"""Machines that are told at the same time."""

LONGEST = timedelta(minutes=5)
"""So long are machines told; whoever was not tried by then is not."""

NAMED = 3
"""Machines that could not be told and are named; the others are counted."""


def send(letter: Letter) -> str:
    """Show a letter's message on its machines. One that was told is not told again."""
    found = [m for m in map(letter.inventory.machine, letter.machines) if m is not None]
    if not found:
        return "there is no machine to tell"
    until = time.monotonic() + LONGEST.total_seconds()
    with ThreadPoolExecutor(min(AT_ONCE, len(found))) as pool:
        # Each in a context of its own, as this one: by it a secret of Prefect's is found.
        futures = [pool.submit(copy_context().run, _tell, letter, each, until) for each in found]
    told = [future.result() for future in futures]
    failed = [why for why in told if why]
    more = f"; and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
    count = f"{len(failed)} of {len(found)} machines could not be told: "
    return f"{count}{'; '.join(failed[:NAMED])}{more}" if failed else ""


def _tell(letter: Letter, machine: Machine, until: float) -> str:
    if time.monotonic() >= until:
        return f"{machine.name}: not tried within {LONGEST.total_seconds():g} s"
    try:
        with Link(lambda: open_transport(machine, letter.inventory)) as link:
            operations.message(_bench(machine, link, letter), _job(letter), letter.message.text)
    except PatchyardError as error:
        return f"{machine.name}: {error}"
    except Exception as error:  # noqa: BLE001 - the others are told
        return f"{machine.name}: Patchyard itself failed here: {error!r}"
    return ""


def _job(letter: Letter) -> str:
    return hashlib.sha256(letter.message.id.encode()).hexdigest()[:16]


def _bench(machine: Machine, link: Link, letter: Letter) -> Bench:
    return Bench(
        machine=machine,
        system=system_for(machine),
        manager=manager_for(machine),
        link=link,
        run_id="notice",
        seed=letter.message.id,  # whoever asks again can read the answer to the first
        clock=lambda: datetime.now(UTC),
        sleep=time.sleep,
    )


NOTIFIER = Notifier(name="machine", send=send)
