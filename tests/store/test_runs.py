from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text

from patchyard.domain.outcome import Status
from patchyard.errors import Refused
from patchyard.store import DamagedRecord, NotRecorded, RunRecord, Store, open_store
from tests.store import samples
from tests.store.conftest import NOW, begin

TTL = timedelta(seconds=60)
LATER = NOW + timedelta(seconds=61)


class TestRecord:
    def test_a_run_is_read_back_as_it_was_written(self, store: Store, run: RunRecord) -> None:
        assert store.run(run.id) == run

    def test_a_run_that_was_never_begun_is_none(self, store: Store) -> None:
        assert store.run("patch-0") is None

    def test_two_runs_cannot_have_one_id(self, store: Store, run: RunRecord) -> None:
        with pytest.raises(Refused, match="patch-1"):
            store.create_run(replace(run, scope="name:web*"))

        assert store.run(run.id) == run

    def test_creating_the_same_run_again_changes_nothing(
        self, store: Store, run: RunRecord
    ) -> None:
        store.create_run(run)

        assert store.runs() == [run]

    def test_runs_are_listed_newest_first_by_kind_and_inventory(self, store: Store) -> None:
        first = begin(store, "patch-1")
        second = replace(first, id="assess-2", kind="assess", started_at=LATER)
        other = replace(first, id="patch-3", inventory="cloud", started_at=LATER + TTL)
        store.create_run(second)
        store.create_run(other)

        assert [run.id for run in store.runs()] == ["patch-3", "assess-2", "patch-1"]
        assert store.runs(limit=1) == [other]
        assert store.runs(kind="patch", inventory="yard") == [first]

    def test_times_come_back_aware_in_utc_whatever_zone_they_were_written_in(
        self, store: Store, run: RunRecord
    ) -> None:
        east = timezone(timedelta(hours=5, minutes=45))
        at = datetime(2026, 1, 1, 3, 0, 0, 123456, tzinfo=east)
        store.finish_run(run.id, Status.SUCCEEDED, "done", at)

        found = store.run(run.id)
        assert found is not None
        assert found.finished_at == at
        assert found.finished_at.tzinfo is UTC

    def test_a_time_without_a_zone_is_refused(self, store: Store, run: RunRecord) -> None:
        with pytest.raises(ValueError, match="without a time zone"):
            store.finish_run(run.id, Status.SUCCEEDED, "done", NOW.replace(tzinfo=None))

        assert store.run(run.id) == run


class TestEnd:
    def test_an_ended_run_is_unfinished_no_more(self, store: Store, run: RunRecord) -> None:
        other = begin(store, "patch-2", inventory="cloud")
        assert store.find_unfinished("patch", "yard") == [run]
        assert store.find_unfinished("patch") == [run, other]

        store.finish_run(run.id, Status.FAILED, "1 of 2", NOW, {"halted_because": "budget"})

        assert store.find_unfinished("patch", "yard") == []
        assert store.find_unfinished("patch", "cloud") == [other]
        found = store.run(run.id)
        assert found is not None
        assert (found.status, found.summary) == (Status.FAILED, "1 of 2")
        assert (found.finished_at, found.halted_because) == (NOW, "budget")

    def test_the_report_is_kept(self, store: Store, run: RunRecord) -> None:
        assert store.report(run.id) is None
        report = {"machines": [{"name": "m1", "reason": "a\x00b \u2028 ü"}], "halted_because": ""}

        store.finish_run(run.id, Status.SUCCEEDED, "", NOW, report)

        assert store.report(run.id) == report

    def test_a_run_that_was_reopened_goes_on(self, store: Store, run: RunRecord) -> None:
        store.request_cancel(run.id)
        store.finish_run(run.id, Status.FAILED, "s", NOW, {"halted_because": "budget"})

        store.reopen_run(run.id)

        (found,) = store.find_unfinished("patch", "yard")
        assert (found.status, found.halted_because) == (Status.IN_PROGRESS, "")
        assert not found.cancel_requested

    def test_what_was_never_begun_cannot_end(self, store: Store) -> None:
        with pytest.raises(NotRecorded, match="patch-0"):
            store.finish_run("patch-0", Status.SUCCEEDED, "", NOW)

    def test_a_cancellation_is_seen(self, store: Store, run: RunRecord) -> None:
        assert not store.cancel_requested(run.id)
        store.request_cancel(run.id)
        assert store.cancel_requested(run.id)
        with pytest.raises(NotRecorded):
            store.request_cancel("patch-0")

    def test_what_no_database_can_hold_is_replaced_not_refused(
        self, store: Store, run: RunRecord
    ) -> None:
        store.finish_run(run.id, Status.FAILED, "said \x00 and \udcff", NOW)

        found = store.run(run.id)
        assert found is not None
        assert found.summary == "said \ufffd and \ufffd"


class TestOwner:
    def test_a_run_has_one_owner(self, store: Store, run: RunRecord) -> None:
        assert store.claim_run(run.id, "a", NOW, TTL)
        assert store.claim_run(run.id, "a", NOW, TTL)
        assert not store.claim_run(run.id, "b", NOW, TTL)

    def test_a_silent_owner_loses_the_run_and_is_told(self, store: Store, run: RunRecord) -> None:
        store.claim_run(run.id, "a", NOW, TTL)
        assert store.heartbeat(run.id, "a", NOW, TTL)

        assert store.claim_run(run.id, "b", LATER, TTL)

        assert not store.heartbeat(run.id, "a", LATER, TTL)
        found = store.run(run.id)
        assert found is not None
        assert (found.owner, found.owner_expires_at) == ("b", LATER + TTL)

    def test_a_heartbeat_keeps_the_run(self, store: Store, run: RunRecord) -> None:
        store.claim_run(run.id, "a", NOW, TTL)
        store.heartbeat(run.id, "a", LATER - TTL / 2, TTL)

        assert not store.claim_run(run.id, "b", LATER, TTL)

    def test_a_run_that_was_given_up_is_free(self, store: Store, run: RunRecord) -> None:
        store.claim_run(run.id, "a", NOW, TTL)
        store.release_run(run.id, "b")
        assert not store.claim_run(run.id, "b", NOW, TTL)

        store.release_run(run.id, "a")

        assert store.claim_run(run.id, "b", NOW, TTL)

    def test_a_run_that_is_not_there_cannot_be_owned(self, store: Store) -> None:
        assert not store.claim_run("patch-0", "a", NOW, TTL)
        assert not store.heartbeat("patch-0", "a", NOW, TTL)

    def test_of_many_who_claim_at_once_one_gets_it(self, url: str, run: RunRecord) -> None:
        owners = [f"owner-{number}" for number in range(20)]
        with open_store(url) as one, open_store(url) as two, ThreadPoolExecutor(20) as pool:
            stores = [one, two] * 10
            got = pool.map(
                lambda pair: pair[0].claim_run(run.id, pair[1], NOW, TTL),
                zip(stores, owners, strict=True),
            )
            assert sorted(got) == [False] * 19 + [True]


class TestPlan:
    def test_a_plan_is_read_back_with_its_hash(self, store: Store, run: RunRecord) -> None:
        plan = samples.plan("m1", "m2")
        store.set_plan(run.id, plan)

        found = store.run(run.id)
        assert found is not None
        assert found.plan_hash == plan.hash
        assert store.plan(run.id) == plan
        assert store.plan(run.id).hash == plan.hash

    def test_a_plan_does_not_change(self, store: Store, run: RunRecord) -> None:
        store.set_plan(run.id, samples.plan("m1"))
        store.set_plan(run.id, samples.plan("m1"))

        with pytest.raises(Refused, match="another plan"):
            store.set_plan(run.id, samples.plan("m1", version="3.0.16-1"))

        assert store.plan(run.id) == samples.plan("m1")

    def test_two_runs_may_have_one_plan(self, store: Store, run: RunRecord) -> None:
        other = begin(store, "patch-2")
        store.set_plan(run.id, samples.plan("m1"))
        store.set_plan(other.id, samples.plan("m1"))

        assert store.plan(run.id) == store.plan(other.id)

    def test_a_run_without_a_plan_says_so(self, store: Store, run: RunRecord) -> None:
        assert store.find_plan(run.id) is None
        with pytest.raises(NotRecorded, match="no plan"):
            store.plan(run.id)
        with pytest.raises(NotRecorded):
            store.set_plan("patch-0", samples.plan("m1"))

    def test_a_plan_that_was_altered_in_the_database_is_refused(
        self, store: Store, run: RunRecord
    ) -> None:
        store.set_plan(run.id, samples.plan("m1"))
        altered = text("UPDATE plans SET canonical = replace(canonical, '3.0.15', '6.6.66')")
        store._database.change(altered)

        with pytest.raises(DamagedRecord, match="altered"):
            store.plan(run.id)

    def test_plans_of_many_runs_are_told_apart(self, store: Store) -> None:
        runs = [begin(store, f"patch-{number}") for number in range(10)]
        for number, run in enumerate(runs):
            store.set_plan(run.id, samples.plan(f"m{number}"))

        for _ in range(2):
            for number, run in enumerate(runs):
                assert store.plan(run.id) == samples.plan(f"m{number}")


class TestForgetting:
    def test_old_runs_go_with_all_that_belongs_to_them(self, store: Store, run: RunRecord) -> None:
        store.set_plan(run.id, samples.plan("m1"))
        store.add_machines(run.id, [("m1", 0, 0)])
        store.begin_step(run.id, "m1", "ask", {}, NOW)
        store.save_assessment(run.id, "m1", "before", samples.assessment("m1", NOW))
        store.record_availability("m1", run.id, "down", "reboot", NOW)
        store.finish_run(run.id, Status.SUCCEEDED, "", NOW)
        recent = begin(store, "patch-2")
        store.set_plan(recent.id, samples.plan("m2"))
        store.finish_run(recent.id, Status.SUCCEEDED, "", LATER)

        assert store.forget_runs(LATER) == 1

        assert [found.id for found in store.runs()] == ["patch-2"]
        assert store.plan(recent.id) == samples.plan("m2")
        for table in ("steps", "machine_runs", "assessments", "availability_events"):
            assert store._database.rows(text(f"SELECT 1 FROM {table}")) == []
        assert len(store._database.rows(text("SELECT 1 FROM plans"))) == 1

    def test_runs_that_go_on_or_hold_a_machine_are_kept(self, store: Store, run: RunRecord) -> None:
        holding = begin(store, "patch-2")
        store.acquire_lease("m1", holding.id, "a", NOW, TTL)
        store.finish_run(holding.id, Status.NEEDS_REPAIR, "", NOW)

        assert store.forget_runs(LATER) == 0
        assert len(store.runs()) == 2
        assert run.finished_at is None


def test_whose_failure_a_person_has_forgiven_is_remembered_beside_who_was_before(
    store: Store,
) -> None:
    begin(store, "patch-1")
    store.forgive("patch-1", ["a", "gate"])
    store.forgive("patch-1", ["gate", "b"])
    found = store.run("patch-1")
    assert found is not None
    assert found.parameters["forgive"] == ["a", "gate", "b"]
    with pytest.raises(NotRecorded):
        store.forgive("patch-9", ["a"])
