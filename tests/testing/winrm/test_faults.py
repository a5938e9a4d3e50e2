"""Every fault that can be ordered, seen by hand over HTTP."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import pytest

from patchyard.testing.windows.winrm import AUTHENTICATE, CONNECT, Code, Fault, Faults, WinrmServer
from tests.testing.winrm.computers import FakeComputer, Talk
from tests.testing.winrm.talking import ADMIN, OPEN, Caller

BROKEN = (ConnectionError, http.client.HTTPException, OSError)


@pytest.fixture
def computer() -> FakeComputer:
    return FakeComputer(lambda _command, _arguments: Talk())


@pytest.fixture
def server(computer: FakeComputer) -> Iterator[WinrmServer]:
    with WinrmServer(computer, [ADMIN], OPEN) as running:
        yield running
        assert running.faults.left == 0


@pytest.fixture
def caller(server: WinrmServer) -> Iterator[Caller]:
    made = Caller(server)
    yield made
    made.close()


@pytest.fixture
def shell(caller: Caller) -> str:
    return caller.shell()


def started(computer: FakeComputer) -> int:
    return len(computer.started)


@pytest.mark.parametrize(
    ("kind", "done"),
    [(Fault.RESET_BEFORE, 0), (Fault.RESET_AFTER, 1)],
)
def test_a_reset_comes_before_or_after_the_work(
    server: WinrmServer, caller: Caller, computer: FakeComputer, shell: str, kind: Fault, done: int
) -> None:
    server.faults.add(kind, "Command")
    with pytest.raises(ConnectionResetError) as caught:
        caller.command(shell)
    # An end in order is a kind of reset to Python, and not to the network.
    assert not isinstance(caught.value, http.client.RemoteDisconnected)
    assert started(computer) == done


@pytest.mark.parametrize("done", [False, True])
def test_a_link_that_ends_in_order(
    server: WinrmServer, caller: Caller, computer: FakeComputer, shell: str, done: bool
) -> None:
    server.faults.add(Fault.CLOSE, "Command", processed=done)
    with pytest.raises(http.client.RemoteDisconnected):
        caller.command(shell)
    assert started(computer) == int(done)


def test_a_body_that_is_cut_off(
    server: WinrmServer, caller: Caller, computer: FakeComputer, shell: str
) -> None:
    server.faults.add(Fault.HALF_BODY, "Command")
    with pytest.raises(http.client.IncompleteRead):
        caller.command(shell)
    assert started(computer) == 1


def test_a_request_that_arrives_twice(
    server: WinrmServer, caller: Caller, computer: FakeComputer, shell: str
) -> None:
    server.faults.add(Fault.DUPLICATE, "Command")
    assert caller.command(shell).status == 200
    assert started(computer) == 2


@pytest.mark.parametrize("status", [400, 401, 413, 500, 503])
@pytest.mark.parametrize("done", [False, True])
def test_a_status_without_a_word(
    server: WinrmServer,
    caller: Caller,
    computer: FakeComputer,
    shell: str,
    status: int,
    done: bool,
) -> None:
    server.faults.add(Fault.STATUS, "Command", status=status, processed=done)
    answer = caller.command(shell)
    assert (answer.status, answer.body, started(computer)) == (status, b"", int(done))


@pytest.mark.parametrize("code", [*Code, 0x80338012])
def test_a_fault_by_its_code(
    server: WinrmServer, caller: Caller, computer: FakeComputer, shell: str, code: int
) -> None:
    server.faults.add(Fault.SOAP, "Command", code=code)
    answer = caller.command(shell)
    assert (answer.status, answer.code, started(computer)) == (500, code, 0)


def test_a_code_stands_in_either_place(server: WinrmServer, caller: Caller, shell: str) -> None:
    server.faults.add(Fault.SOAP, "Command", code=5, in_wmi_error=True)
    assert b"MSFT_WmiError" in caller.command(shell).body


@pytest.mark.parametrize("done", [False, True])
def test_an_answer_that_comes_late(
    server: WinrmServer, caller: Caller, computer: FakeComputer, shell: str, done: bool
) -> None:
    server.faults.add(Fault.DELAY, "Command", seconds=30, processed=done)
    caller._link.timeout = 0.5
    caller.close()
    with pytest.raises(TimeoutError):
        caller.command(shell)
    assert started(computer) == int(done)


def test_a_short_delay_is_only_a_delay(server: WinrmServer, caller: Caller, shell: str) -> None:
    server.faults.add(Fault.DELAY, "Command", seconds=0.05)
    assert caller.command(shell).status == 200


def test_a_fault_while_logging_in(server: WinrmServer) -> None:
    caller = Caller(server, account=None)
    server.faults.add(Fault.STATUS, AUTHENTICATE, status=503)
    assert caller.post(b"").status == 503
    assert caller.post(b"").status == 401
    caller.close()


@pytest.mark.parametrize("kind", [Fault.RESET_BEFORE, Fault.CLOSE])
def test_a_connection_that_is_not_taken(server: WinrmServer, kind: Fault) -> None:
    server.faults.add(kind, CONNECT)
    try:
        with socket.create_connection((server.address, server.http_port), timeout=5) as link:
            assert link.recv(1) == b""
    except ConnectionResetError:  # as early as while connecting, where the server is quick
        assert kind is Fault.RESET_BEFORE


def test_orders_are_for_an_action_so_many_times_after_so_many() -> None:
    faults = Faults()
    faults.add(Fault.STATUS, "Send", times=2, skip=1)
    faults.add(Fault.DELAY, seconds=1)
    kinds = [taken and taken.kind for taken in map(faults.take, ["Receive", *["Send"] * 4])]
    assert kinds == [Fault.DELAY, None, Fault.STATUS, Fault.STATUS, None]
    assert faults.left == 0
    faults.add(Fault.CLOSE)
    faults.clear()
    assert faults.take("Send") is None
