from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from patchyard.store import HeldBy, Lease, NotRecorded, RunRecord, Store, open_store
from tests.store.conftest import NOW, begin

TTL = timedelta(seconds=60)
LATER = NOW + timedelta(seconds=61)
KEY = "127.0.0.2:22"


@pytest.fixture
def other(store: Store) -> RunRecord:
    return begin(store, "patch-2")


def held_by(answer: Lease | HeldBy) -> HeldBy:
    assert isinstance(answer, HeldBy)
    return answer


class TestOneRunPerMachine:
    def test_a_free_machine_is_taken(self, store: Store, run: RunRecord) -> None:
        lease = store.acquire_lease(KEY, run.id, "a", NOW, TTL)

        assert lease == Lease(KEY, run.id, "a", NOW, NOW + TTL)
        assert store.leases() == (lease,)

    def test_another_run_is_told_who_has_it(
        self, store: Store, run: RunRecord, other: RunRecord
    ) -> None:
        store.acquire_lease(KEY, run.id, "a", NOW, TTL)

        answer = store.acquire_lease(KEY, other.id, "b", NOW, TTL)

        assert answer == HeldBy(run.id, "a", NOW + TTL, expired=False)
        assert isinstance(store.acquire_lease("127.0.0.3:22", other.id, "b", NOW, TTL), Lease)

    def test_an_expired_lease_alarms_and_frees_nothing(
        self, store: Store, run: RunRecord, other: RunRecord
    ) -> None:
        store.acquire_lease(KEY, run.id, "a", NOW, TTL)

        answer = store.acquire_lease(KEY, other.id, "b", LATER, TTL)

        assert answer == HeldBy(run.id, "a", NOW + TTL, expired=True)
        assert store.leases()[0].run_id == run.id

    def test_the_same_run_gets_it_again_for_its_new_owner(
        self, store: Store, run: RunRecord
    ) -> None:
        store.acquire_lease(KEY, run.id, "a", NOW, TTL)

        again = store.acquire_lease(KEY, run.id, "resumed", LATER, TTL)

        assert again == Lease(KEY, run.id, "resumed", NOW, LATER + TTL)
        assert store.leases() == (again,)

    def test_a_released_machine_is_free(
        self, store: Store, run: RunRecord, other: RunRecord
    ) -> None:
        store.acquire_lease(KEY, run.id, "a", NOW, TTL)
        store.release_lease(KEY, other.id)
        assert len(store.leases()) == 1

        store.release_lease(KEY, run.id)

        assert isinstance(store.acquire_lease(KEY, other.id, "b", NOW, TTL), Lease)

    def test_a_run_that_was_never_begun_gets_nothing(self, store: Store) -> None:
        with pytest.raises(NotRecorded):
            store.acquire_lease(KEY, "patch-0", "a", NOW, TTL)

    def test_of_many_runs_that_ask_at_once_one_gets_it(self, url: str, store: Store) -> None:
        runs = [begin(store, f"patch-{number}") for number in range(20)]
        with open_store(url) as two, ThreadPoolExecutor(20) as pool:
            answers = list(
                pool.map(
                    lambda store, run: store.acquire_lease(KEY, run.id, run.id, NOW, TTL),
                    [store, two] * 10,
                    runs,
                )
            )

        (won,) = [answer for answer in answers if isinstance(answer, Lease)]
        assert {answer.run_id for answer in answers} == {won.run_id}


class TestRenewing:
    def test_the_owner_prolongs_its_lease(self, store: Store, run: RunRecord) -> None:
        store.acquire_lease(KEY, run.id, "a", NOW, TTL)

        assert store.renew_lease(KEY, run.id, "a", LATER, TTL)

        assert store.leases()[0].expires_at == LATER + TTL

    def test_who_lost_the_machine_is_told(self, store: Store, run: RunRecord) -> None:
        assert not store.renew_lease(KEY, run.id, "a", NOW, TTL)
        store.acquire_lease(KEY, run.id, "a", NOW, TTL)
        store.acquire_lease(KEY, run.id, "b", NOW, TTL)

        assert not store.renew_lease(KEY, run.id, "a", NOW, TTL)


class TestTakingOver:
    def test_a_machine_is_taken_from_the_run_that_was_judged_gone(
        self, store: Store, run: RunRecord, other: RunRecord
    ) -> None:
        store.acquire_lease(KEY, run.id, "a", NOW, TTL)
        held = held_by(store.acquire_lease(KEY, other.id, "b", LATER, TTL))

        lease = store.take_over_lease(KEY, other.id, "b", LATER, TTL, held=held)

        assert lease == Lease(KEY, other.id, "b", LATER, LATER + TTL)
        assert not store.renew_lease(KEY, run.id, "a", LATER, TTL)

    def test_a_lease_that_was_renewed_in_between_is_left_alone(
        self, store: Store, run: RunRecord, other: RunRecord
    ) -> None:
        store.acquire_lease(KEY, run.id, "a", NOW, TTL)
        held = held_by(store.acquire_lease(KEY, other.id, "b", LATER, TTL))
        store.renew_lease(KEY, run.id, "a", LATER, TTL)

        answer = store.take_over_lease(KEY, other.id, "b", LATER, TTL, held=held)

        assert answer == HeldBy(run.id, "a", LATER + TTL, expired=False)
        assert store.renew_lease(KEY, run.id, "a", LATER, TTL)

    def test_of_many_runs_that_take_over_at_once_one_gets_it(
        self, url: str, store: Store, run: RunRecord
    ) -> None:
        store.acquire_lease(KEY, run.id, "a", NOW, TTL)
        runs = [begin(store, f"patch-{number}") for number in range(2, 22)]
        held = held_by(store.acquire_lease(KEY, runs[0].id, "b", LATER, TTL))
        with open_store(url) as two, ThreadPoolExecutor(20) as pool:
            answers = list(
                pool.map(
                    lambda store, new: store.take_over_lease(
                        KEY, new.id, new.id, LATER, TTL, held=held
                    ),
                    [store, two] * 10,
                    runs,
                )
            )

        (won,) = [answer for answer in answers if isinstance(answer, Lease)]
        assert {answer.run_id for answer in answers} == {won.run_id}
