"""What is downloaded ahead decides nothing: the run goes the same way with it and without it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.account import account
from patchyard.domain.actions import CHANGES, Call, Finish, Install
from patchyard.domain.admission import history_of
from patchyard.domain.around import Hook
from patchyard.domain.downloading import (
    DOWNLOAD,
    NOTHING,
    bytes_in_words,
    download_of,
    open_download,
    told_of,
    without_downloads,
)
from patchyard.domain.hooking import call_after, ended_early
from patchyard.domain.inventory import Machine, OsFamily, Policy
from patchyard.domain.machine import next_step
from patchyard.domain.outcome import Status
from patchyard.domain.preflight import SPARE_BYTES, obstacles, room_to_download
from patchyard.domain.record import Fault, MachineRun, Result, Step
from patchyard.domain.report import MachineReport
from patchyard.domain.restore import PackageVersion
from patchyard.domain.room import WindowRoom
from patchyard.domain.transaction import InstallProblem, Transaction
from patchyard.domain.updates import Assessment, Filesystem
from patchyard.report_view import timeline
from patchyard.testing.assessments import NOON, assessment, machine_plan, planned
from tests.domain.fake_machine import FakeMachine, Nature, Story, drive
from tests.domain.machine_stories import (
    AFTER,
    BEFORE,
    PLAN,
    run_of,
    stories,
    story_of,
    whole_runs,
)

AN_HOUR_BEFORE = NOON - timedelta(hours=1)
WELL = Result(transaction=Transaction(exit_status=0), detail="4 updates, 48 MB")
BADLY = Result(
    transaction=Transaction(
        exit_status=100, problem=InstallProblem.FETCH_FAILED, detail="no mirror answers"
    )
)
LOST = Result(fault=Fault(code="unreachable", detail="no answer"))
HOOKS = tuple(
    Hook.model_validate({"name": when, "when": when, "of": "machine", "command": ["x"]})
    for when in ("before", "after")
)


def downloaded(result: Result | None, minutes: int = 10) -> Step:
    """A download that began an hour before the run; without a result it has not ended."""
    ended = None if result is None else AN_HOUR_BEFORE + timedelta(minutes=minutes)
    return Step(
        action=download_of(PLAN), started_at=AN_HOUR_BEFORE, finished_at=ended, result=result
    )


def with_download(run: MachineRun, at: int, result: Result | None) -> MachineRun:
    """The same record with a download in it, as the `at`-th step."""
    return replace(run, steps=(*run.steps[:at], downloaded(result), *run.steps[at:]))


@whole_runs
@given(stories, st.integers(0, 99), st.sampled_from([WELL, BADLY, LOST, None]))
def test_a_download_anywhere_in_the_record_changes_no_answer(
    story: Story, at: int, result: Result | None
) -> None:
    run = story.run
    for number in range(len(run.steps) + 1):
        cut = replace(run, steps=run.steps[:number])
        more = with_download(cut, at % (number + 1), result)
        now = run.steps[number].started_at if number < len(run.steps) else story.machine.now
        assert next_step(more, now) == next_step(cut, now)


@whole_runs
@given(stories, st.integers(0, 99), st.sampled_from([WELL, None]))
def test_a_step_that_was_begun_is_returned_although_a_download_is_recorded(
    story: Story, at: int, result: Result | None
) -> None:
    run = story.run
    for number, step in enumerate(run.steps):
        open_step = step.model_copy(update={"finished_at": None, "result": None})
        cut = replace(run, steps=(*run.steps[:number], open_step))
        more = with_download(cut, at % (number + 1), result)
        assert next_step(more, step.started_at) == step.action


@pytest.mark.parametrize("result", [WELL, BADLY, None])
def test_a_machine_of_which_only_a_download_is_recorded_has_not_been_begun(
    result: Result | None,
) -> None:
    room = WindowRoom(NOON + timedelta(seconds=1), OsFamily.DEBIAN)
    run = run_of(room=room)
    late = next_step(run, NOON)
    assert isinstance(late, Finish)
    assert late.status == Status.NOT_STARTED
    assert next_step(with_download(run, 0, result), NOON) == late


@pytest.mark.parametrize("result", [WELL, LOST, None])
def test_hooks_after_are_not_called_where_only_a_download_was_done(result: Result | None) -> None:
    run = with_download(run_of(hooks=HOOKS), 0, result)
    assert call_after(run, ended_early()) == ended_early()
    assert not run.changed


def test_hooks_are_called_as_ever_where_one_was() -> None:
    machine = FakeMachine(Nature(), dict(BEFORE), AFTER)
    told = drive(with_download(run_of(hooks=HOOKS), 0, WELL), machine)
    called = [step.action.hook.name for step in told.run.steps if isinstance(step.action, Call)]
    assert called == ["before", "after"]


def test_it_is_no_change_and_no_time_of_an_install() -> None:
    assert not isinstance(download_of(PLAN), CHANGES)
    run = story_of().run
    assert history_of([with_download(run, 0, WELL)]) == history_of([run])


def test_it_fetches_exactly_the_plan() -> None:
    action = download_of(machine_plan(planned("a", "2"), planned("b", "1:3", architecture="all")))
    assert action.key == DOWNLOAD
    assert action.packages == (
        PackageVersion(name="a", architecture="amd64", version="2"),
        PackageVersion(name="b", architecture="all", version="1:3"),
    )


def test_only_one_that_has_not_ended_is_open() -> None:
    assert open_download(run_of()) is None
    assert open_download(with_download(run_of(), 0, WELL)) is None
    assert open_download(with_download(run_of(), 0, None)) == download_of(PLAN)
    run = run_of()
    assert without_downloads(run) is run


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (756, "756 B"),
        (999, "999 B"),
        (999_600, "1 MB"),
        (176_000, "176 kB"),
        (48_300_000, "48 MB"),
        (999_400_000, "999 MB"),
        (1_520_000_000, "1.5 GB"),
    ],
)
def test_bytes_are_told_in_the_largest_unit_that_says_something(size: int, words: str) -> None:
    assert bytes_in_words(size) == words


def test_what_is_there_is_told_in_few_words() -> None:
    assert told_of(12, 48_000_000) == "12 updates, 48 MB"
    assert told_of(1, 756) == "1 update, 756 B"
    assert told_of(3, 5_000_000, 1) == "3 updates, 5 MB; 1 of them there before"
    assert told_of(3, 0, 3) == "3 updates, all there before"
    assert told_of(2, 10**9, most="at most ") == "2 updates, at most 1.0 GB"
    assert told_of(0, 0) == NOTHING


class TestRoom:
    """What a download takes must leave the preflight of the install its room."""

    SIZE = 200 * 2**20
    PLAN = machine_plan(planned("a", download_bytes=SIZE, installed_bytes=0))

    def of(self, free: int, mount: str = "/") -> Assessment:
        there = Filesystem(mount=mount, size=10**11, free=free, inodes=10**6, inodes_free=10**5)
        return assessment(filesystems=(there,))

    def test_the_download_is_asked_for_once_more_than_by_the_preflight(self) -> None:
        enough = SPARE_BYTES + 3 * self.SIZE
        assert room_to_download(self.of(enough), self.PLAN) == ()
        (lacking,) = room_to_download(self.of(enough - 1), self.PLAN)
        assert lacking.detail.startswith("/ has 699 MiB free, the plan needs 700")

    @given(st.integers(0, 10**9))
    def test_where_there_is_room_the_preflight_passes_when_it_has_been_fetched(
        self, free: int
    ) -> None:
        if not room_to_download(self.of(free), self.PLAN):
            assert not obstacles(self.of(free - self.SIZE), self.PLAN, Policy())

    def test_windows_keeps_its_own_reserve_besides(self) -> None:
        enough = 10 * 2**30 + SPARE_BYTES + self.SIZE
        assert room_to_download(self.of(enough, "C:"), self.PLAN) == ()
        assert room_to_download(self.of(enough - 1, "C:"), self.PLAN) != ()


class TestReport:
    """A download is a line of its own, and none of the machine's time."""

    def of(self, result: Result | None) -> MachineReport:
        run = with_download(story_of().run, 0, result)
        return account(
            Machine(name="a", address="a.example"), run, status=Status.SUCCEEDED, reason="",
            wave=1, classifications=frozenset(), planned_from=None,
        )  # fmt: skip

    def test_it_is_told_with_what_came_of_it(self) -> None:
        first, *_ = self.of(WELL).steps
        assert (first.title, first.result) == (
            "Download ahead (4 packages)",
            "4 updates, 48 MB",
        )
        assert first.took == timedelta(minutes=10)
        assert self.of(BADLY).steps[0].result == "no mirror answers"
        assert self.of(LOST).steps[0].result == "no answer"
        assert self.of(None).steps[0].result == "not ended"

    def test_a_machine_began_with_its_own_first_step(self) -> None:
        report = self.of(WELL)
        assert report.started_at == NOON
        assert report.took is not None
        assert report.took < timedelta(minutes=10)
        installs = [step for step in report.steps if step.title.startswith("Install")]
        assert [step.took for step in installs] == [timedelta(seconds=5)]

    def test_the_time_line_is_that_of_the_run(self) -> None:
        first, *own = timeline(self.of(WELL))
        assert (first.left, first.width) == (0.0, 0.0)
        assert own[-1].left + own[-1].width == pytest.approx(100, abs=0.2)
        assert own[0].width > 5

    def test_a_machine_that_was_not_begun_has_no_time(self) -> None:
        run = with_download(run_of(), 0, WELL)
        told = account(
            Machine(name="a", address="a.example"), run, status=Status.NOT_STARTED, reason="",
            wave=1, classifications=frozenset(), planned_from=None,
        )  # fmt: skip
        assert (told.started_at, told.finished_at, told.took) == (None, None, None)
        assert [bar.width for bar in timeline(told)] == [100.0]
        assert not any(isinstance(s.action, Install) for s in run.steps)
