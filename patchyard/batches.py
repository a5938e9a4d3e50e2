"""Batches: the machines that one task run holds, handed over one by one as they may start.

A small fleet has one machine in a batch. A large one has more, so that a run makes some 120 task
runs at most, however many machines it has (Prefect digests about 20 a second).
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from queue import SimpleQueue

MOST = 60
"""Batches of one phase: with two phases a run has some 120 task runs."""


def batch_size(machines: int) -> int:
    """Return how many machines a batch holds: one, until a fleet has too many for that."""
    return max(1, ceil(machines / MOST))


def cut(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Cut names into parts of at most `size`."""
    return (names[start : start + size] for start in range(0, len(names), size))


class Batch:
    """Machines that one task run holds.

    They are handed over from one thread, in any order and at any time, and worked on in others.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        threads: int,
        on_end: Callable[[str], None] = lambda _name: None,
    ) -> None:
        """Take the names of all that will ever be handed over.

        Args:
            names: the machines.
            threads: how many are at work at once, at most.
            on_end: called for each machine when work on it has ended, well or not.
        """
        self.label = label(names)
        self._on_end = on_end
        self._missing = set(names)
        self._threads = min(threads, len(names))
        self._given: SimpleQueue[str | None] = SimpleQueue()

    def hand_over(self, name: str) -> None:
        """Let work on a machine begin; raises KeyError where it is not, or no more, to come."""
        self._missing.remove(name)
        self._given.put(name)
        if not self._missing:
            self.close()

    def close(self) -> None:
        """Say that nothing more comes. What was handed over is worked on."""
        self._given.put(None)

    def work(self, act: Callable[[str], None]) -> None:
        """Call `act` for each machine in bounded threads, each in the context of this one.

        Ends when the last has ended. Raises what `act` has raised, after all have ended.
        """
        with ThreadPoolExecutor(self._threads) as pool:
            futures = [
                pool.submit(contextvars.copy_context().run, self._one, act, name)
                for name in iter(self._given.get, None)
            ]
        for future in futures:
            future.result()

    def _one(self, act: Callable[[str], None], name: str) -> None:
        try:
            act(name)
        finally:
            self._on_end(name)


def label(names: Sequence[str]) -> str:
    """Name what a batch holds: the machine, or how many with the first and the last."""
    if len(names) == 1:
        return names[0]
    return f"{len(names)} machines, {names[0]} to {names[-1]}"
