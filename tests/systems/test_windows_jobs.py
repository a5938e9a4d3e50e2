"""Jobs on a simulated Windows computer: the real scripts, from the bootstrap to the result."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from patchyard._windows_jobs import cancel
from patchyard.errors import ScriptFailed
from patchyard.jobs import Job, JobBusy, JobState, Kind, State, run_job
from patchyard.link import Link
from patchyard.systems.windows import SYSTEM
from patchyard.templates import environment
from patchyard.testing.windows.direct import Direct
from patchyard.testing.windows.host import SimulatedComputer
from patchyard.testing.windows.host.faults import Fault
from patchyard.testing.windows.host.tasks import Task

NONCE = "0123456789abcdef"
WAIT = timedelta(seconds=60)
ROOT = "C:\\ProgramData\\Patchyard"
EVERYONE = "S-1-1-0"


@pytest.fixture
def computer() -> SimulatedComputer:
    return SimulatedComputer(factor=1.0, leaps=True)


def payload(body: str) -> str:
    source = f'{{% include "windows/prelude.ps1.j2" %}}\n{body}\n'
    return environment().from_string(source).render()


SLOW = payload("Tell 'install' 40 'KB1'; Start-Sleep -Seconds 9000; Section 'a' { 1 }; Emit")
QUICK = payload("Section 'a' { $Parameters.word }; Emit")


def job(name: str, script: str = QUICK, kind: Kind = "change", **values: object) -> Job:
    return Job(name, kind, script, {"nonce": NONCE, "job": None, "word": "here", **values})


def follow(computer: SimulatedComputer, made: Job, token: str = "t") -> JobState:
    link = Direct(computer)
    state = SYSTEM.start(link, made, wait=WAIT, token=token)
    for _ in range(30):
        if state.state != State.RUNNING:
            break
        state = SYSTEM.poll(link, made.id, made.kind, wait=WAIT, token=token)
    assert computer.refused == []
    return state


def value(state: JobState, name: str = "a") -> object:
    return json.loads(SYSTEM.read(state.output, NONCE)[name].require())


@pytest.mark.parametrize("kind", ["read", "change"])
def test_a_job_runs_as_system_and_its_values_arrive(
    computer: SimulatedComputer, kind: Kind
) -> None:
    ended = follow(computer, job("j1", kind=kind, word="it's $(x) \u00e9"))
    assert (ended.state, ended.exit_status, ended.started_here) == (State.FINISHED, 0, True)
    assert value(ended) == "it's $(x) \u00e9"


def test_a_job_that_ends_before_its_start_has_answered_leaves_no_task(
    computer: SimulatedComputer,
) -> None:
    state = SYSTEM.start(Direct(computer), job("j1"), wait=WAIT, token="t")
    assert state.state == State.FINISHED
    assert computer.tasks.by_path == {}


def test_an_id_is_started_once_however_often_it_is_asked_for(computer: SimulatedComputer) -> None:
    count = f"{ROOT}\\count.txt"
    script = payload(f"[IO.File]::AppendAllText('{count}', 'x'); Section 'a' {{ 1 }}; Emit")
    first = follow(computer, job("j1", script), "one")
    again = follow(computer, job("j1", script), "two")
    assert (first.started_here, again.started_here) == (True, False)
    assert again.output == first.output
    assert computer.files.read(count) == b"x"


def test_a_running_job_is_attached_to_and_tells_how_far_it_is(computer: SimulatedComputer) -> None:
    link = Direct(computer)
    SYSTEM.start(link, job("j1", SLOW), wait=timedelta(0), token="one")
    other = SYSTEM.start(link, job("j1", SLOW), wait=timedelta(0), token="two")
    assert (other.state, other.started_here) == (State.RUNNING, False)
    assert other.progress == "install 40 %: KB1"
    computer.advance(9000)
    assert follow(computer, job("j1", SLOW)).state == State.FINISHED


def test_one_change_at_a_time_and_the_other_is_refused_with_its_holder(
    computer: SimulatedComputer,
) -> None:
    link = Direct(computer)
    SYSTEM.start(link, job("j1", SLOW), wait=timedelta(0), token="one")
    refused = follow(computer, job("j2"), "two")
    assert (refused.state, refused.detail) == (State.REFUSED, "75 j1")
    read = follow(computer, job("j3", kind="read"))
    assert read.state == State.FINISHED
    computer.advance(9000)
    follow(computer, job("j1", SLOW))
    assert follow(computer, job("j2"), "three").state == State.FINISHED


def test_the_holder_is_told_to_whoever_follows(computer: SimulatedComputer) -> None:
    SYSTEM.start(Direct(computer), job("j1", SLOW), wait=timedelta(0))
    with pytest.raises(JobBusy, match="j1"):
        run_job(
            Link(lambda: Direct(computer)),
            job("j2"),
            system=SYSTEM,
            deadline=datetime.now(UTC) + timedelta(minutes=1),
            clock=lambda: datetime.now(UTC),
            sleep=lambda _seconds: None,
            poll_wait=WAIT,
        )


def test_a_job_that_was_killed_is_orphaned_and_not_started_again(
    computer: SimulatedComputer,
) -> None:
    computer.cause(Fault.TASK_KILLED, times=1, seconds=60)
    assert follow(computer, job("j1", SLOW)).state == State.ORPHANED
    assert follow(computer, job("j1", SLOW), "again").state == State.ORPHANED
    assert follow(computer, job("j2")).state == State.FINISHED


def test_a_task_that_never_runs_is_told_with_what_the_log_says(computer: SimulatedComputer) -> None:
    computer.cause(Fault.TASK_NEVER_RUNS)
    with pytest.raises(ScriptFailed, match="2147943785"):
        SYSTEM.start(Direct(computer), job("j1"), wait=WAIT)
    computer.heal(Fault.TASK_NEVER_RUNS)
    assert follow(computer, job("j1")).state == State.FINISHED


def test_a_script_that_breaks_has_ended_with_its_reason(computer: SimulatedComputer) -> None:
    ended = follow(computer, job("j1", payload("Section 'a' { 1 }\nthrow 'no such thing'")))
    assert (ended.state, ended.exit_status) == (State.FINISHED, 1)
    with pytest.raises(ScriptFailed, match="no such thing"):
        SYSTEM.read(ended.output, NONCE)


def test_a_section_that_fails_takes_nothing_from_the_others(computer: SimulatedComputer) -> None:
    body = "Section 'a' { throw 'x' }; Section 'b' -List { 7 }; Section 'c' -List { }; Emit"
    ended = follow(computer, job("j1", payload(body)))
    answers = SYSTEM.read(ended.output, NONCE)
    assert answers["a"].status == 1
    assert (answers["b"].stdout, answers["c"].stdout) == ("[7]", "[]")


def test_cancelled_means_that_nothing_further_is_begun(computer: SimulatedComputer) -> None:
    body = "foreach ($n in 1..9) { if (-not (Test-Cancelled)) { $last = $n; Start-Sleep 1000 } }"
    made = job("j1", payload(f"{body}; Section 'a' {{ $last }}; Emit"))
    assert not cancel(Direct(computer), "j1")
    SYSTEM.start(Direct(computer), made, wait=timedelta(seconds=20))
    assert cancel(Direct(computer), "j1")
    computer.advance(9000)
    ended = value(follow(computer, made))
    assert isinstance(ended, int)
    assert ended < 9


def test_a_start_that_was_cut_off_before_the_launch_is_begun_anew(
    computer: SimulatedComputer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as cut:
        cut.setattr(computer.tasks, "run", lambda _task: None)
        SYSTEM.start(Direct(computer), job("j1"), wait=timedelta(0), token="first")
    waiting = SYSTEM.poll(Direct(computer), "j1", "change", wait=timedelta(0))
    assert waiting.state == State.RUNNING
    computer.advance(90)
    assert SYSTEM.poll(Direct(computer), "j1", "change").state == State.ABSENT
    assert follow(computer, job("j1"), "second").state == State.FINISHED


class TestFolders:
    """What is run as SYSTEM lies where nobody else may write."""

    def test_only_system_and_administrators_may_enter(self, computer: SimulatedComputer) -> None:
        follow(computer, job("j1"))
        for path in (ROOT, f"{ROOT}\\runs", f"{ROOT}\\runs\\j1"):
            node = computer.files.find(path)
            assert node is not None
            assert node.protected
            assert {rule.sid for rule in node.rules} == {"S-1-5-18", "S-1-5-32-544"}

    def spoiled(
        self, computer: SimulatedComputer, how: Callable[[SimulatedComputer], None]
    ) -> None:
        how(computer)
        with pytest.raises(ScriptFailed, match="remove it"):
            SYSTEM.start(Direct(computer), job("j1"), wait=WAIT)
        assert computer.files.find(f"{ROOT}\\runs\\j1\\payload.ps1") is None

    def test_a_folder_of_somebody_else_is_not_used(self, computer: SimulatedComputer) -> None:
        def made_before_us(computer: SimulatedComputer) -> None:
            computer.files.make_folder(ROOT, "S-1-5-21-1-2-3-1001", computer.clock.time())

        self.spoiled(computer, made_before_us)

    def test_a_folder_that_inherits_is_not_used(self, computer: SimulatedComputer) -> None:
        def inheriting(computer: SimulatedComputer) -> None:
            computer.files.make_folder(ROOT, "S-1-5-32-544", computer.clock.time())

        self.spoiled(computer, inheriting)

    def test_a_payload_that_was_changed_is_not_run(
        self, computer: SimulatedComputer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is changed after it was written, and before the task has begun."""
        mark = f"{ROOT}\\mark.txt"
        script = payload(f"[IO.File]::WriteAllText('{mark}', 'x'); Section 'a' {{ 1 }}; Emit")
        launch = computer.tasks.run

        def changed(task: Task) -> None:
            node = computer.files.find(f"{ROOT}\\runs\\j1\\payload.ps1")
            assert node is not None
            assert node.data is not None
            node.data += b"# changed"
            launch(task)

        monkeypatch.setattr(computer.tasks, "run", changed)
        assert follow(computer, job("j1", script)).state in {State.RUNNING, State.ORPHANED}
        assert computer.files.find(mark) is None
