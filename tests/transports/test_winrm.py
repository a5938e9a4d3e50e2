"""Scripts over a real WinRM server: what comes back, and what happens when it does not."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from patchyard.errors import ProtocolError, TimedOut, Unreachable
from patchyard.testing.windows.winrm import Settings
from patchyard.testing.windows.winrm.shells import Shell
from patchyard.transports import Completed, _winrm_client, _winrm_shell
from patchyard.transports._winrm_order import PIECE
from patchyard.transports.winrm import WinrmTransport
from tests.testing.winrm.computers import Talk
from tests.testing.winrm.powershell import Call
from tests.transports.winrm_yard import Yard, silent

SOON = timedelta(seconds=20)
SHORT = timedelta(seconds=1.2)


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    with Yard(tmp_path) as made:
        yield made


@pytest.fixture
def link(yard: Yard) -> WinrmTransport:
    return yard.open()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_script_is_run_with_its_parameters_and_answers(yard: Yard, scheme: str) -> None:
    yard.powershell.answer = lambda call: call.say("out\r\n", "err\r\n", 3)
    done = yard.open(scheme).run(
        "Get-X", timeout=SOON, parameters={"a": [1, None], "b": {"c": "d"}}
    )
    assert done == Completed(3, "out\n", "err\n")
    (call,) = yard.powershell.calls
    assert (call.script, call.parameters) == ("Get-X", {"a": [1, None], "b": {"c": "d"}})


def test_a_script_without_parameters_finds_an_empty_object(
    yard: Yard, link: WinrmTransport
) -> None:
    link.run("x", timeout=SOON)
    assert yard.powershell.calls[0].parameters == {}


@pytest.mark.parametrize(
    "text", ["", "it's \"quoted\" `t $x @' \n \r\n é 漢 🖥 \0 \x1b %n {{ x }}", "a" * 12_300]
)
def test_a_script_arrives_as_it_was_written(yard: Yard, link: WinrmTransport, text: str) -> None:
    link.run(text, timeout=SOON, parameters={"same": text})
    (call,) = yard.powershell.calls
    assert (call.script, call.parameters) == (text, {"same": text})


def test_what_is_no_json_is_not_sent(yard: Yard, link: WinrmTransport) -> None:
    with pytest.raises(TypeError):
        link.run("x", timeout=SOON, parameters={"a": object()})
    with pytest.raises(ValueError, match="JSON"):
        link.run("x", timeout=SOON, parameters={"a": float("nan")})
    assert yard.server.counts.shells == 0


def test_a_script_of_any_size_goes_in_pieces_through_one_small_command(
    yard: Yard, link: WinrmTransport
) -> None:
    text = secrets.token_hex(400_000)
    done = link.run(text, timeout=SOON)
    assert done.stdout == f"{text}|{{}}"
    (started,) = yard.computer.started
    assert isinstance(started.program, Talk)
    assert len(started.program.pieces) > 2
    assert max(started.program.pieces) <= PIECE
    assert len(" ".join([started.command, *started.arguments])) < 2560
    assert started.direct


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_an_answer_that_is_cut_inside_its_characters_is_put_together(
    tmp_path: Path, size: int
) -> None:
    with Yard(tmp_path, Settings(receive_bytes=size)) as yard:
        yard.powershell.answer = lambda call: call.say("Grüße 漢🖥", "ä" * 9, 0)
        assert yard.open().run("x", timeout=SOON) == Completed(0, "Grüße 漢🖥", "ä" * 9)


@pytest.mark.parametrize("code", [0, 1, 87, 3221225786, -1073741510])
def test_an_exit_status_is_told_as_it_is(yard: Yard, link: WinrmTransport, code: int) -> None:
    yard.powershell.answer = lambda call: call.say("x", "", code)
    assert link.run("x", timeout=SOON).exit_status == code


def test_progress_on_standard_error_is_no_error(yard: Yard, link: WinrmTransport) -> None:
    clixml = (
        '#< CLIXML\r\n<Objs Version="1.1.0.1"><Obj S="progress" RefId="0"><TN RefId="0"/></Obj>'
        '<S S="warning">old_x000D__x000A_</S></Objs>'
    )
    yard.powershell.answer = lambda call: call.say("", clixml, 0)
    assert link.run("x", timeout=SOON).stderr == ""


def test_what_is_printed_before_the_script_is_not_its_answer(
    yard: Yard, link: WinrmTransport
) -> None:
    started = yard.computer.program

    def noisy(command: str, arguments: object) -> object:
        program = started(command, arguments)  # type: ignore[arg-type]
        program.say(b"Active code page: 65001\r\n")  # type: ignore[union-attr]
        return program

    yard.computer.program = noisy  # type: ignore[assignment]
    assert link.run("x", timeout=SOON).stdout == "x|{}"


def test_a_powershell_that_does_not_take_the_script_is_named(
    yard: Yard, link: WinrmTransport
) -> None:
    yard.powershell.broken = b"Cannot invoke method. language mode.\r\n"
    with pytest.raises(ProtocolError, match=r"win-1 .*status 1: Cannot .*full language"):
        link.run("x", timeout=SOON)
    assert yard.server.shells_open == 0


def test_an_answer_in_which_only_the_mark_is_forged_is_not_believed(
    yard: Yard, link: WinrmTransport
) -> None:
    yard.powershell.broken = b"@@0123456789abcdef ready\r\nall is well"
    with pytest.raises(ProtocolError):
        link.run("x", timeout=SOON)


def test_a_script_that_takes_longer_than_one_wait_is_waited_for(
    yard: Yard, link: WinrmTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pywinrm's own loop would do that for ever; ours ends with the deadline."""
    monkeypatch.setattr(_winrm_client, "WAIT", 1)
    yard.powershell.answer = silent
    helper = threading.Thread(target=_answer_after, args=(yard, 3))
    helper.start()
    assert link.run("x", timeout=SOON).stdout == "late"
    helper.join()
    assert yard.server.counts.commands == 1


def _answer_after(yard: Yard, receives: int) -> None:
    deadline = time.monotonic() + 15
    while yard.server.counts.actions["Receive"] < receives and time.monotonic() < deadline:
        time.sleep(0.01)
    yard.powershell.calls[0].say("late", "", 0)


def test_a_deadline_holds_the_script_is_ended_and_the_link_stays_usable(
    yard: Yard, link: WinrmTransport
) -> None:
    yard.powershell.answer = silent
    with pytest.raises(TimedOut, match=r"win-1 .* within 1.2 s"):
        link.run("x", timeout=SHORT)
    assert yard.server.shells_open == 0
    assert yard.powershell.calls[0].program.ended
    yard.powershell.answer = lambda call: call.say("here", "", 0)
    assert link.run("x", timeout=SOON).stdout == "here"


def test_a_script_that_prints_without_end_is_ended(
    yard: Yard, link: WinrmTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_winrm_shell, "LIMIT", 1000)
    yard.powershell.answer = lambda call: call.say("x" * 2000)
    with pytest.raises(ProtocolError, match="more than 1000 bytes"):
        link.run("x", timeout=SOON)
    assert yard.powershell.calls[0].program.ended


def test_many_scripts_go_over_one_connection_and_leave_no_shell(
    yard: Yard, link: WinrmTransport
) -> None:
    for number in range(40):  # more than the 30 shells a user may have
        assert link.run(str(number), timeout=SOON).stdout == f"{number}|{{}}"
        assert yard.server.shells_open == 0
    assert (yard.server.counts.connections, yard.server.counts.attempts) == (1, 1)


def test_a_shell_is_opened_in_utf_8_without_a_profile_and_ends_by_itself(
    yard: Yard, link: WinrmTransport
) -> None:
    seen: list[Shell] = []

    def look(call: Call) -> None:
        seen.extend(yard.server._shells._shells.values())
        call.say("", "", 0)

    yard.powershell.answer = look
    link.run("x", timeout=SOON)
    (shell,) = seen
    assert (shell.codepage, shell.idle_timeout) == ("65001", 300)


def test_closing_leaves_no_thread_and_nothing_goes_over_a_closed_link(yard: Yard) -> None:
    before = threading.active_count()
    link = yard.open()
    link.run("x", timeout=SOON)
    link.close()
    while threading.active_count() > before:  # the server's own thread for the connection
        time.sleep(0.01)
    with pytest.raises(Unreachable, match="was closed"):
        link.run("x", timeout=SOON)
    link.close()


def test_threads_that_share_a_link_wait_for_each_other(yard: Yard, link: WinrmTransport) -> None:
    """Over one sealed link, two at a time look like wrong passwords, which lock accounts."""
    results: list[str] = []

    def work(number: int) -> None:
        results.append(link.run(f"{number}", timeout=SOON).stdout)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [f"{n}|{{}}" for n in range(6)]
    assert (yard.server.counts.refused, yard.server.counts.attempts) == (0, 1)


def test_links_of_several_threads_do_not_meet(yard: Yard) -> None:
    results: list[str] = []

    def work(number: int) -> None:
        link = yard.open()
        results.extend(link.run(f"{number}", timeout=SOON).stdout for _ in range(3))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(f"{n}|{{}}" for n in range(8) for _ in range(3))
    assert (yard.server.counts.refused, yard.server.shells_open) == (0, 0)


def test_a_large_answer_arrives(yard: Yard, link: WinrmTransport) -> None:
    content = secrets.token_hex(300_000)
    yard.powershell.answer = lambda call: call.say(json.dumps(content), "", 0)
    assert json.loads(link.run("x", timeout=SOON).stdout) == content
