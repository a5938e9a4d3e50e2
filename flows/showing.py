"""Showing in Prefect, behind the run: a server that is slow, or away, holds up no machine."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from queue import SimpleQueue

import httpx

PATIENCE = timedelta(minutes=10)
"""So long is a server waited for that is away, when nothing but showing is left to be done."""

PAUSE_SECONDS = 3.0
"""Time between two tries; Prefect's client has tried for a minute by itself where it was linked."""

Act = Callable[[], object]


class Showing:
    """One thread that shows one thing after the other, in the context of who made it.

    What a server refuses is told and left out: the record is elsewhere.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._acts: SimpleQueue[Act | None] = SimpleQueue()
        self._closing = threading.Event()
        self._busy = threading.Lock()
        self._context = contextvars.copy_context()
        self._thread = threading.Thread(target=self._work, name="showing", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """True where all that was to be shown is shown."""
        return self._acts.empty() and not self._busy.locked()

    def show(self, act: Act) -> None:
        """Show something when its turn comes. Never waits."""
        self._acts.put(act)

    def close(self, patience: timedelta = PATIENCE) -> None:
        """Wait until all is shown, or until patience is over."""
        self._acts.put(None)
        self._thread.join(patience.total_seconds())
        self._closing.set()

    def _work(self) -> None:
        for act in iter(self._acts.get, None):
            with self._busy:
                self._context.run(self._insist, act)

    def _insist(self, act: Act) -> None:
        """Do it as soon as a server answers."""
        since, told = time.monotonic(), False
        while True:
            try:
                act()
            except httpx.TransportError as error:
                if not told:
                    self._tell(f"Prefect does not answer, and the run goes on: {error!r}")
                told = True
                if time.monotonic() - since > PATIENCE.total_seconds():
                    return
                if self._closing.wait(PAUSE_SECONDS):
                    return
            except Exception as error:  # noqa: BLE001 - the run does not die of what is shown of it
                self._tell(f"Prefect did not take what was to be shown: {error!r}")
                return
            else:
                return
