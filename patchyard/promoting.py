"""Promotion: what an open run of a ring may install, by the records of the ring before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime

from patchyard.domain.outcome import Status
from patchyard.domain.rings import (
    Judged,
    Promotion,
    Proof,
    Ran,
    Ring,
    judge,
    release,
    release_hash,
    versions,
)
from patchyard.runs import Run
from patchyard.store import Store

WINDOWS = 20
"""Claims of the ring before it that are looked at; a window has two at most."""


def judge_ring(run: Run, ring: Ring) -> Judged:
    """Say what the ring before a run's has proven by now."""
    return judge(ring, _ran(run.store, run.inventory.name, ring), run.clock())


def promote(run: Run, ring: Ring, judged: Judged) -> tuple[Promotion, tuple[tuple[str, str], ...]]:
    """Return what a plan is promoted from, and the versions that it may install."""
    assert judged.ran is not None  # noqa: S101 - who has nothing to promote is not let in
    pairs = _release(run.store, judged.ran)
    told = Promotion(
        ring=ring.after,
        key=judged.ran.key,
        release=release_hash(pairs),
        proven=judged.proven,
        told=judged.told,
    )
    return told, pairs


def proof_of(store: Store, inventory: str, ring: Ring, now: datetime) -> Proof:
    """Return what the ring before has proven by now, and what it has that still soaks."""
    ran = list(_ran(store, inventory, ring))
    judged = judge(ring, ran, now)
    ended = [(each.finished_at, each) for each in ran if each.finished_at and each.good]
    if judged.ran is None or not ended:
        return Proof(told=judged.told)
    since, newest = max(ended, key=lambda pair: pair[0])
    return Proof(
        good=judged.proven,
        bad=_went_bad(ring, ran, judged.ran.finished_at or since),
        told=judged.told,
        release=versions(_release(store, judged.ran)),
        newest=versions(_release(store, newest)),
        since=None if _went_bad(ring, ran, since) else since,
    )


def _went_bad(ring: Ring, ran: list[Ran], since: datetime) -> bool:
    """Say whether a window that ended then or later came to too many bad ends."""
    later = (each for each in ran if each.finished_at is not None and each.finished_at >= since)
    return any(len(each.bad) > ring.max_failures for each in later)


def _release(store: Store, ran: Ran) -> tuple[tuple[str, str], ...]:
    """Return the versions that the machines of a window have that came to a good end."""
    return release(
        seen.packages
        for run_id in ran.runs
        for name, seen in store.last_assessments(run_id).items()
        if name in ran.good
    )


def _ran(store: Store, inventory: str, ring: Ring) -> Iterator[Ran]:
    """Return what became of the last windows of the ring before it."""
    runs: dict[str, list[str]] = defaultdict(list)
    for claim in store.claims_of(inventory, ring.after, WINDOWS):
        if claim.run_id not in runs[claim.key]:
            runs[claim.key].append(claim.run_id)
    for key, of in runs.items():
        yield Ran(key, tuple(of), _ended(store, of), _statuses(store, of))


def _ended(store: Store, runs: list[str]) -> datetime | None:
    """Return when all of the runs had ended; None while one has not, or where one is forgotten."""
    found = [store.run(run_id) for run_id in runs]
    ends = [each.finished_at if each else None for each in found]
    known = [at for at in ends if at is not None]
    return max(known) if len(known) == len(ends) else None


def _statuses(store: Store, runs: list[str]) -> Mapping[str, Status]:
    return {each.machine: each.status for of in runs for each in store.machines(of)}
