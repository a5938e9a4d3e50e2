"""A controller that is killed at any point leaves a record that can be gone on from."""

from __future__ import annotations

import random
import subprocess
import sys
import time

from patchyard.store import RunRecord, Store, open_store

KILLS = 5


def kill_in_the_middle(url: str, run_id: str, after: float) -> list[str]:
    """Let a child work for so many seconds, kill it, and return what it was confirmed."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.store.crash_child", url, run_id],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    first = child.stdout.readline()
    time.sleep(after)
    child.kill()
    rest, _ = child.communicate(timeout=30)
    # What it was writing when it was killed tells nothing.
    whole, _, _ = (first + rest).rpartition("\n")
    return whole.splitlines()


def test_no_step_is_lost_or_doubled_when_the_controller_is_killed(
    url: str, store: Store, run: RunRecord
) -> None:
    chance = random.Random(7)
    confirmed: list[str] = []
    for _ in range(KILLS):
        confirmed += kill_in_the_middle(url, run.id, after=chance.uniform(0.0, 0.15))
        with open_store(url) as fresh:
            check(fresh, run.id, confirmed)

    assert len(store.steps(run.id, "m1")) > KILLS


def check(store: Store, run_id: str, confirmed: list[str]) -> None:
    steps = store.steps(run_id, "m1")
    numbers = range(1, len(steps) + 1)
    assert [(s.seq, s.key, s.action["n"]) for s in steps] == [(n, f"k{n}", n) for n in numbers]
    assert all(s.result is not None and s.result["n"] == s.seq for s in steps[:-1])
    begun = {int(line.split()[1]) for line in confirmed if line.startswith("begun")}
    ended = {int(line.split()[1]) for line in confirmed if line.startswith("ended")}
    assert begun <= set(numbers)
    assert ended <= {s.seq for s in steps if not s.open}


def test_a_controller_is_killed_while_a_step_is_open_at_least_once(
    url: str, run: RunRecord
) -> None:
    """The test above is worth something only if kills do fall between begin and finish."""
    chance = random.Random(11)
    for _ in range(KILLS * 5):
        kill_in_the_middle(url, run.id, after=chance.uniform(0.0, 0.02))
        with open_store(url) as fresh:
            if fresh.steps(run.id, "m1")[-1].open:
                return
    raise AssertionError("no kill fell into an open step")
