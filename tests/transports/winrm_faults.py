"""What goes wrong on purpose between the controller and a Windows machine, and a yard for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from patchyard.testing.windows.winrm import Fault
from patchyard.transports.winrm import WinrmTransport
from tests.transports.winrm_yard import Yard

SOON = timedelta(seconds=20)


class Pauses(list[float]):
    """Takes the place of time.sleep: a test sees how long would have been waited."""

    def __call__(self, seconds: float) -> None:
        """Take note."""
        self.append(seconds)


@contextmanager
def watched(folder: Path) -> Iterator[Yard]:
    """Make a yard in which nothing may go in the clear, and no fault be left over."""
    with Yard(folder) as made:
        yield made
        assert made.server.faults.left == 0
        assert (made.server.counts.unsealed, made.server.counts.refused) == (0, 0)


def unhurried_link(yard: Yard, pauses: Pauses) -> WinrmTransport:
    """Open a link that notes its pauses, and takes none."""
    made = yard.open()
    made._client.pause = pauses
    return made


def run(link: WinrmTransport, script: str = "x") -> str:
    """Run a script and return what it printed."""
    return link.run(script, timeout=SOON).stdout


LOST: list[tuple[Fault, dict[str, Any]]] = [
    (Fault.RESET_BEFORE, {}),
    (Fault.RESET_AFTER, {}),
    (Fault.CLOSE, {}),
    (Fault.CLOSE, {"processed": True}),
    (Fault.HALF_BODY, {}),
    (Fault.STATUS, {"status": 500}),
    (Fault.STATUS, {"status": 500, "processed": True}),
]
"""Ways to lose an answer. Nobody knows whether the request was carried out."""

NOT_TAKEN: list[tuple[Fault, dict[str, Any]]] = [
    (Fault.STATUS, {"status": 400}),
    (Fault.STATUS, {"status": 413}),
    (Fault.STATUS, {"status": 503}),
]
"""Answers that say that the request was not carried out."""
