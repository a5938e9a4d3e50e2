from __future__ import annotations

from datetime import timedelta

import pytest

from patchyard.store import HookCall, NoticeRecord, NotRecorded, Store
from tests.store.conftest import NOW, begin

LATER = NOW + timedelta(minutes=1)


def a_call(run_id: str = "patch-1") -> HookCall:
    return HookCall(run_id, 0, "before", 0, "silence", 1, NOW, stops=True)


def a_notice(key: str = "k", run_id: str = "") -> NoticeRecord:
    return NoticeRecord(key, run_id, "fleet", "web@2026-03-14", "24h", "email", "a@b.c", 1, NOW)


def test_a_hook_is_begun_once_and_ended_once(store: Store) -> None:
    begin(store, "patch-1")
    assert store.begin_hook(a_call()).attempts == 1
    done = store.end_hook(a_call(), "hook_failed", "no", LATER)
    assert (done.code, done.finished_at, done.failed) == ("hook_failed", LATER, True)
    assert store.begin_hook(a_call()) == done
    assert store.end_hook(a_call(), "", "yes", LATER) == done
    assert store.hooks("patch-1") == (done,)


def test_a_hook_that_was_begun_and_not_ended_is_told_by_its_attempts(store: Store) -> None:
    begin(store, "patch-1")
    store.begin_hook(a_call())
    again = store.begin_hook(a_call())
    assert (again.attempts, again.finished_at) == (2, None)
    assert store.end_hook(again, "", "", LATER).attempts == 2


def test_a_hook_of_no_run_is_not_recorded(store: Store) -> None:
    with pytest.raises(NotRecorded):
        store.begin_hook(a_call("patch-9"))


def test_a_notice_is_claimed_once(store: Store) -> None:
    assert store.claim_notice(a_notice()) is not None
    assert store.claim_notice(a_notice()) is None
    store.end_notice("k", "sent", "", LATER)
    assert store.claim_notice(a_notice(), attempts=3) is None
    (told,) = store.notices("fleet", "web@2026-03-14", "")
    assert (told.state, told.ended_at) == ("sent", LATER)


def test_a_notice_that_failed_may_be_tried_again_and_one_that_is_unknown_not(store: Store) -> None:
    for attempt in (1, 2, 3):
        taken = store.claim_notice(a_notice(), attempts=3)
        assert taken is not None
        assert taken.attempts == attempt
        assert store.claim_notice(a_notice(), attempts=3) is None
        store.end_notice("k", "failed", "no", LATER)
    assert store.claim_notice(a_notice(), attempts=3) is None


def test_the_notices_of_a_run_are_its_own_and_those_of_its_window_before_it(store: Store) -> None:
    for key, run_id in (("before", ""), ("mine", "patch-1"), ("others", "patch-2")):
        store.claim_notice(a_notice(key, run_id))
    found = store.notices("fleet", "web@2026-03-14", "patch-1")
    assert {each.key for each in found} == {"before", "mine"}
    assert {each.key for each in store.notices("fleet", "", "patch-1")} == {"mine"}


def test_old_notices_are_forgotten_with_old_runs(store: Store) -> None:
    store.claim_notice(a_notice())
    store.forget_runs(NOW)
    assert store.notices("fleet", "web@2026-03-14", "")
    store.forget_runs(LATER)
    assert not store.notices("fleet", "web@2026-03-14", "")
