"""What a forecast is told of a ring: what it has proven, what still soaks, what went bad."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from patchyard.domain.outcome import Status
from patchyard.domain.rings import Proof, Ring
from patchyard.promoting import proof_of
from patchyard.store import RunRecord, Store, WindowClaim, open_store
from patchyard.testing.assessments import assessment

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
RING = Ring(after="test", soak=3 * DAY)
KEY = "openssl:amd64"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'patchyard.db'}") as store:
        yield store


def ran(store: Store, days_ago: int, version: str, status: Status = Status.SUCCEEDED) -> None:
    """Keep a run of the ring `test` that ended so long ago, and left its machine with a version."""
    at, run_id = NOW - days_ago * DAY, f"patch-{days_ago}"
    store.create_run(RunRecord(run_id, "patch", "mine", "all", {}, Status.IN_PROGRESS, at))
    key = f"test@{at:%Y-%m-%d}"
    store.claim_window(WindowClaim("mine", key, run_id, at, at + HOUR, at))
    store.add_machines(run_id, [("t", 1, 0)])
    store.set_machine(run_id, "t", status, "", at)
    seen = assessment("t", taken_at=at, packages={KEY: version})
    store.save_assessment(run_id, "t", "after", seen)
    store.finish_run(run_id, status, "", at)


def proof(store: Store) -> Proof:
    return proof_of(store, "mine", RING, NOW)


def test_a_ring_that_never_ran_has_proven_nothing(store: Store) -> None:
    assert proof(store) == Proof(told="ring test has proven nothing yet")
    ran(store, 5, "1", Status.FAILED)
    assert proof(store).release == {}


def test_the_release_is_what_has_soaked_and_the_newest_is_what_has_not(store: Store) -> None:
    ran(store, 5, "1")
    ran(store, 1, "2")
    found = proof(store)
    assert (found.good, found.bad, found.since) == (True, False, NOW - DAY)
    assert (found.release, found.newest) == ({KEY: frozenset("1")}, {KEY: frozenset("2")})
    assert found.releases(KEY, "1")
    assert found.soaks(KEY, "2")
    assert not found.soaks(KEY, "1")


def test_a_bad_end_since_speaks_against_all_of_it(store: Store) -> None:
    ran(store, 5, "1")
    ran(store, 1, "2", Status.FAILED)
    found = proof(store)
    assert (found.good, found.bad, found.since) == (False, True, None)
    assert found.told.startswith("test@2026-03-09: 1 of 1 machines came to a bad end")
    assert found.releases(KEY, "1")


def test_a_bad_end_before_the_newest_window_is_over_when_that_has_soaked(store: Store) -> None:
    ran(store, 6, "1")
    ran(store, 5, "1", Status.FAILED)
    ran(store, 1, "2")
    found = proof(store)
    assert (found.good, found.bad, found.since) == (False, True, NOW - DAY)
    assert found.soaks(KEY, "2")
