from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from patchyard.errors import Refused
from patchyard.store import NotRecorded, RunRecord, StepRecord, StepStillOpen, Store, open_store
from tests.store.conftest import NOW

LATER = NOW + timedelta(minutes=5)
INSTALL = {"kind": "install", "key": "install", "packages": [{"name": "openssl", "version": "3"}]}


class TestOneMachine:
    def test_a_step_is_recorded_before_it_has_a_result(self, store: Store, run: RunRecord) -> None:
        begun = store.begin_step(run.id, "m1", "install", INSTALL, NOW)

        assert begun == StepRecord(run.id, "m1", 1, "install", INSTALL, NOW)
        assert begun.open
        assert store.steps(run.id, "m1") == (begun,)

    def test_steps_are_numbered_and_keep_their_results(self, store: Store, run: RunRecord) -> None:
        for seq, key in enumerate(["ask", "install", "verify"], start=1):
            assert store.begin_step(run.id, "m1", key, {"kind": key}, NOW).seq == seq
            store.finish_step(run.id, "m1", seq, {"detail": key}, LATER)

        found = store.steps(run.id, "m1")

        assert [(s.seq, s.key, s.result) for s in found] == [
            (1, "ask", {"detail": "ask"}),
            (2, "install", {"detail": "install"}),
            (3, "verify", {"detail": "verify"}),
        ]
        assert {s.finished_at for s in found} == {LATER}

    def test_who_comes_back_gets_the_open_step_as_it_was_begun(
        self, store: Store, run: RunRecord
    ) -> None:
        begun = store.begin_step(run.id, "m1", "install", INSTALL, NOW)

        again = store.begin_step(run.id, "m1", "install", {"kind": "other"}, LATER)

        assert again == begun
        assert store.steps(run.id, "m1") == (begun,)

    def test_nothing_else_begins_while_a_step_is_open(self, store: Store, run: RunRecord) -> None:
        store.begin_step(run.id, "m1", "install", INSTALL, NOW)

        with pytest.raises(StepStillOpen, match=r"m1 is in step 1 \(install\)"):
            store.begin_step(run.id, "m1", "verify", {}, NOW)
        store.begin_step(run.id, "m2", "verify", {}, NOW)

        assert len(store.steps(run.id, "m1")) == 1

    def test_a_result_is_recorded_once(self, store: Store, run: RunRecord) -> None:
        store.begin_step(run.id, "m1", "install", INSTALL, NOW)
        store.finish_step(run.id, "m1", 1, {"detail": "first"}, NOW)
        store.finish_step(run.id, "m1", 1, {"detail": "first"}, LATER)

        with pytest.raises(Refused, match="ended already"):
            store.finish_step(run.id, "m1", 1, {"detail": "second"}, LATER)

        (step,) = store.steps(run.id, "m1")
        assert (step.result, step.finished_at) == ({"detail": "first"}, NOW)

    def test_an_empty_result_is_a_result(self, store: Store, run: RunRecord) -> None:
        store.begin_step(run.id, "m1", "ask", {}, NOW)
        store.finish_step(run.id, "m1", 1, {}, NOW)

        assert store.steps(run.id, "m1")[0].result == {}

    def test_what_a_machine_said_comes_back_byte_for_byte(
        self, store: Store, run: RunRecord
    ) -> None:
        said = {"detail": "nul \x00 cr \r\n ü 🐧 \ufffd"}
        store.begin_step(run.id, "m1", "ask", {}, NOW)
        store.finish_step(run.id, "m1", 1, said, NOW)

        assert store.steps(run.id, "m1")[0].result == said

    def test_a_step_that_was_never_begun_cannot_end(self, store: Store, run: RunRecord) -> None:
        with pytest.raises(NotRecorded, match="no step 1 of m1"):
            store.finish_step(run.id, "m1", 1, {}, NOW)

    def test_a_step_of_no_run_is_refused(self, store: Store) -> None:
        with pytest.raises(NotRecorded):
            store.begin_step("patch-0", "m1", "ask", {}, NOW)


def test_the_steps_of_all_machines_come_by_machine(store: Store, run: RunRecord) -> None:
    for machine in ("m2", "m1"):
        for seq, key in enumerate(["ask", "install"], start=1):
            store.begin_step(run.id, machine, key, {}, NOW)
            store.finish_step(run.id, machine, seq, {}, NOW)

    assert store.all_steps(run.id) == {
        machine: store.steps(run.id, machine) for machine in ("m1", "m2")
    }
    assert store.all_steps("patch-0") == {}


def test_fifty_threads_lose_and_double_nothing(store: Store, run: RunRecord) -> None:
    def work(machine: str) -> None:
        for number in range(10):
            step = store.begin_step(run.id, machine, f"k{number}", INSTALL, NOW)
            store.finish_step(run.id, machine, step.seq, {"detail": str(number)}, NOW)

    machines = [f"m{number}" for number in range(50)]
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(work, machines))

    found = store.all_steps(run.id)
    assert sorted(found) == sorted(machines)
    for steps in found.values():
        assert [(s.seq, s.key) for s in steps] == [(n + 1, f"k{n}") for n in range(10)]
        assert not any(step.open for step in steps)


def test_of_many_who_begin_one_step_at_once_all_get_the_same(url: str, run: RunRecord) -> None:
    with open_store(url) as one, open_store(url) as two, ThreadPoolExecutor(20) as pool:
        for key in ("a", "b", "c"):
            begun = pool.map(
                lambda store, key=key: store.begin_step(run.id, "m1", key, {}, NOW), [one, two] * 10
            )
            (step,) = {(step.seq, step.key) for step in begun}
            one.finish_step(run.id, "m1", step[0], {}, NOW)

        assert [step.key for step in two.steps(run.id, "m1")] == ["a", "b", "c"]


def test_machines_whose_download_has_ended_are_told_and_no_others(
    store: Store, run: RunRecord
) -> None:
    download = {"kind": "download", "key": "download", "packages": []}
    for machine in ("well", "badly", "open", "installing"):
        key, action = ("install", INSTALL) if machine == "installing" else ("download", download)
        store.begin_step(run.id, machine, key, action, NOW)
    assert store.downloaded(run.id) == frozenset()
    store.finish_step(run.id, "well", 1, {"detail": "12 updates, 48 MB"}, LATER)
    store.finish_step(run.id, "badly", 1, {"fault": {"code": "unreachable", "detail": ""}}, LATER)
    store.finish_step(run.id, "installing", 1, {}, LATER)
    store.begin_step(run.id, "well", "preflight-0", {"kind": "look"}, LATER)

    assert store.downloaded(run.id) == {"well", "badly"}
    assert store.downloaded("patch-0") == frozenset()


def test_a_download_is_told_from_the_run_s_own_work(store: Store, run: RunRecord) -> None:
    assert store.begin_step(run.id, "m1", "download", {"kind": "download"}, NOW).ahead
    assert not store.begin_step(run.id, "m2", "install", INSTALL, NOW).ahead
