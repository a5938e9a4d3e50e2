"""Looks at machines are remembered for the drift watch; machines that runs started, for power."""

from __future__ import annotations

from datetime import timedelta

import pytest

from patchyard.domain.outcome import Status
from patchyard.domain.watch import Sighting
from patchyard.store import NotRecorded, Store
from tests.store.conftest import NOW, begin
from tests.store.samples import assessment

DAY = timedelta(days=1)


class TestSightings:
    def test_the_newest_looks_of_each_machine_are_returned(self, store: Store) -> None:
        for number in range(3):
            begin(store, f"assess-{number}")
            for name in ("web-1", "web-2"):
                seen = Sighting(machine=name, at=NOW + number * DAY, machine_id=str(number))
                store.record_sighting(f"assess-{number}", seen)

        found = list(store.sightings("yard", 2))

        assert sorted((each.machine, each.machine_id) for each in found) == [
            (name, number) for name in ("web-1", "web-2") for number in ("1", "2")
        ]
        assert list(store.sightings("other", 2)) == []

    def test_an_assessment_and_its_failure_are_kept_with_the_machines_end(
        self, store: Store
    ) -> None:
        begin(store, "assess-1")
        store.add_machines("assess-1", [("web-1", None, 0), ("web-2", None, 1)])
        seen = assessment("web-1", NOW).model_copy(update={"machine_id": "m", "host_key": "k"})
        unseen = Sighting(machine="web-2", at=NOW, fault="timed_out", detail="silent")

        store.end_assessment("assess-1", "web-1", "before", seen, "fine", NOW)
        store.end_unseen("assess-1", unseen, Status.UNREACHABLE, "silent")

        good = Sighting(machine="web-1", at=NOW, machine_id="m", host_key="k")
        assert sorted(store.sightings("yard", 9), key=lambda one: one.machine) == [good, unseen]
        standing = store.standings("assess-1")["web-2"]
        assert standing.status == Status.UNREACHABLE

    def test_the_last_look_of_a_run_counts(self, store: Store) -> None:
        begin(store, "assess-1")
        store.record_sighting("assess-1", Sighting(machine="a", at=NOW, fault="unreachable"))
        store.record_sighting("assess-1", Sighting(machine="a", at=NOW + DAY))

        assert list(store.sightings("yard", 9)) == [Sighting(machine="a", at=NOW + DAY)]

    def test_machines_that_were_left_out_because_they_were_off_are_told_with_the_last_time(
        self, store: Store
    ) -> None:
        for number in range(2):
            run_id = begin(store, f"assess-{number}").id
            store.add_machines(run_id, [("a", None, 0), ("b", None, 1), ("c", None, 2)])
            for name, status in (("a", Status.SKIPPED), ("b", Status.SUCCEEDED)):
                store.set_machine(run_id, name, status, "", NOW + number * DAY)

        assert store.found_off("yard") == {"a": NOW + DAY}
        assert store.found_off("other") == {}

    def test_a_look_of_no_run_is_refused(self, store: Store) -> None:
        with pytest.raises(NotRecorded):
            store.record_sighting("none", Sighting(machine="a", at=NOW))


class TestPowerStarts:
    def test_a_start_is_owed_until_the_machine_is_off(self, store: Store) -> None:
        begin(store, "patch-1")
        store.record_start("patch-1", "web-1", NOW)
        (owed,) = store.power_starts("patch-1")
        assert (owed.machine, owed.ordered_at, owed.off_at) == ("web-1", NOW, None)

        store.record_off("patch-1", "web-1", NOW + DAY)
        (paid,) = store.power_starts("patch-1")
        assert paid.off_at == NOW + DAY

        store.record_start("patch-1", "web-1", NOW + 2 * DAY)
        (again,) = store.power_starts("patch-1")
        assert (again.ordered_at, again.off_at) == (NOW, None)

    def test_why_a_machine_is_left_on_is_kept(self, store: Store) -> None:
        begin(store, "patch-1")
        store.record_start("patch-1", "web-1", NOW)

        store.record_left_on("patch-1", "web-1", "its stop failed")

        (owed,) = store.power_starts("patch-1")
        assert (owed.off_at, owed.left_on) == (None, "its stop failed")

    def test_a_start_of_no_run_is_refused(self, store: Store) -> None:
        with pytest.raises(NotRecorded):
            store.record_start("none", "web-1", NOW)
