"""A computer's time, which may run faster than ours, and what is to happen at some moment.

A clock that leaps does not wait: where every script of the computer waits, and one of them because
somebody asked over the link, the time moves on to the first thing that happens. So a test takes no
longer than its work, and a busy box changes nothing of what happens.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@dataclass(eq=False)
class Waiting:
    """A script that waits until a moment; `asked` where somebody waits for it over the link."""

    end: float
    asked: bool


class Clock:
    """The time of one computer.

    Args:
        start: the moment at which it begins; now, if it is not given.
        factor: how many of its seconds pass in one of ours.
        leaps: whether time that is only waited for is left out.
    """

    def __init__(
        self, start: datetime | None = None, factor: float = 1.0, *, leaps: bool = False
    ) -> None:
        self._factor = factor
        self._leaps = leaps
        self._scripts = threading.Condition()
        self._busy = 0
        self._waiting: list[Waiting] = []
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

    def wait(self, seconds: float, check: Callable[[], None], *, asked: bool = False) -> None:
        """Wait; `check` is asked again and again, and may raise to end it."""
        end = self.time() + seconds
        with self._listed(Waiting(end, asked)):
            while True:
                self.settle()
                check()
                left = end - self.time()
                if left <= 0:
                    return
                if not self._leap():
                    self._pause(max(min(left / self._factor, LOOK), 0.0001))

    # Scripts that run, for a clock that leaps

    def script_begins(self) -> None:
        """Count a script that has begun: time does not leap while one works."""
        with self._scripts:
            self._busy += 1

    def script_ends(self) -> None:
        """Count one less."""
        with self._scripts:
            self._busy -= 1
            self._scripts.notify_all()

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Do not count a script that waits for something else than time."""
        self.script_ends()
        try:
            yield
        finally:
            self.script_begins()

    @contextmanager
    def _listed(self, waiting: Waiting) -> Iterator[None]:
        with self._scripts:
            self._waiting.append(waiting)
            self._busy -= 1
            self._scripts.notify_all()
        try:
            yield
        finally:
            with self._scripts:
                self._waiting.remove(waiting)
                self._busy += 1

    def _leap(self) -> bool:
        """Move on to the next thing that happens, where nobody works. False where that must wait.

        One whose moment has come is waited for: it has not noticed yet.
        """
        if not self._leaps:
            return False
        with self._scripts:
            if self._busy > 0 or not any(waiting.asked for waiting in self._waiting):
                return False
            now = self.time()
            ends = [waiting.end for waiting in self._waiting]
            if min(ends) <= now:
                return False
            due = [self._agenda[0].due] if self._agenda else []
            self._ahead += max(0.0, min(ends + due) - now)
            self._scripts.notify_all()
            return True

    def _pause(self, seconds: float) -> None:
        if not self._leaps:
            time.sleep(seconds)
            return
        with self._scripts:
            self._scripts.wait(seconds)
