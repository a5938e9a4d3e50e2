"""What can go wrong between the controller and a Windows machine, call by call.

A script must never run twice, a lost answer never pass for an empty one, and no shell be left.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from patchyard.errors import (
    MachineError,
    PrivilegeRefused,
    ProtocolError,
    Unreachable,
)
from patchyard.testing.windows.winrm import Code, Fault, Settings
from patchyard.transports import _winrm_order
from patchyard.transports._winrm_order import Order
from patchyard.transports.winrm import WinrmTransport
from tests.transports.winrm_faults import (
    LOST,
    NOT_TAKEN,
    SOON,
    Pauses,
    run,
    unhurried_link,
    watched,
)
from tests.transports.winrm_yard import Yard, silent

# The standard library forgets a socket whose other end hangs up before the TLS handshake.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")

PIECE = 600
LONG = random.Random(1).randbytes(850).hex()
"""A script that needs three pieces, where a piece is of this size."""


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    with watched(tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_winrm_order, "PIECE", PIECE)
    assert len(list(Order.pack(LONG, None, machine="").pieces())) == 3


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def link(yard: Yard, pauses: Pauses) -> WinrmTransport:
    return unhurried_link(yard, pauses)


# Create: a second shell does no harm. One that nobody knows of ends by itself.


@pytest.mark.parametrize(("kind", "detail"), [*LOST, *NOT_TAKEN])
def test_a_shell_is_asked_for_again(
    yard: Yard, link: WinrmTransport, kind: Fault, detail: dict[str, Any]
) -> None:
    yard.server.faults.add(kind, "Create", **detail)
    assert run(link) == "x|{}"
    assert yard.server.counts.actions["Create"] == 2
    orphans = yard.server.counts.shells - 1
    assert (orphans, yard.server.shells_open) in {(0, 0), (1, 1)}
    assert all(shell.idle_timeout == 300 for shell in yard.server._shells._shells.values())


def test_a_machine_that_does_not_come_to_it_is_given_up(
    yard: Yard, link: WinrmTransport, pauses: Pauses
) -> None:
    yard.server.faults.add(Fault.STATUS, "Create", status=503, times=3)
    with pytest.raises(Unreachable, match=r"win-1 .*HTTP 503, it is starting or has too much"):
        run(link)
    assert len(pauses) == 2
    assert 0.5 <= pauses[0] <= 1.5
    assert 1 <= pauses[1] <= 3


def test_too_many_shells_are_waited_for_in_uneven_steps(
    yard: Yard, link: WinrmTransport, pauses: Pauses
) -> None:
    yard.server.faults.add(Fault.SOAP, "Create", code=Code.SHELLS_QUOTA, times=3)
    assert run(link) == "x|{}"
    assert len(set(pauses)) == 3
    assert all(2 <= pause <= 6 for pause in pauses)


def test_too_many_shells_are_not_waited_for_past_the_deadline(
    yard: Yard, link: WinrmTransport, pauses: Pauses
) -> None:
    yard.server.faults.add(Fault.SOAP, "Create", code=Code.SHELLS_QUOTA)
    with pytest.raises(Unreachable, match="0x803381a5"):
        link.run("x", timeout=timedelta(seconds=1.9))
    assert pauses == []


def test_the_quota_of_a_real_service_frees_itself(tmp_path: Path) -> None:
    with Yard(tmp_path, Settings(max_shells=1)) as yard:
        yard.powershell.answer = silent
        first, second = yard.open(), yard.open()
        thread = threading.Thread(target=first.run, args=("a",), kwargs={"timeout": SOON})
        thread.start()
        while not yard.scripts:
            time.sleep(0.01)
        call = yard.powershell.calls[0]

        def free(_seconds: float) -> None:
            call.say("", "", 0)
            thread.join()

        second._client.pause = free
        yard.powershell.answer = lambda made: made.say("b", "", 0)
        assert run(second, "b") == "b"


def test_the_operations_quota_frees_itself_by_new_shells(tmp_path: Path) -> None:
    with Yard(tmp_path, Settings(max_operations=1)) as yard:
        link = yard.open()
        for _ in range(3):
            assert run(link) == "x|{}"


# Command: never sent twice. PowerShell that got no script is ended with its shell.


@pytest.mark.parametrize(("kind", "detail"), [*LOST, *NOT_TAKEN])
def test_a_command_is_never_sent_again(
    yard: Yard, link: WinrmTransport, kind: Fault, detail: dict[str, Any]
) -> None:
    yard.server.faults.add(kind, "Command", **detail)
    with pytest.raises(Unreachable, match="win-1"):
        run(link)
    assert yard.server.counts.actions["Command"] == 1
    assert (yard.scripts, yard.server.shells_open) == ([], 0)
    assert run(link, "y") == "y|{}"


@pytest.mark.parametrize(
    "fault",
    [
        {"code": Code.SHELL_NOT_FOUND},
        {"code": Code.OPERATIONS_QUOTA},
        {"code": Code.OPERATIONS_QUOTA, "in_wmi_error": False},
        {"code": Code.PROCESSES_QUOTA},
    ],
)
def test_a_command_that_was_not_taken_gets_another_shell(
    yard: Yard, link: WinrmTransport, fault: dict[str, Any]
) -> None:
    yard.server.faults.add(Fault.SOAP, "Command", times=2, **fault)
    assert run(link) == "x|{}"
    counts = yard.server.counts
    assert (counts.shells, counts.commands, yard.server.shells_open) == (3, 1, 0)


def test_a_command_that_no_shell_takes_is_given_up(yard: Yard, link: WinrmTransport) -> None:
    yard.server.faults.add(Fault.SOAP, "Command", code=Code.SHELL_NOT_FOUND, times=3)
    with pytest.raises(Unreachable, match="its shell is gone"):
        run(link)
    assert (yard.server.counts.shells, yard.server.shells_open) == (3, 0)


def test_a_request_for_a_command_that_arrives_twice_runs_the_script_once(
    yard: Yard, link: WinrmTransport
) -> None:
    yard.server.faults.add(Fault.DUPLICATE, "Command")
    assert run(link) == "x|{}"
    assert (yard.server.counts.commands, yard.scripts, yard.server.shells_open) == (2, ["x"], 0)


# Send: a piece may be sent again. One that arrives twice spoils the order, which then does nothing.


@pytest.mark.parametrize("skip", [0, 1, 2])
@pytest.mark.parametrize(("kind", "detail"), [*LOST, *NOT_TAKEN])
def test_a_piece_is_sent_again_and_the_script_runs_once(
    yard: Yard, link: WinrmTransport, kind: Fault, detail: dict[str, Any], skip: int
) -> None:
    yard.server.faults.add(kind, "Send", skip=skip, **detail)
    assert run(link, LONG) == f"{LONG}|{{}}"
    assert (yard.scripts, yard.server.shells_open) == ([LONG], 0)
    arrived_twice = kind in {Fault.RESET_AFTER, Fault.HALF_BODY} or detail.get("processed")
    assert yard.powershell.damaged == int(bool(arrived_twice) and skip < 2)
    assert yard.server.counts.shells == 1 + yard.powershell.damaged


@pytest.mark.parametrize("skip", [0, 2])
def test_a_piece_that_somebody_doubled_does_no_harm(
    yard: Yard, link: WinrmTransport, skip: int
) -> None:
    yard.server.faults.add(Fault.DUPLICATE, "Send", skip=skip)
    assert run(link, LONG) == f"{LONG}|{{}}"
    assert (yard.scripts, yard.server.shells_open) == ([LONG], 0)


def test_an_order_that_is_always_spoilt_is_given_up(yard: Yard, link: WinrmTransport) -> None:
    for skip in (0, 2, 4):  # the first of three pieces, in each of three tries
        yard.server.faults.add(Fault.DUPLICATE, "Send", skip=skip)
    with pytest.raises(Unreachable, match="did not arrive as it was sent"):
        run(link, LONG)
    assert (yard.scripts, yard.powershell.damaged, yard.server.shells_open) == ([], 3, 0)


def test_a_busy_command_is_sent_its_input_again_after_five_seconds(
    yard: Yard, link: WinrmTransport, pauses: Pauses
) -> None:
    yard.server.faults.add(Fault.SOAP, "Send", code=Code.BUSY, times=2)
    assert run(link) == "x|{}"
    assert pauses == [5, 5]


def test_a_command_that_stays_busy_is_given_up_after_three_tries(
    yard: Yard, link: WinrmTransport, pauses: Pauses
) -> None:
    yard.server.faults.add(Fault.SOAP, "Send", code=Code.BUSY, times=3)
    with pytest.raises(Unreachable, match="0x000000aa"):
        run(link)
    assert (pauses, yard.scripts, yard.server.shells_open) == ([5, 5], [], 0)


@pytest.mark.parametrize("done", [False, True])
def test_a_send_that_timed_out_may_have_been_done(
    yard: Yard, link: WinrmTransport, done: bool
) -> None:
    yard.server.faults.add(Fault.SOAP, "Send", code=Code.OPERATION_TIMEOUT, processed=done)
    assert run(link) == "x|{}"
    assert yard.scripts == ["x"]


@pytest.mark.parametrize("done", [False, True])
def test_a_send_whose_answer_does_not_come_may_have_been_done(
    yard: Yard, link: WinrmTransport, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    wire = link._client._wire
    limit = wire.limit

    def limited(seconds: float) -> None:
        late = bool(yard.server.counts.commands and yard.server.faults.left)
        limit(0.5 if late else seconds)

    monkeypatch.setattr(wire, "limit", limited)
    yard.server.faults.add(Fault.DELAY, "Send", seconds=60, processed=done)
    assert run(link) == "x|{}"
    assert yard.scripts == ["x"]


@pytest.mark.parametrize("code", [Code.SHELL_NOT_FOUND, Code.OPERATIONS_QUOTA])
@pytest.mark.parametrize("skip", [0, 2])
def test_input_for_a_shell_that_is_gone_goes_to_a_new_one(
    yard: Yard, link: WinrmTransport, code: int, skip: int
) -> None:
    yard.server.faults.add(Fault.SOAP, "Send", code=code, skip=skip)
    assert run(link, LONG) == f"{LONG}|{{}}"
    assert (yard.scripts, yard.server.counts.shells) == ([LONG], 2)


def test_a_last_piece_that_may_have_arrived_is_not_sent_to_a_new_shell(
    yard: Yard, link: WinrmTransport
) -> None:
    """The answer to it was lost, then the shell was: the script may have run, so not again."""
    yard.server.faults.add(Fault.RESET_AFTER, "Send")
    yard.server.faults.add(Fault.SOAP, "Send", code=Code.SHELL_NOT_FOUND)
    yard.server.faults.add(Fault.SOAP, "Receive", code=Code.SHELL_NOT_FOUND)
    with pytest.raises(Unreachable, match="its shell is gone"):
        run(link)
    assert (yard.scripts, yard.server.counts.shells) == (["x"], 1)


# Receive: what was on its way is lost with the link, and must not be missing unnoticed.


@pytest.mark.parametrize(("kind", "detail"), LOST)
def test_an_answer_that_was_lost_is_no_empty_answer(
    yard: Yard, link: WinrmTransport, kind: Fault, detail: dict[str, Any]
) -> None:
    yard.server.faults.add(kind, "Receive", **detail)
    with pytest.raises(Unreachable, match="win-1"):
        run(link)
    assert (yard.scripts, yard.server.shells_open) == (["x"], 0)
    assert run(link, "y") == "y|{}"


@pytest.mark.parametrize(("kind", "detail"), NOT_TAKEN)
def test_a_receive_that_was_not_taken_is_asked_again(
    yard: Yard, link: WinrmTransport, kind: Fault, detail: dict[str, Any]
) -> None:
    yard.server.faults.add(kind, "Receive", **detail)
    assert run(link) == "x|{}"
    assert yard.scripts == ["x"]


def test_a_receive_that_was_answered_to_somebody_else_is_a_lost_answer(
    yard: Yard, link: WinrmTransport
) -> None:
    yard.server.faults.add(Fault.DUPLICATE, "Receive")
    yard.powershell.answer = lambda call: call.say("", "", 0)
    with pytest.raises(Unreachable, match="its answer was lost"):
        run(link)


def test_a_receive_of_a_busy_command_is_asked_again(
    yard: Yard, link: WinrmTransport, pauses: Pauses
) -> None:
    yard.server.faults.add(Fault.SOAP, "Receive", code=Code.BUSY)
    assert run(link) == "x|{}"
    assert pauses == [5]


def test_a_receive_that_timed_out_is_asked_again_until_the_deadline(
    yard: Yard, link: WinrmTransport
) -> None:
    yard.server.faults.add(Fault.SOAP, "Receive", code=Code.OPERATION_TIMEOUT, times=5)
    assert run(link) == "x|{}"
    assert yard.server.counts.actions["Receive"] == 6


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        (Code.SHELL_NOT_FOUND, Unreachable, "its shell is gone; did the machine"),
        (Code.OPERATIONS_QUOTA, Unreachable, "0x803381a6"),
        (Code.ABORTED, Unreachable, "0x000003e3"),
        (Code.ACCESS_DENIED, PrivilegeRefused, "LocalAccountTokenFilterPolicy"),
        (0x80338012, ProtocolError, "0x80338012"),
    ],
)
def test_a_fault_has_its_kind(
    yard: Yard, link: WinrmTransport, code: int, kind: type[MachineError], told: str
) -> None:
    yard.server.faults.add(Fault.SOAP, "Receive", code=code)
    with pytest.raises(MachineError, match=told) as caught:
        run(link)
    assert type(caught.value) is kind
    assert str(caught.value).startswith("win-1 (127.0.0.1:")
    assert yard.server.shells_open == 0


def test_access_that_is_denied_is_not_asked_for_again(yard: Yard, link: WinrmTransport) -> None:
    yard.server.faults.add(Fault.SOAP, "Create", code=Code.ACCESS_DENIED)
    with pytest.raises(PrivilegeRefused):
        run(link)
    assert yard.server.counts.actions["Create"] == 1


# Signal and Delete: the answer is there already; what goes wrong changes nothing.


@pytest.mark.parametrize("action", ["Signal", "Delete"])
@pytest.mark.parametrize(("kind", "detail"), [*LOST, *NOT_TAKEN])
def test_cleaning_up_is_tried_again_and_changes_no_answer(
    yard: Yard, link: WinrmTransport, action: str, kind: Fault, detail: dict[str, Any]
) -> None:
    yard.server.faults.add(kind, action, **detail)
    assert run(link) == "x|{}"
    assert yard.server.shells_open == 0


@pytest.mark.parametrize("code", [Code.SHELL_NOT_FOUND, Code.ACCESS_DENIED, Code.ABORTED])
def test_a_clean_up_that_fails_changes_no_answer(
    yard: Yard, link: WinrmTransport, code: int
) -> None:
    yard.server.faults.add(Fault.SOAP, "Signal", code=code)
    yard.server.faults.add(Fault.SOAP, "Delete", code=code)
    assert run(link) == "x|{}"
