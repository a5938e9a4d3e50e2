"""The crew of a phase: a task run for each batch of machines, begun when its first may start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

from prefect import Task
from prefect.futures import PrefectFuture

from patchyard.batches import Batch, batch_size, cut
from patchyard.runs import Run


class Crew:
    """Task runs that hold a phase's machines. Left well, it waits until they have ended."""

    def __init__(
        self, run: Run, task: Task[..., None], groups: Sequence[Sequence[str]], **given: Any
    ) -> None:
        """Make batches, none of them across two groups.

        Args:
            run: the open run.
            task: takes the run's id, the batch's label, and `given`.
            groups: names of all machines that may be started, such as the waves.
            **given: further arguments of the task.
        """
        self._run, self._task, self._given = run, task, given
        size = batch_size(sum(len(group) for group in groups))
        self._batch_of: dict[str, Batch] = {}
        for group in groups:
            for names in cut(group, size):
                batch = Batch(names, threads=run.slots, on_end=self._ended)
                self._batch_of |= dict.fromkeys(names, batch)
        self._futures: dict[str, PrefectFuture[None]] = {}
        self._ended_futures: SimpleQueue[PrefectFuture[None]] = SimpleQueue()
        self._at_work: set[str] = set()

    @property
    def working(self) -> int:
        """How many machines are at work now."""
        return len(self._at_work)

    def _ended(self, name: str) -> None:
        self._at_work.discard(name)
        self._run.changed.set()

    def start(self, names: Iterable[str]) -> None:
        """Let work on machines begin, each in the task run that holds it."""
        for name in names:
            batch = self._batch_of[name]
            self._at_work.add(name)
            batch.hand_over(name)
            if batch.label not in self._futures:
                self._run.batches[self._task.name, batch.label] = batch
                future = self._task.submit(self._run.id, batch.label, **self._given)
                self._futures[batch.label] = future
                future.add_done_callback(self._over)

    def _over(self, future: PrefectFuture[None]) -> None:
        self._ended_futures.put(future)
        self._run.changed.set()

    def insist(self) -> None:
        """Raise what ended a task run badly; its machines would be waited for without end.

        Asked of those that have ended here: the state of one that has not is a question to the
        server.
        """
        while not self._ended_futures.empty():
            self._ended_futures.get().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for batch in set(self._batch_of.values()):
            batch.close()
        if error is None:
            for future in self._futures.values():
                future.wait()
