"""Promotion: what an open run of a ring may install, by the records of the ring before it."""

from __future__ import annotations

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

WINDOWS = 10
"""Windows of the ring before it that are looked at."""


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
    looks = store.last_assessments(ran.run_id)
    return release(seen.packages for name, seen in looks.items() if name in ran.good)


def _ran(store: Store, inventory: str, ring: Ring) -> Iterator[Ran]:
    """Return what became of the last windows of the ring before it."""
    for claim in store.claims_of(inventory, ring.after, WINDOWS):
        run_id = claim.run_id
        yield Ran(claim.key, run_id, _ended(store, run_id), _statuses(store, run_id))


def _ended(store: Store, run_id: str) -> datetime | None:
    """Return when a run had ended; None while it has not, or where it is forgotten."""
    found = store.run(run_id)
    return found.finished_at if found else None


def _statuses(store: Store, run_id: str) -> Mapping[str, Status]:
    return {each.machine: each.status for each in store.machines(run_id)}
