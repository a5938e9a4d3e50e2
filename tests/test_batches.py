"""A task run holds machines that are handed over one by one, and ends when they have ended."""

from __future__ import annotations

import contextvars
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.batches import MOST, Batch, batch_size, cut, label

NAMES = ("a", "b", "c", "d")
STORY: contextvars.ContextVar[str] = contextvars.ContextVar("STORY")


@given(st.integers(1, 20_000))
def test_no_fleet_makes_more_batches_than_prefect_can_digest(machines: int) -> None:
    names = [str(number) for number in range(machines)]
    parts = list(cut(names, batch_size(machines)))
    assert len(parts) <= MOST
    assert [name for part in parts for name in part] == names


def test_a_small_fleet_has_one_machine_in_each() -> None:
    assert batch_size(MOST) == 1
    assert batch_size(MOST + 1) == 2


def test_a_batch_is_named_after_what_it_holds() -> None:
    assert label(["web-1"]) == "web-1"
    assert label(NAMES) == "4 machines, a to d"


def run(batch: Batch, seen: list[str]) -> ThreadPoolExecutor:
    pool = ThreadPoolExecutor(1)
    pool.submit(batch.work, seen.append)
    return pool


def test_it_works_on_each_when_it_is_handed_over_and_ends_with_the_last() -> None:
    seen: list[str] = []
    batch = Batch(NAMES, threads=2)
    with run(batch, seen):
        batch.hand_over("c")
        while seen != ["c"]:
            time.sleep(0.01)
        for name in ("a", "d", "b"):
            batch.hand_over(name)
    assert sorted(seen) == sorted(NAMES)


def test_closing_ends_it_with_what_was_handed_over() -> None:
    seen: list[str] = []
    batch = Batch(NAMES, threads=2)
    with run(batch, seen):
        batch.hand_over("b")
        batch.close()
    assert seen == ["b"]


def test_nothing_is_handed_over_twice_and_nothing_strange() -> None:
    batch = Batch(NAMES, threads=2)
    batch.hand_over("a")
    for name in ("a", "stranger"):
        with pytest.raises(KeyError):
            batch.hand_over(name)


def test_no_more_are_at_work_than_it_has_threads() -> None:
    at_work, most = set[str](), 0
    lock = threading.Lock()

    def act(name: str) -> None:
        nonlocal most
        with lock:
            at_work.add(name)
            most = max(most, len(at_work))
        time.sleep(0.02)
        with lock:
            at_work.discard(name)

    batch = Batch(NAMES, threads=2)
    for name in NAMES:
        batch.hand_over(name)
    batch.work(act)
    assert most == 2


def test_one_that_raises_ends_for_itself_and_is_told_after_the_others() -> None:
    ended: list[str] = []

    def act(name: str) -> None:
        if name == "a":
            raise RuntimeError(name)

    batch = Batch(NAMES, threads=1, on_end=ended.append)
    for name in NAMES:
        batch.hand_over(name)
    with pytest.raises(RuntimeError, match="a"):
        batch.work(act)
    assert ended == list(NAMES)


def test_each_is_worked_on_in_the_context_of_the_task_run() -> None:
    STORY.set("told")
    seen: list[str] = []
    batch = Batch(NAMES, threads=2)
    for name in NAMES:
        batch.hand_over(name)
    batch.work(lambda _name: seen.append(STORY.get()))
    assert seen == ["told"] * len(NAMES)
