"""A computer that goes down, starts, and is another one after that."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from patchyard.testing.windows.winrm import Code, WinrmServer
from tests.testing.winrm.computers import FakeComputer, Talk
from tests.testing.winrm.talking import ADMIN, OPEN, Caller

BROKEN = (ConnectionError, socket.timeout, OSError)


@pytest.fixture
def computer() -> FakeComputer:
    return FakeComputer(lambda _command, _arguments: Talk())


@pytest.fixture
def server(computer: FakeComputer) -> Iterator[WinrmServer]:
    with WinrmServer(computer, [ADMIN], OPEN) as running:
        yield running


def until(happened: Callable[[], bool]) -> None:
    """Wait for something that happens by itself."""
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def refused(server: WinrmServer) -> bool:
    try:
        socket.create_connection((server.address, server.http_port), timeout=2).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it was taken in the very moment of going down
        return False
    return False


def test_a_computer_that_is_down_refuses_and_its_links_break(
    server: WinrmServer, computer: FakeComputer
) -> None:
    caller = Caller(server)
    caller.shell()
    computer.power = "down"
    until(lambda: refused(server))
    with pytest.raises(BROKEN):
        caller.shell()
    caller.close()
    computer.power = "up"
    until(lambda: not refused(server))


def test_shells_end_with_the_boot(server: WinrmServer, computer: FakeComputer) -> None:
    caller = Caller(server)
    shell = caller.shell()
    command = caller.command(shell).text("CommandId")
    computer.boot += 1
    other = Caller(server)
    assert other.receive(shell, command).code == Code.SHELL_NOT_FOUND
    assert server.shells_open == 0
    program = computer.started[0].program
    assert isinstance(program, Talk)
    assert program.ended
    caller.close()
    other.close()


def test_a_receive_that_waits_ends_when_the_computer_goes_down(
    server: WinrmServer, computer: FakeComputer
) -> None:
    caller = Caller(server)
    shell = caller.shell()
    command = caller.command(shell).text("CommandId")
    before = server.counts.actions["Receive"]
    timer = _when(lambda: server.counts.actions["Receive"] > before, computer)
    with pytest.raises(BROKEN):
        caller.receive(shell, command, "PT60S")
    timer.join()
    caller.close()


def _when(happened: Callable[[], bool], computer: FakeComputer) -> threading.Thread:
    def act() -> None:
        until(happened)
        computer.power = "down"

    thread = threading.Thread(target=act)
    thread.start()
    return thread


@pytest.mark.parametrize("status", [503, 401])
def test_while_it_starts_it_answers_what_it_is_told_to(computer: FakeComputer, status: int) -> None:
    with WinrmServer(computer, [ADMIN], replace(OPEN, while_starting=status)) as server:
        computer.power = "starting"
        caller = Caller(server)
        assert caller.post(b"").status == status
        computer.power = "up"
        assert caller.post(b"").status == 200
        assert server.counts.attempts == 1
        caller.close()


def test_while_it_starts_it_may_refuse(computer: FakeComputer) -> None:
    computer.power = "starting"
    with WinrmServer(computer, [ADMIN], replace(OPEN, while_starting=0)) as server:
        until(lambda: refused(server))
        computer.power = "up"
        until(lambda: not refused(server))


def test_a_shell_that_is_not_used_ends(server: WinrmServer) -> None:
    caller = Caller(server)
    caller.shell("<rsp:IdleTimeOut>PT0.2S</rsp:IdleTimeOut>")
    until(lambda: server.shells_open == 0)
    caller.close()


def test_a_shell_whose_output_is_waited_for_is_used(server: WinrmServer) -> None:
    caller = Caller(server)
    shell = caller.shell("<rsp:IdleTimeOut>PT0.5S</rsp:IdleTimeOut>")
    command = caller.command(shell).text("CommandId")
    assert caller.receive(shell, command, "PT1.5S").code == Code.OPERATION_TIMEOUT
    caller.close()


def test_closing_ends_everything(computer: FakeComputer) -> None:
    server = WinrmServer(computer, [ADMIN], OPEN)
    caller = Caller(server)
    shell = caller.shell()
    caller.command(shell)
    server.close()
    program = computer.started[0].program
    assert isinstance(program, Talk)
    assert program.ended
    assert refused(server)
    caller.close()
