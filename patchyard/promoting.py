"""Promotion: what an open run of a ring may install, by the records of the ring before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from patchyard.domain.outcome import Status
from patchyard.domain.rings import Judged, Promotion, Ran, Ring, judge, release, release_hash
from patchyard.runs import Run

WINDOWS = 10
"""Windows of the ring before it that are looked at."""


def judge_ring(run: Run, ring: Ring) -> Judged:
    """Say what the ring before a run's has proven by now."""
    return judge(ring, _ran(run, ring), run.clock())


def promote(run: Run, ring: Ring, judged: Judged) -> tuple[Promotion, tuple[tuple[str, str], ...]]:
    """Return what a plan is promoted from, and the versions that it may install."""
    assert judged.ran is not None  # noqa: S101 - who has nothing to promote is not let in
    looks = [
        seen.packages
        for name, seen in run.store.last_assessments(judged.ran.run_id).items()
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
    for claim in run.store.claims_of(run.inventory.name, ring.after, WINDOWS):
        yield Ran(claim.key, claim.run_id, _ended(run, claim.run_id), _statuses(run, claim.run_id))


def _ended(run: Run, run_id: str) -> datetime | None:
    """Return when a run had ended; None while it has not, or where it is forgotten."""
    found = run.store.run(run_id)
    return found.finished_at if found else None


def _statuses(run: Run, run_id: str) -> Mapping[str, Status]:
    return {each.machine: each.status for each in run.store.machines(run_id)}
