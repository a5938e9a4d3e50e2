"""A computer's time, which may run faster than ours, and what is to happen at some moment."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

LOOK = 0.02
"""Most seconds of ours between two looks at whether a waiting process was ended."""


@dataclass(order=True)
class Timer:
    """Something that is to happen."""

    due: float
    number: int
    action: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)


class Clock:
    """The time of one computer.

    Args:
        start: the moment at which it begins; now, if it is not given.
        factor: how many of its seconds pass in one of ours.
    """

    def __init__(self, start: datetime | None = None, factor: float = 1.0) -> None:
        self._factor = factor
        self.lock = threading.RLock()
        self._start = (start or datetime.now(UTC)).timestamp()
        self._origin = time.monotonic()
        self._ahead = 0.0
        self._agenda: list[Timer] = []
        self._counter = 0
        self._settling: tuple[int, float] | None = None

    @property
    def factor(self) -> float:
        """How many of its seconds pass in one of ours; it may be changed at any time."""
        return self._factor

    @factor.setter
    def factor(self, factor: float) -> None:
        now = self.time()
        self._start, self._origin, self._ahead = now, time.monotonic(), 0.0
        self._factor = factor

    def time(self) -> float:
        """Return seconds since 1970. What happens late sees the moment at which it was due."""
        if self._settling and self._settling[0] == threading.get_ident():
            return self._settling[1]
        passed = (time.monotonic() - self._origin) * self._factor
        return self._start + self._ahead + passed

    def now(self) -> datetime:
        """Return the moment."""
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=self.time())

    def advance(self, seconds: float) -> None:
        """Let time pass at once; what is due meanwhile happens."""
        self._ahead += seconds
        self.settle()

    def after(self, seconds: float, action: Callable[[], None]) -> Timer:
        """Let something happen later."""
        with self.lock:
            self._counter += 1
            timer = Timer(self.time() + seconds, self._counter, action)
            heapq.heappush(self._agenda, timer)
            return timer

    def settle(self) -> None:
        """Let everything happen that is due, each at its own moment."""
        if not self._agenda or self._agenda[0].due > self.time():
            return
        with self.lock:
            if self._settling is not None:
                return
            try:
                while self._agenda and self._agenda[0].due <= self._real_time():
                    timer = heapq.heappop(self._agenda)
                    self._settling = (threading.get_ident(), timer.due)
                    if not timer.cancelled:
                        timer.action()
                    self._settling = None
            finally:
                self._settling = None

    def _real_time(self) -> float:
        self._settling = None
        return self.time()

    def wait(self, seconds: float, check: Callable[[], None]) -> None:
        """Wait; `check` is asked again and again, and may raise to end it."""
        end = self.time() + seconds
        while True:
            self.settle()
            check()
            left = end - self.time()
            if left <= 0:
                return
            time.sleep(max(min(left / self._factor, LOOK), 0.0001))
