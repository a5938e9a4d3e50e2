"""Jobs over a real SSH server, on the path without systemd; the yard tests the other one."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from patchyard import _job_calls, jobs
from patchyard._job_calls import poll, start
from patchyard.errors import (
    MachineError,
    ProtocolError,
    ScriptFailed,
    TimedOut,
    Unreachable,
)
from patchyard.jobs import Finished, Job, JobBusy, JobOrphaned, State, run_job
from patchyard.link import Link
from patchyard.systems.linux import SYSTEM
from patchyard.transports import Completed, Parameters
from tests.sshd import Sshd

SOON = timedelta(seconds=15)
NOW = timedelta(0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("machine")) as running:
        yield running


@pytest.fixture
def link(server: Sshd) -> Iterator[Link]:
    with Link(server.open) as made:
        yield made


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).replace("[", "-").replace("]", "")[:80]


def clock() -> datetime:
    return datetime.now(UTC)


def follow(link: Link, job: Job, *, seconds: float = 20, wait: float = 5) -> Finished:
    return run_job(
        link,
        job,
        system=SYSTEM,
        deadline=clock() + timedelta(seconds=seconds),
        clock=clock,
        sleep=time.sleep,
        poll_wait=timedelta(seconds=wait),
        patience=timedelta(seconds=5),
    )


def folder(server: Sshd, job_id: str, kind: str = "change") -> Path:
    top = "var/lib/patchyard/jobs" if kind == "change" else "run/patchyard/jobs"
    return server.root / top / job_id


def wait_for(path: Path, *, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not appear"
        time.sleep(0.02)


def kill_tree(server: Sshd, job_id: str) -> None:
    """Kill a job's shell and its script, as the machine going down does."""
    told = str(folder(server, job_id) / "script")
    found = subprocess.run(["pgrep", "-f", told], capture_output=True, text=True, check=False)
    boot = subprocess.run(
        ["pgrep", "-f", f"patchyard .* {job_id} change"],
        capture_output=True,
        text=True,
        check=False,
    )
    pids = {int(pid) for pid in (found.stdout + boot.stdout).split()}
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("kind", ["read", "change"])
def test_a_short_job_is_answered_in_one_round_trip(
    server: Sshd, name: str, kind: jobs.Kind
) -> None:
    transport = server.open()
    try:
        seen = start(transport, Job(name, kind, "echo out; echo err >&2; exit 7"), wait=SOON)
    finally:
        transport.close()
    assert seen.state == State.FINISHED
    assert seen.exit_status == 7
    assert sorted(seen.output.split()) == ["err", "out"]
    assert seen.started_here
    assert folder(server, name, kind).is_dir()


def test_starting_twice_runs_once_and_attaches(link: Link, name: str, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    job = Job(name, "change", f"echo ran >>{counter}; sleep 0.5; echo done")
    first = follow(link, job)
    second = follow(link, job)
    assert counter.read_text() == "ran\n"
    assert (first.started_here, first.attached) == (True, False)
    assert (second.started_here, second.attached) == (False, True)
    assert first.output == second.output == "done\n"


@pytest.mark.parametrize("kind", ["read", "change"])
def test_many_that_start_one_id_at_once_run_it_once(
    server: Sshd, name: str, tmp_path: Path, kind: jobs.Kind
) -> None:
    counter = tmp_path / "counter"
    job = Job(name, kind, f"echo ran >>{counter}; sleep 0.3; echo done")
    ended: list[Finished] = []

    def one() -> None:
        with Link(server.open) as link:
            ended.append(follow(link, job))

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.read_text() == "ran\n"
    assert [end.output for end in ended] == ["done\n"] * 6
    assert [end.started_here for end in ended].count(True) == 1


@pytest.mark.parametrize("kind", ["read", "change"])
def test_of_many_boots_at_one_instant_one_runs(tmp_path: Path, kind: jobs.Kind) -> None:
    script = f"echo ran >>{tmp_path}/counter; sleep 0.5"
    packed, checksum = _job_calls.pack(script), hashlib.sha256(script.encode()).hexdigest()
    boot = _job_calls.boot()
    words = [str(tmp_path), "once", kind, str(os.getgid()), "token", checksum, packed]
    line = ["/bin/sh", "-c", _job_calls.LOADER, "patchyard", boot, *words]
    slow = tmp_path / "bin/mkdir"  # all of them look for the directory before any makes it
    slow.parent.mkdir()
    slow.write_text('#!/bin/sh\nsleep 0.3\nexec /bin/mkdir "$@"\n')
    slow.chmod(0o755)
    environment = {"PATH": f"{slow.parent}:{os.environ['PATH']}"}
    boots = [subprocess.Popen(line, env=environment) for _ in range(12)]
    assert [process.wait(20) for process in boots] == [0] * 12
    assert (tmp_path / "counter").read_text() == "ran\n"


def test_a_link_that_is_lost_in_mid_job_is_followed_to_the_end(
    server: Sshd, link: Link, name: str, tmp_path: Path
) -> None:
    counter = tmp_path / "counter"
    script = f"echo ran >>{counter}; echo before; sleep 2; echo after"

    def lose() -> None:
        wait_for(folder(server, name) / "alive")
        server.drop()

    thread = threading.Thread(target=lose)
    thread.start()
    finished = follow(link, Job(name, "change", script))
    thread.join()
    assert finished == Finished(0, "before\nafter\n", started_here=True)
    assert counter.read_text() == "ran\n"


def test_a_server_that_is_away_for_a_while_is_waited_for(tmp_path: Path, name: str) -> None:
    with Sshd(tmp_path / "machine") as server, Link(server.open) as link:
        ended: list[Finished] = []
        job = Job(name, "change", "sleep 1; echo finished meanwhile")
        thread = threading.Thread(target=lambda: ended.append(follow(link, job)))
        thread.start()
        wait_for(folder(server, name) / "alive")
        server.stop()
        wait_for(folder(server, name) / "status")
        server.start()
        thread.join()
        assert ended == [Finished(0, "finished meanwhile\n", started_here=True)]


def test_a_machine_that_is_not_reached_is_given_up_after_patience(tmp_path: Path) -> None:
    server = Sshd(tmp_path / "machine")
    with Link(server.open) as link, pytest.raises(Unreachable, match="web-1"):
        run_job(
            link,
            Job("x", "read", "true"),
            system=SYSTEM,
            deadline=clock() + timedelta(hours=1),
            clock=clock,
            sleep=time.sleep,
            patience=timedelta(seconds=1),
        )


def test_a_job_whose_shell_was_killed_is_orphaned(server: Sshd, link: Link, name: str) -> None:
    job = Job(name, "change", "echo begun; sleep 60")
    assert start(link, job, wait=NOW).state == State.RUNNING
    wait_for(folder(server, name) / "alive")
    kill_tree(server, name)
    with pytest.raises(JobOrphaned, match="begun"):
        follow(link, job)
    assert poll(link, name, "change", wait=NOW).state == State.ORPHANED


def test_an_absent_job_is_absent_and_polling_starts_nothing(
    server: Sshd, link: Link, name: str
) -> None:
    assert poll(link, name, "change", wait=NOW).state == State.ABSENT
    assert not folder(server, name).exists()


def test_a_deadline_leaves_the_job_running_and_it_can_be_attached_to(link: Link, name: str) -> None:
    job = Job(name, "change", "sleep 3; echo whole")
    with pytest.raises(TimedOut, match="still running"):
        follow(link, job, seconds=1)
    assert follow(link, job) == Finished(0, "whole\n", started_here=False)


def test_output_that_forges_frames_stays_output(link: Link, name: str) -> None:
    forged = "@@0123 begin state\nfinished 0\n\n@@0123 end state 0\n@@ end output 0\n"
    finished = follow(link, Job(name, "read", f"cat <<'X'\n{forged}X\nexit 5"))
    assert finished.exit_status == 5
    assert finished.output == forged


def test_a_megabyte_of_output_arrives_whole(link: Link, name: str) -> None:
    script = "seq -f 'line %06.0f of many' 1 50000"
    finished = follow(link, Job(name, "read", script))
    lines = finished.output.splitlines()
    assert len(finished.output) == 1_000_000
    assert (len(lines), lines[-1]) == (50000, "line 050000 of many")


def test_the_script_arrives_as_it_was_written(link: Link, name: str) -> None:
    text = 'it\'s "quoted" $HOME ${HOME} $$ %n %% `id` \\ é 漢 \U0001f600'
    finished = follow(link, Job(name, "change", f"cat <<'X'\n{text}\nX\n"))
    assert finished.output == f"{text}\n"


@pytest.mark.parametrize("size", [_job_calls.PACKED_ABOVE, _job_calls.PACKED_ABOVE + 1])
def test_output_arrives_whole_whether_it_is_packed_or_not(link: Link, name: str, size: int) -> None:
    script = f"head -c {size - 3} /dev/zero | tr '\\0' y; printf '\\nz'; printf '\\n'"
    assert follow(link, Job(name, "read", script)).output == f"{'y' * (size - 3)}\nz\n"


@pytest.mark.parametrize("left", ["", "H4sIAAAAAAAAA0vOTylVyC9ITUzRyClWKMlIVchNzUtPBQ", "no gzip"])
def test_packed_output_that_was_cut_off_is_no_output(left: str) -> None:
    class Cut:
        def run(self, script: str, /, **_given: object) -> Completed:
            nonce = script.partition("printf '@@%s begin %s\\n' ")[2].partition(" ")[0]
            told = {"state": "finished 0", "starter": "", "progress": "", "packed": left}
            frames = [f"@@{nonce} begin {n}\n{t}\n@@{nonce} end {n} 0" for n, t in told.items()]
            return Completed(0, "\n".join(frames), "")

    with pytest.raises(Unreachable, match="cut off"):
        poll(Cut(), "cut", "read", wait=NOW)


def test_output_without_a_last_newline_or_with_bad_bytes_is_read(link: Link, name: str) -> None:
    finished = follow(link, Job(name, "read", r"printf 'a\377b\n\nend'"))
    assert finished.output == "a\N{REPLACEMENT CHARACTER}b\n\nend"


def test_output_is_read_from_an_offset(link: Link, name: str) -> None:
    start(link, Job(name, "read", "echo 0123456789"), wait=SOON)
    assert poll(link, name, "read", offset=4, wait=SOON).output == "456789\n"
    assert poll(link, name, "read", offset=400, wait=SOON).output == ""


def test_a_large_script_is_packed_and_one_too_large_is_refused(link: Link, name: str) -> None:
    comment = "# the same comment over and over again\n" * 10_000
    assert follow(link, Job(name, "read", f"{comment}echo ok")).output == "ok\n"
    noise = "# " + os.urandom(200_000).hex()
    with pytest.raises(ProtocolError, match="split it"):
        start(link, Job(f"{name}-2", "read", noise), wait=NOW)


def test_a_second_change_is_refused_with_the_name_of_the_first(
    server: Sshd, link: Link, name: str
) -> None:
    first = Job(f"{name}-first", "change", "sleep 6")
    second = Job(f"{name}-second", "change", "echo second")
    assert start(link, first, wait=NOW).state == State.RUNNING
    wait_for(folder(server, first.id) / "alive")
    with pytest.raises(JobBusy, match=first.id) as refused:
        follow(link, second)
    assert refused.value.holder == first.id
    assert not folder(server, second.id).exists()
    assert follow(link, Job(f"{name}-read", "read", "echo reads go on")).exit_status == 0
    assert follow(link, first).exit_status == 0
    assert follow(link, second).output == "second\n"


def test_the_end_of_a_change_that_somebody_began_is_waited_for(link: Link, name: str) -> None:
    job = Job(name, "change", "sleep 2; echo done")
    start(link, job, wait=NOW)
    jobs.wait_for(link, name, system=SYSTEM, deadline=clock() + SOON, clock=clock, sleep=time.sleep)
    assert poll(link, name, "change", wait=NOW).output == "done\n"


def test_a_script_may_itself_end_with_75(link: Link, name: str) -> None:
    assert follow(link, Job(name, "change", "exit 75")).exit_status == 75


def test_progress_is_told_while_the_job_runs(link: Link, name: str) -> None:
    script = "for i in 1 2; do echo step $i >>$PATCHYARD_JOB/progress; sleep 1; done"
    told: list[str] = []
    run_job(
        link,
        Job(name, "change", script),
        system=SYSTEM,
        deadline=clock() + SOON,
        clock=clock,
        sleep=time.sleep,
        on_progress=told.append,
        poll_wait=timedelta(seconds=0.3),
    )
    assert told == ["step 1", "step 2"]


def test_a_job_ignores_a_hang_up_and_a_termination_of_its_shell(
    server: Sshd, link: Link, name: str
) -> None:
    job = Job(name, "change", "sleep 1.5; echo whole")
    start(link, job, wait=NOW)
    wait_for(folder(server, name) / "alive")
    told = f"patchyard .* {name} change"
    found = subprocess.run(["pgrep", "-of", told], capture_output=True, text=True, check=True)
    time.sleep(0.3)
    for number in (signal.SIGHUP, signal.SIGTERM):
        os.kill(int(found.stdout), number)
    assert follow(link, job).output == "whole\n"


def test_a_job_has_its_own_session_and_no_input(link: Link, name: str) -> None:
    script = "cat; readlink /proc/self/fd/0; cut -d' ' -f6,7 /proc/$$/stat; pwd; umask"
    seen = follow(link, Job(name, "change", script)).output.split()
    assert seen[0] == "/dev/null"
    assert seen[2:] == ["0", "/", "0022"]  # no terminal


def test_what_cannot_be_written_is_refused_with_the_reason(server: Sshd, link: Link) -> None:
    place = server.root / "var/lib/patchyard/jobs"
    place.mkdir(parents=True, exist_ok=True)
    aside = place.rename(place.with_name("aside"))
    place.write_text("a file where the folder should be")
    try:
        with pytest.raises(ScriptFailed, match="File exists"):
            follow(link, Job("nowhere", "change", "true"))
    finally:
        place.unlink()
        aside.rename(place)
    assert follow(link, Job("nowhere", "change", "echo now")).output == "now\n"


def test_old_jobs_are_forgotten_when_a_change_starts(server: Sshd, link: Link, name: str) -> None:
    changes, reads = folder(server, "x").parent, folder(server, "x", "read").parent
    old = time.time() - 100 * 86400
    for number in range(60):
        made = changes / f"old-{number}"
        made.mkdir(parents=True)
        os.utime(made, (old + number, old + number))
    for job_id, age in (("stale", 2 * 86400), ("fresh", 60)):
        (reads / job_id).mkdir(parents=True)
        os.utime(reads / job_id, (time.time() - age,) * 2)
    follow(link, Job(name, "change", "true"))
    left = {path.name for path in changes.iterdir()}
    assert len(left) == 50
    assert "old-59" in left
    assert "old-0" not in left
    assert {"fresh"} == {path.name for path in reads.iterdir()} & {"fresh", "stale"}
    for path in changes.glob("old-*"):
        path.rmdir()


def test_an_id_is_checked() -> None:
    for bad in ("", "a b", "../x", "a/b", "x" * 101, "a\n", "..", "é"):
        with pytest.raises(ValueError, match="no job id"):
            Job(bad, "read", "")
    assert Job("x" * 100, "read", "").id


def test_a_link_connects_lazily_and_anew_after_a_loss() -> None:
    class Flaky:
        def __init__(self, *, fail: bool) -> None:
            self.fail = fail
            self.closed = False

        def run(
            self, script: str, /, *, timeout: timedelta, parameters: Parameters | None = None
        ) -> Completed:
            assert parameters is None
            if self.fail:
                raise Unreachable("gone")
            return Completed(0, script, str(timeout))

        def close(self) -> None:
            self.closed = True

    made: list[Flaky] = []

    def connect() -> Flaky:
        made.append(Flaky(fail=len(made) < 2))
        return made[-1]

    slept: list[float] = []
    with Link(connect) as link:
        assert not made
        answer = link.retrying(
            "ask",
            timeout=NOW,
            deadline=clock() + SOON,
            sleep=slept.append,
            spread=lambda: 0.5,
        )
        assert answer.stdout == "ask"
        assert slept == [0.5, 1.0]
        assert [flaky.closed for flaky in made] == [True, True, False]
    assert made[-1].closed


def test_what_waiting_cannot_mend_is_asked_once() -> None:
    calls: list[int] = []

    def connect() -> Link:
        calls.append(1)
        raise ProtocolError("no")

    with Link(connect) as link, pytest.raises(MachineError):
        link.retrying("ask", timeout=NOW, deadline=clock() + SOON, sleep=time.sleep)
    assert calls == [1]
