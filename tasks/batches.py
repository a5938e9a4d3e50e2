"""Batches: how many machines one task run holds, and the bounded threads inside it."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from math import ceil

TASK_RUNS = 90
"""Task runs of one phase: two phases stay below 200, and a server digests some 20 a second."""


def batch_size(machines: int) -> int:
    """Return how many machines one task run holds: one, until a fleet has too many for that."""
    return max(1, ceil(machines / TASK_RUNS))


def batches(names: Iterable[str], size: int) -> Iterator[list[str]]:
    """Cut names into lists of at most `size`."""
    left = iter(names)
    while batch := list(islice(left, size)):
        yield batch


def label(names: Sequence[str]) -> str:
    """Name what a task run holds: the machine, or the first and last of a batch."""
    if len(names) == 1:
        return names[0]
    return f"{len(names)} machines, {names[0]} to {names[-1]}"


def each(names: Sequence[str], act: Callable[[str], None], *, threads: int) -> None:
    """Call `act` for every name in bounded threads, each with Prefect's context."""
    if len(names) == 1:
        act(names[0])
        return
    with ThreadPoolExecutor(max_workers=max(1, min(threads, len(names)))) as pool:
        futures = [pool.submit(contextvars.copy_context().run, act, name) for name in names]
    for future in futures:
        future.result()
