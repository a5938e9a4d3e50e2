"""Asking a whole machine: real shells on this one, and real links that break."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from patchyard.checks import tcp
from patchyard.checks.base import Question, question
from patchyard.domain.health import Answer, Finding, Outcome
from patchyard.domain.inventory import CheckSpec, Connection, Inventory, Machine
from patchyard.errors import (
    AuthenticationFailed,
    HostKeyRejected,
    MachineError,
    PrivilegeRefused,
    TimedOut,
    Unreachable,
)
from patchyard.questions import ask
from patchyard.transports.base import Completed, Parameters, Transport, open_transport

CONNECTION = Connection(transport="local", user="somebody", sudo="none")
LIMIT = timedelta(seconds=30)
INVENTORY = Inventory(name="x", folder=".", machines=())


def machine(*checks: CheckSpec) -> Machine:
    return Machine(name="box-1", address="127.0.0.1", connection=CONNECTION, checks=checks)


def spec(kind: str, **options: Any) -> CheckSpec:
    return CheckSpec(kind=kind, options=options)


def command(text: str, **options: Any) -> CheckSpec:
    return spec("command", command=text, **options)


@pytest.fixture
def here() -> Iterator[Transport]:
    link = open_transport(machine(), INVENTORY)
    yield link
    link.close()


def asked(link: Transport, *checks: CheckSpec) -> tuple[Answer, ...]:
    return ask(link, machine(*checks), nonce="n0n5e", timeout=LIMIT)


def test_every_answer_stands_where_its_question_stood(here: Transport) -> None:
    found = asked(here, command("exit 3"), spec("dns", name="localhost"), command("true"))
    assert [(a.check, a.outcome) for a in found] == [
        ("command exit 3", Outcome.FAILED),
        ("dns localhost", Outcome.PASSED),
        ("command true", Outcome.PASSED),
    ]


def test_the_disk_is_asked_for_real(here: Transport) -> None:
    (roomy, full, none) = asked(
        here,
        spec("disk", path="/", min_free_mb=0),
        spec("disk", path="/", min_free_percent=100),
        spec("disk", path="/nonesuch", min_free_mb=0),
    )
    assert roomy.outcome == Outcome.PASSED
    assert full.outcome == Outcome.FAILED
    assert none.outcome == Outcome.UNKNOWN


def test_questions_with_one_name_keep_an_answer_each(here: Transport) -> None:
    found = asked(here, command("true"), command("true", exit_status=1), command("true"))
    assert [(a.check, a.outcome) for a in found] == [
        ("command true", Outcome.PASSED),
        ("command true (2)", Outcome.FAILED),
        ("command true (3)", Outcome.PASSED),
    ]


def test_one_that_hangs_takes_nothing_from_the_others(here: Transport) -> None:
    began = time.monotonic()
    hanging = [command(f"sleep 6{n}", timeout=1) for n in range(5)]
    *stuck, good = asked(here, *hanging, command("echo here"))
    assert time.monotonic() - began < 4
    assert {answer.outcome for answer in stuck} == {Outcome.UNKNOWN}
    assert stuck[0].detail == "no answer within 1 s"
    assert (good.outcome, good.detail) == (Outcome.PASSED, "here")


def test_one_that_ends_its_shell_or_leaves_a_process_behind_holds_nobody(
    here: Transport, tmp_path: Path
) -> None:
    began = time.monotonic()
    left = f"sleep 20 & echo $! >{shlex.quote(str(tmp_path / 'pid'))}"
    try:
        found = asked(here, command(left), command("kill -9 $$", timeout=2), command("true"))
        assert time.monotonic() - began < 5
    finally:
        os.kill(int((tmp_path / "pid").read_text()), 9)
    assert [a.outcome for a in found] == [Outcome.PASSED, Outcome.UNKNOWN, Outcome.PASSED]


def test_what_a_command_prints_cannot_pass_for_another_answer(here: Transport) -> None:
    forged = "printf '@@n end 1 0\\n@@n begin 1\\n'; exit 1"
    found = asked(here, command(forged), command("false"))
    assert [a.outcome for a in found] == [Outcome.FAILED, Outcome.FAILED]


@pytest.mark.parametrize("text", ["it's", 'a "b" $HOME `id` \\', "$(touch /nonesuch/x)", "a\nb"])
def test_words_of_the_inventory_reach_the_machine_as_they_are(here: Transport, text: str) -> None:
    """The text is looked for as it stands, and the shell gets the command as it stands."""
    quoted = shlex.quote(text)
    found = asked(here, command(f"printf '%s' {quoted}", contains=text))
    assert found[0].outcome == Outcome.PASSED, found[0].detail


def test_a_path_with_shell_in_it_is_only_a_path(here: Transport, tmp_path: Path) -> None:
    made = tmp_path / "made"
    found = asked(here, spec("disk", path=f"/$(touch {made});touch {made}'", min_free_mb=0))
    assert found[0].outcome == Outcome.UNKNOWN
    assert not made.exists()


def test_a_command_runs_without_input_and_is_told_from_a_missing_one(here: Transport) -> None:
    found = asked(here, command("cat; echo end"), command("nonesuch-program"))
    assert (found[0].outcome, found[0].detail) == (Outcome.PASSED, "end")
    assert found[1].outcome == Outcome.UNKNOWN
    assert "nonesuch-program" in found[1].detail


def test_much_output_is_cut_and_not_kept_in_the_answer(here: Transport) -> None:
    (found,) = asked(here, command("head -c 5000000 /dev/zero | tr '\\0' x"))
    assert found.outcome == Outcome.PASSED
    assert len(found.detail) <= 300


def test_a_machine_with_no_room_for_answers_is_unknown(
    here: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nonesuch"))
    (found,) = asked(here, command("true"))
    assert found.outcome == Outcome.UNKNOWN
    assert "status 96" in found.detail


def test_nothing_stays_in_the_temporary_folder(
    here: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    asked(here, command("true"), command("echo x >&2; false"))
    assert list(tmp_path.iterdir()) == []


class Broken:
    """A link on which every question meets the same trouble."""

    def __init__(self, error: MachineError) -> None:
        self._error = error
        self.asked = 0

    def run(
        self, _script: str, /, *, timeout: timedelta, parameters: Parameters | None = None
    ) -> Completed:
        assert parameters is None
        assert timeout == LIMIT
        self.asked += 1
        raise self._error


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (Unreachable("the link was lost"), False),
        (TimedOut("no answer"), False),
        (PrivilegeRefused("no"), False),
        (AuthenticationFailed("the key is refused"), True),
        (HostKeyRejected("another key"), True),
    ],
)
def test_trouble_on_the_way_is_an_answer(error: MachineError, final: bool) -> None:
    link = Broken(error)
    found = ask(link, machine(command("a"), command("b")), nonce="n", timeout=LIMIT)
    assert [(a.outcome, a.detail, a.final) for a in found] == [
        (Outcome.UNKNOWN, str(error), final)
    ] * 2
    assert link.asked == 1


def test_a_machine_that_is_asked_nothing_is_not_reached() -> None:
    link = Broken(Unreachable("x"))
    assert ask(link, machine(), nonce="n", timeout=LIMIT) == ()
    (closed,) = ask(link, machine(spec("tcp", port=1)), nonce="n", timeout=LIMIT)
    assert closed.outcome == Outcome.FAILED
    assert link.asked == 0


class Says:
    """A link to something that answers otherwise than a machine should."""

    def __init__(self, stdout: str) -> None:
        self._stdout = stdout

    def run(
        self, _script: str, /, *, timeout: timedelta, parameters: Parameters | None = None
    ) -> Completed:
        assert parameters is None
        assert timeout
        return Completed(0, self._stdout, "")


@pytest.mark.parametrize(
    "output", ["", "welcome", "@@n begin 0\nhello", "@@n end 0 0\n", "@@n begin 0\n@@n end 1 0\n"]
)
def test_output_that_is_no_answer_is_unknown(output: str) -> None:
    (found,) = ask(Says(output), machine(command("true")), nonce="n", timeout=LIMIT)
    assert found.outcome == Outcome.UNKNOWN
    assert found.detail


def test_what_is_written_wrong_is_told_and_the_rest_is_asked(here: Transport) -> None:
    found = asked(here, spec("nonesuch"), spec("disk"), command("true"))
    assert [a.outcome for a in found] == [Outcome.UNKNOWN, Outcome.UNKNOWN, Outcome.PASSED]
    assert "nonesuch is no kind of check" in found[0].detail
    assert "min_free_percent or min_free_mb" in found[1].detail


def test_the_machines_own_values_are_filled_in() -> None:
    made = question(spec("command", command="echo {name} {address} {port} {user}"), machine())
    assert made.label == "command echo box-1 127.0.0.1 0 somebody"
    assert question(spec("tcp", port="{port}1"), machine()).label == "tcp 1"
    assert getattr(question(spec("tcp", port=1), machine()).options, "host", "") == "127.0.0.1"


def test_a_probe_that_never_ends_does_not_hold_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def forever(_question: Question, _machine: Machine) -> Finding:
        time.sleep(5)
        raise AssertionError

    monkeypatch.setattr(Question, "probe", forever)
    began = time.monotonic()
    checks = [spec("tcp", port=n, timeout=0.2) for n in (1, 2, 3)]
    found = ask(Broken(Unreachable("x")), machine(*checks), nonce="n", timeout=LIMIT)
    assert time.monotonic() - began < 3
    assert {a.outcome for a in found} == {Outcome.UNKNOWN}
    assert tcp.CHECK.name == "tcp"
