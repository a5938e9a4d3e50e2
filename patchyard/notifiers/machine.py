"""A notice to whoever is logged in on the machines: a job that shows a message."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

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

NAMED = 3
"""Machines that could not be told and are named; the others are counted."""


def send(letter: Letter) -> str:
    """Show a letter's message on its machines. One that was told is not told again."""
    found = [m for m in map(letter.inventory.machine, letter.machines) if m is not None]
    if not found:
        return "there is no machine to tell"
    with ThreadPoolExecutor(min(AT_ONCE, len(found))) as pool:
        told = list(pool.map(lambda machine: _tell(letter, machine), found))
    failed = [why for why in told if why]
    more = f"; and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
    count = f"{len(failed)} of {len(found)} machines could not be told: "
    return f"{count}{'; '.join(failed[:NAMED])}{more}" if failed else ""


def _tell(letter: Letter, machine: Machine) -> str:
    try:
        with Link(lambda: open_transport(machine, letter.inventory)) as link:
            operations.message(_bench(machine, link, letter), _job(letter), letter.message.text)
    except PatchyardError as error:
        return f"{machine.name}: {error}"
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
