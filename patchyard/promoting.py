"""Promotion: what an open run of a ring may install, by the records of the ring before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime

from patchyard.domain.outcome import Status
from patchyard.domain.rings import Judged, Promotion, Ran, Ring, judge, release, release_hash
from patchyard.runs import Run

WINDOWS = 20
"""Claims of the ring before it that are looked at; a window has two at most."""


def judge_ring(run: Run, ring: Ring) -> Judged:
    """Say what the ring before a run's has proven by now."""
    return judge(ring, _ran(run, ring), run.clock())


def promote(run: Run, ring: Ring, judged: Judged) -> tuple[Promotion, tuple[tuple[str, str], ...]]:
    """Return what a plan is promoted from, and the versions that it may install."""
    assert judged.ran is not None  # noqa: S101 - who has nothing to promote is not let in
    looks = [
        seen.packages
        for run_id in judged.ran.runs
        for name, seen in run.store.last_assessments(run_id).items()
        if name in judged.ran.good
    ]
    pairs = release(looks)
    told = Promotion(
        ring=ring.after,
        key=judged.ran.key,
        release=release_hash(pairs),
        proven=judged.proven,
        told=judged.told,
    )
    return told, pairs


def _ran(run: Run, ring: Ring) -> Iterator[Ran]:
    """Return what became of the last windows of the ring before it."""
    runs: dict[str, list[str]] = defaultdict(list)
    for claim in run.store.claims_of(run.inventory.name, ring.after, WINDOWS):
        if claim.run_id not in runs[claim.key]:
            runs[claim.key].append(claim.run_id)
    for key, of in runs.items():
        yield Ran(key, tuple(of), _ended(run, of), _statuses(run, of))


def _ended(run: Run, runs: list[str]) -> datetime | None:
    """Return when all of the runs had ended; None while one has not, or where one is forgotten."""
    found = [run.store.run(run_id) for run_id in runs]
    ends = [each.finished_at if each else None for each in found]
    known = [at for at in ends if at is not None]
    return max(known) if len(known) == len(ends) else None


def _statuses(run: Run, runs: list[str]) -> Mapping[str, Status]:
    return {each.machine: each.status for of in runs for each in run.store.machines(of)}
