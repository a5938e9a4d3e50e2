"""Works through steps until it is killed, and says what the store has confirmed.

    python -m tests.store.crash_child URL RUN

It goes on from the record, as a controller that resumes does.
"""

from __future__ import annotations

import itertools
import sys

from patchyard.store import Store, open_store
from tests.store.conftest import NOW


def main(store: Store, run_id: str) -> None:
    for number in itertools.count(_next(store, run_id)):
        key = f"k{number}"
        step = store.begin_step(run_id, "m1", key, {"n": number, "filler": "x" * 3000}, NOW)
        print("begun", number, flush=True)
        store.finish_step(run_id, "m1", step.seq, {"n": number, "filler": "y" * 3000}, NOW)
        print("ended", number, flush=True)


def _next(store: Store, run_id: str) -> int:
    steps = store.steps(run_id, "m1")
    return len(steps) if steps and steps[-1].open else len(steps) + 1


if __name__ == "__main__":
    main(open_store(sys.argv[1]), sys.argv[2])
