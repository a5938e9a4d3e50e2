"""Windows are claimed once; answers of people are kept; times of one machine over runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from patchyard.store import ApprovalRecord, NotRecorded, RunRecord, Store, WindowClaim, open_store
from tests.store.conftest import NOW, begin
from tests.store.samples import assessment, plan

HOUR = timedelta(hours=1)


KEY = "web@2026-03-29"


def claim(run_id: str, key: str = KEY) -> WindowClaim:
    """A claim of a window."""
    return WindowClaim("yard", key, run_id, NOW, NOW + HOUR, NOW)


class TestClaims:
    def test_the_first_run_has_a_window_for_good(self, store: Store) -> None:
        assert store.claim_window(claim("patch-1")) == "patch-1"
        assert store.claim_window(claim("patch-2")) == "patch-1"
        assert store.window_claims("yard", [KEY]) == (claim("patch-1"),)

    def test_the_run_itself_may_ask_again(self, store: Store) -> None:
        store.claim_window(claim("patch-1"))

        assert store.claim_window(claim("patch-1")) == "patch-1"
        assert store.window_claims("yard", [KEY]) == (claim("patch-1"),)

    def test_another_window_is_free(self, store: Store) -> None:
        store.claim_window(claim("patch-1"))

        assert store.claim_window(claim("patch-2", key="web@2026-04-05")) == "patch-2"

    def test_one_that_is_given_back_is_free_and_no_other(self, store: Store) -> None:
        store.claim_window(claim("patch-1"))
        store.claim_window(claim("patch-2", key="web@2026-04-05"))

        store.release_window("yard", "patch-1")

        assert store.claim_window(claim("patch-3")) == "patch-3"
        assert store.claim_window(claim("patch-3", key="web@2026-04-05")) == "patch-2"

    def test_of_many_at_once_exactly_one_gets_it(self, url: str) -> None:
        names = [f"patch-{number}" for number in range(8)]
        stores = [open_store(url) for _ in names]
        with ThreadPoolExecutor(len(names)) as pool:
            got = list(pool.map(lambda s, n: s.claim_window(claim(n)), stores, names))
        for store in stores:
            store.close()

        assert len(set(got)) == 1

    def test_a_window_stays_claimed_when_its_run_is_forgotten(
        self, store: Store, run: RunRecord
    ) -> None:
        store.claim_window(claim(run.id))
        store.finish_run(run.id, run.status, "", NOW)
        assert store.forget_runs(NOW + HOUR) == 1

        assert store.claim_window(claim("patch-9")) == run.id


def test_answers_are_kept_in_their_order(store: Store, run: RunRecord) -> None:
    first = ApprovalRecord(run.id, "a" * 64, 0, "rejected", "Ada", NOW, NOW + HOUR, "not today")
    second = ApprovalRecord(run.id, "a" * 64, 0, "approved", "Ben", NOW, NOW + HOUR, "", ["web-1"])
    store.record_approval(first)
    store.record_approval(second)

    assert store.approvals(run.id) == (first, second)
    with pytest.raises(NotRecorded):
        store.record_approval(ApprovalRecord("nobody", "", 0, "approved", "Ada", NOW, NOW))


def test_times_are_those_of_one_machine_in_earlier_runs(store: Store) -> None:
    for number in (1, 2):
        begin(store, f"patch-{number}")
        store.set_plan(f"patch-{number}", plan("web-1", "web-2"))
        for name in ("web-1", "web-2"):
            for kind in ("look", "install"):
                step = store.begin_step(f"patch-{number}", name, kind, {"kind": kind}, NOW)
                store.finish_step(f"patch-{number}", name, step.seq, {}, NOW + HOUR)
    store.begin_step("patch-2", "web-1", "reboot", {"kind": "reboot"}, NOW)
    begin(store, "patch-3")
    store.set_plan("patch-3", plan("web-1"))

    runs = store.runs_before("yard", "patch-3")
    found = store.timed_steps("web-1", runs)

    assert set(runs) == {"patch-1", "patch-2"}
    assert {run: [step.key for step in steps] for run, steps in found.items()} == {
        "patch-1": ["install"],
        "patch-2": ["install"],
    }
    assert store.timed_steps("web-1", ()) == {}
    everything = store.all_timed_steps(runs)
    assert everything["web-1"] == found
    assert everything["web-2"] == store.timed_steps("web-2", runs)


def test_a_start_took_until_the_machine_was_there_for_the_first_time_in_its_run(
    store: Store,
) -> None:
    for number in (1, 2, 3):
        run_id, at = begin(store, f"patch-{number}").id, NOW + number * HOUR
        store.record_availability("web-1", run_id, "up", "too early", at - HOUR)
        store.record_start(run_id, "web-1", at)
        if number < 3:  # in the third it is never there
            for minutes in (number, 30):  # started to be looked at, and again to be patched
                there = at + timedelta(minutes=minutes)
                store.record_availability("web-1", run_id, "down", "put back off", there)
                store.record_availability("web-1", run_id, "up", "started for a run", there)
    store.record_start("patch-1", "web-2", NOW)
    store.record_availability("web-2", "patch-1", "up", "started", NOW + timedelta(minutes=9))
    runs = ("patch-1", "patch-2", "patch-3")

    one, two, nine = (timedelta(minutes=number) for number in (1, 2, 9))
    assert store.start_times(runs) == {"web-1": (one, two), "web-2": (nine,)}
    assert store.start_times(("patch-2",), "web-1") == {"web-1": (two,)}
    assert store.start_times((), "web-1") == {}


def test_the_latest_assessments_of_an_inventory_come_in_one_answer(store: Store) -> None:
    for number in (1, 2):
        begin(store, f"patch-{number}")
        at = NOW + number * HOUR
        store.save_assessment(f"patch-{number}", "web-1", "before", assessment("web-1", at))
    store.save_assessment("patch-1", "web-2", "before", assessment("web-2", NOW))

    found = store.latest_assessments("yard")

    assert {name: seen.taken_at for name, seen in found.items()} == {
        "web-1": NOW + 2 * HOUR,
        "web-2": NOW,
    }
    assert store.latest_assessments("another") == {}
