from __future__ import annotations

import time
from datetime import timedelta

import pytest

from patchyard.domain.outcome import Status
from patchyard.store import MachineRecord, NotRecorded, RunRecord, Standing, Store
from tests.store import samples
from tests.store.conftest import NOW, begin

LATER = NOW + timedelta(minutes=5)


class TestMachines:
    def test_machines_come_in_the_order_of_their_positions(
        self, store: Store, run: RunRecord
    ) -> None:
        store.add_machines(run.id, [("b", 1, 2), ("a", None, 3), ("c", 0, 1)])

        found = store.machines(run.id)

        assert [(m.machine, m.wave) for m in found] == [("c", 0), ("b", 1), ("a", None)]
        assert found[0] == MachineRecord(run.id, "c", 0, 1, Status.NOT_STARTED)

    def test_the_first_start_and_the_last_end_are_kept(self, store: Store, run: RunRecord) -> None:
        store.add_machines(run.id, [("m1", 0, 0)])
        store.set_machine(run.id, "m1", Status.IN_PROGRESS, "", NOW)
        store.set_machine(run.id, "m1", Status.LOST_CONTACT, "silent", NOW)
        store.set_machine(run.id, "m1", Status.IN_PROGRESS, "", LATER)
        (resumed,) = store.machines(run.id)
        assert (resumed.started_at, resumed.finished_at) == (NOW, None)

        store.set_machine(run.id, "m1", Status.ROLLED_BACK, "check web failed", LATER)

        (ended,) = store.machines(run.id)
        assert (ended.status, ended.reason) == (Status.ROLLED_BACK, "check web failed")
        assert (ended.started_at, ended.finished_at) == (NOW, LATER)

    def test_adding_again_moves_a_machine_and_keeps_its_verdict(
        self, store: Store, run: RunRecord
    ) -> None:
        store.add_machines(run.id, [("m1", None, 0), ("m2", None, 1)])
        store.set_machine(run.id, "m1", Status.SUCCEEDED, "assessed", NOW)

        store.add_machines(run.id, [("m1", 2, 7)])
        store.add_machines(run.id, [])

        assert [(m.machine, m.wave, m.status) for m in store.machines(run.id)] == [
            ("m2", None, Status.NOT_STARTED),
            ("m1", 2, Status.SUCCEEDED),
        ]

    def test_machines_are_placed_in_waves(self, store: Store, run: RunRecord) -> None:
        store.add_machines(run.id, [("m1", None, 0), ("m2", None, 1), ("m3", None, 2)])

        store.place_machines(run.id, {"m3": 1, "m1": 2})
        store.place_machines(run.id, {})

        found = [(m.machine, m.wave) for m in store.machines(run.id)]
        assert found == [("m1", 2), ("m2", None), ("m3", 1)]

    def test_machines_that_ended_and_that_are_at_work_are_counted(
        self, store: Store, run: RunRecord
    ) -> None:
        assert store.count_machines(run.id) == (0, 0)
        store.add_machines(run.id, [(f"m{n}", 1, n) for n in range(5)])
        store.set_machine(run.id, "m1", Status.SUCCEEDED, "", NOW)
        store.set_machine(run.id, "m2", Status.LOST_CONTACT, "", NOW)
        store.set_machine(run.id, "m3", Status.IN_PROGRESS, "", NOW)

        assert store.count_machines(run.id) == (2, 1)

    def test_a_machine_that_the_run_does_not_have_is_told(
        self, store: Store, run: RunRecord
    ) -> None:
        with pytest.raises(NotRecorded, match="m9"):
            store.set_machine(run.id, "m9", Status.FAILED, "", NOW)
        with pytest.raises(NotRecorded):
            store.add_machines("patch-0", [("m1", 0, 0)])

    def test_a_word_that_is_no_status_is_refused(self, store: Store, run: RunRecord) -> None:
        with pytest.raises(ValueError, match="splendid"):
            store.finish_run(run.id, "splendid", "", NOW)  # type: ignore[arg-type] # on purpose

    def test_ten_thousand_machines_are_added_and_read_in_a_moment(
        self, store: Store, run: RunRecord
    ) -> None:
        begun = time.process_time()
        store.add_machines(run.id, [(f"m{n:05}", n % 10, n) for n in range(10_000)])
        found = store.machines(run.id)

        assert len(found) == 10_000
        assert time.process_time() - begun < 3  # measured 0.2 s; the rest is for slow boxes


class TestAvailability:
    def test_events_come_in_order_of_time(self, store: Store, run: RunRecord) -> None:
        store.record_availability("m1", run.id, "up", "reboot", LATER, "new boot id")
        store.record_availability("m1", run.id, "down", "reboot", NOW)
        store.record_availability("m2", run.id, "down", "reboot", NOW)

        assert [(e.kind, e.at, e.detail) for e in store.availability("m1")] == [
            ("down", NOW, ""),
            ("up", LATER, "new boot id"),
        ]

    def test_the_same_event_is_recorded_once(self, store: Store, run: RunRecord) -> None:
        for _ in range(2):
            store.record_availability("m1", run.id, "down", "reboot", NOW)

        assert len(store.availability("m1")) == 1

    def test_namesakes_of_two_inventories_can_be_told_apart(
        self, store: Store, run: RunRecord
    ) -> None:
        other = begin(store, "patch-2", inventory="cloud")
        store.record_availability("m1", run.id, "down", "ours", NOW)
        store.record_availability("m1", other.id, "down", "theirs", NOW)

        assert [e.cause for e in store.availability("m1", "cloud")] == ["theirs"]
        assert len(store.availability("m1")) == 2


class TestAssessments:
    def test_an_assessment_is_read_back_as_it_was_seen(self, store: Store, run: RunRecord) -> None:
        seen = samples.assessment("m1", NOW).model_copy(update={"findings": ("odd \x00 byte",)})
        store.save_assessment(run.id, "m1", "before", seen)

        assert store.assessment(run.id, "m1", "before") == seen
        assert store.assessment(run.id, "m1", "after_install") is None
        assert store.assessment(run.id, "m2", "before") is None

    def test_looking_again_in_one_phase_replaces_what_was_seen(
        self, store: Store, run: RunRecord
    ) -> None:
        for at in (NOW, LATER):
            store.save_assessment(run.id, "m1", "before", samples.assessment("m1", at))

        found = store.assessment(run.id, "m1", "before")
        assert found is not None
        assert found.taken_at == LATER

    def test_an_assessment_and_its_machines_end_are_one(self, store: Store, run: RunRecord) -> None:
        seen = samples.assessment("m1", NOW)
        with pytest.raises(NotRecorded):
            store.end_assessment(run.id, "m1", "before", seen, "2 updates", LATER)
        assert store.assessment(run.id, "m1", "before") is None

        store.add_machines(run.id, [("m1", None, 0), ("m2", None, 1)])
        store.end_assessment(run.id, "m1", "before", seen, "2 updates", LATER)

        assert store.assessment(run.id, "m1", "before") == seen
        assert store.standings(run.id) == {
            "m1": Standing(Status.SUCCEEDED, LATER),
            "m2": Standing(Status.NOT_STARTED, None),
        }

    def test_a_look_and_the_end_of_its_step_are_one(self, store: Store, run: RunRecord) -> None:
        seen = samples.assessment("m1", NOW)
        with pytest.raises(NotRecorded):
            store.end_look(run.id, "m1", 1, "look", seen, result={}, at=LATER)
        assert store.assessment(run.id, "m1", "look") is None

        step = store.begin_step(run.id, "m1", "look", {}, NOW)
        store.end_look(run.id, "m1", step.seq, "look", seen, result={}, at=LATER)

        assert store.assessment(run.id, "m1", "look") == seen
        assert [s.finished_at for s in store.steps(run.id, "m1")] == [LATER]

    def test_many_are_saved_at_once(self, store: Store, run: RunRecord) -> None:
        seen = {f"m{n}": samples.assessment(f"m{n}", NOW) for n in range(200)}
        store.save_assessments(run.id, "before", seen)
        store.save_assessments(run.id, "before", {})
        store.save_assessment(run.id, "m1", "after", samples.assessment("m1", LATER))

        assert store.assessments(run.id, "before") == seen

    def test_the_latest_is_the_one_taken_last_in_that_inventory(
        self, store: Store, run: RunRecord
    ) -> None:
        second = begin(store, "assess-2", kind="assess")
        other = begin(store, "patch-3", inventory="cloud")
        store.save_assessment(second.id, "m1", "before", samples.assessment("m1", LATER))
        store.save_assessment(run.id, "m1", "before", samples.assessment("m1", NOW))
        far = samples.assessment("m1", LATER + timedelta(days=1))
        store.save_assessment(other.id, "m1", "before", far)

        found = store.latest_assessment("m1", "yard")
        assert found is not None
        assert found.taken_at == LATER
        assert store.latest_assessment("m9", "yard") is None

    def test_the_last_look_at_each_machine_of_a_run_is_found(
        self, store: Store, run: RunRecord
    ) -> None:
        other = begin(store, "patch-2")
        for machine, phase, at in (
            ("m1", "after", LATER),
            ("m1", "before", NOW),
            ("m2", "before", NOW),
        ):
            store.save_assessment(run.id, machine, phase, samples.assessment(machine, at))
        later = samples.assessment("m2", LATER)
        store.save_assessment(other.id, "m2", "before", later)

        found = store.last_assessments(run.id)

        assert {machine: seen.taken_at for machine, seen in found.items()} == {
            "m1": LATER,
            "m2": NOW,
        }

    def test_an_assessment_of_no_run_is_refused(self, store: Store) -> None:
        with pytest.raises(NotRecorded):
            store.save_assessment("patch-0", "m1", "before", samples.assessment("m1", NOW))
