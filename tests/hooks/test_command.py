from __future__ import annotations

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from patchyard.domain.hooking import FAILED, TIMED_OUT
from patchyard.hooks import command
from patchyard.hooks.command import run_command
from patchyard.hooks.occasion import Ended


def run(folder: Path, *arguments: str, text: str = "", seconds: float = 20) -> Ended:
    return run_command(
        arguments,
        text,
        variables={"PATCHYARD_RUN": "r1"},
        folder=str(folder),
        timeout=timedelta(seconds=seconds),
    )


def test_it_is_told_on_its_input_and_by_variables_in_the_folder(tmp_path: Path) -> None:
    program = "import os, sys; print(os.getcwd(), os.environ['PATCHYARD_RUN'], sys.stdin.read())"
    done = run(tmp_path, sys.executable, "-c", program, text='{"a": "\N{SNOWMAN}"}')
    assert done == Ended("", f'{tmp_path} r1 {{"a": "\N{SNOWMAN}"}}')


def test_no_shell_reads_its_arguments(tmp_path: Path) -> None:
    assert run(tmp_path, "echo", "$HOME; id", "*").detail == "$HOME; id *"


def test_a_program_of_the_folder_is_found_from_there(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("#!/bin/sh\nexit 7\n")
    own.chmod(0o755)
    assert run(tmp_path, "./own") == Ended(FAILED, "ended with status 7: no output")


def test_what_is_not_there_cannot_be_started(tmp_path: Path) -> None:
    done = run(tmp_path, "./missing")
    assert done.code == FAILED
    assert done.detail.startswith("./missing cannot be started: ")


def test_of_a_long_output_the_end_is_told(tmp_path: Path) -> None:
    program = "print('x' * 10**6); print('why'); raise SystemExit(1)"
    done = run(tmp_path, sys.executable, "-c", program)
    assert len(done.detail) <= 300
    assert done.detail.startswith("ended with status 1: ...xxx")
    assert done.detail.endswith("xxx why")


def test_one_that_takes_too_long_is_ended_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "GRACE", 0.5)
    script = f"trap '' TERM; sleep 60 & echo $! >{tmp_path}/child; wait; sleep 60"
    began = time.monotonic()
    done = run(tmp_path, "sh", "-c", script, seconds=0.5)
    assert time.monotonic() - began < 10
    assert done.code == TIMED_OUT
    assert "not ended after 0.5 s" in done.detail
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while _alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_what_it_leaves_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    done = run(tmp_path, "sh", "-c", f"sleep 60 & echo $! >{tmp_path}/child; echo ok")
    assert (done.code, done.detail) == ("", "ok")
    assert time.monotonic() - began < 10
    os.kill(int((tmp_path / "child").read_text()), 9)


TALKER = """\
import os, sys, time
for _ in range(60):
    os.write(1, b"x" * 10**5)
    time.sleep(0.01)
print("\\n", os.fstat(1).st_size < 4 * 10**6)
"""


def test_one_that_says_more_and_more_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "MOST", 10**6)
    done = run(tmp_path, sys.executable, "-c", TALKER)
    assert done.code == ""
    assert done.detail.endswith("x True")


@pytest.mark.parametrize(("how", "told"), [("KILL", "signal 9"), ("SEGV", "signal 11")])
def test_one_that_a_signal_has_ended_has_failed(tmp_path: Path, how: str, told: str) -> None:
    done = run(tmp_path, "sh", "-c", f"echo before; kill -{how} $$")
    assert (done.code, done.detail) == (FAILED, f"ended with {told}: before")


def test_one_that_reads_nothing_and_one_that_closes_its_output_are_no_trouble(
    tmp_path: Path,
) -> None:
    text = "x" * 5_000_000
    assert run(tmp_path, "true", text=text).code == ""
    assert run(tmp_path, "sh", "-c", "exec >&- 2>&-; cat >/dev/null", text=text).code == ""
