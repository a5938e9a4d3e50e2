"""What a server has seen, for tests to read."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Counts:
    """Counters of one server.

    Attributes:
        connections: TCP connections taken.
        attempts: credentials that were judged, good or bad.
        refused: of these, how many were bad.
        shells: shells made.
        commands: commands started.
        unsealed: messages that came over HTTP in the clear.
        actions: requests by action that reached the service.
        users: who logged in, in order.
        refusals: what was asked and is not simulated: a good test ends with none.
    """

    connections: int = 0
    attempts: int = 0
    refused: int = 0
    shells: int = 0
    commands: int = 0
    unsealed: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    users: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, name: str) -> None:
        """Count one more of something."""
        with self._lock:
            setattr(self, name, getattr(self, name) + 1)

    def saw(self, action: str) -> None:
        """Count a request."""
        with self._lock:
            self.actions[action] += 1
