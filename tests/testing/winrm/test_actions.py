"""What each action does, said by hand over HTTP in the clear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from patchyard.testing.windows.base import Program
from patchyard.testing.windows.winrm import Code, Settings, WinrmServer, soap
from tests.testing.winrm.computers import FakeComputer, Talk, hello, saying
from tests.testing.winrm.talking import ADMIN, CMD, CREATE, GUEST, OPEN, Caller, streams

TEXT = "Grüße 漢 🖥".encode()


def programs(command: str, arguments: Sequence[str]) -> Program | None:
    match command:
        case "hello":
            return saying(TEXT, b"careful", 3)
        case "wait":
            return Talk()
    return hello(command, arguments) if len(command) > 100 else None


@pytest.fixture
def computer() -> FakeComputer:
    return FakeComputer(programs)


def serve(computer: FakeComputer, settings: Settings = OPEN) -> WinrmServer:
    return WinrmServer(computer, [ADMIN, GUEST], settings)


@pytest.fixture
def server(computer: FakeComputer) -> Iterator[WinrmServer]:
    with serve(computer) as running:
        yield running


@pytest.fixture
def caller(server: WinrmServer) -> Iterator[Caller]:
    made = Caller(server)
    yield made
    made.close()


def test_a_shell_keeps_what_it_was_opened_with(computer: FakeComputer, caller: Caller) -> None:
    variables = '<rsp:Environment><rsp:Variable Name="A">1</rsp:Variable></rsp:Environment>'
    answer = caller.ask(
        CREATE,
        "<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams>"
        f"<rsp:OutputStreams>stdout</rsp:OutputStreams>{variables}"
        "<rsp:IdleTimeOut>PT90S</rsp:IdleTimeOut></rsp:Shell>",
        options={"WINRS_CODEPAGE": "65001", "WINRS_NOPROFILE": "TRUE"},
    )
    (selector,) = answer.root.iter(f"{{{soap.WSMAN}}}Selector")
    assert selector.get("Name") == "ShellId"
    assert (answer.text("IdleTimeOut"), answer.text("Owner")) == ("PT90.000S", "Administrator")
    caller.command(selector.text or "", WINRS_SKIP_CMD_SHELL="TRUE")
    (started,) = computer.started
    assert (started.user, started.environment, started.direct) == (
        "Administrator",
        {"A": "1"},
        True,
    )


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_output_comes_in_pieces_that_may_end_inside_a_character(
    computer: FakeComputer, size: int
) -> None:
    with serve(computer, replace(OPEN, receive_bytes=size)) as server:
        caller = Caller(server)
        shell = caller.shell()
        command = caller.command(shell).text("CommandId")
        got = {"stdout": b"", "stderr": b""}
        pieces = 0
        while not (answer := caller.receive(shell, command)).text("ExitCode"):
            assert b"CommandState/Running" in answer.body
            for name, data in streams(answer).items():
                assert 0 < len(data) <= size
                got[name] += data
            pieces += 1
        for name, data in streams(answer).items():
            got[name] += data
        caller.close()
    assert (got, answer.text("ExitCode")) == ({"stdout": TEXT, "stderr": b"careful"}, "3")
    assert pieces >= len(TEXT) // size - 1


def test_no_answer_is_longer_than_the_client_takes(caller: Caller, computer: FakeComputer) -> None:
    shell = caller.shell()
    command = caller.command(shell, "wait").text("CommandId")
    program = computer.started[0].program
    assert isinstance(program, Talk)
    program.say(b"o" * 100_000, b"e" * 100_000, 0)
    total = 0
    while True:
        answer = caller.receive(shell, command, largest=20_000)
        assert len(answer.body) <= 20_000
        total += sum(map(len, streams(answer).values()))
        if answer.text("ExitCode"):
            break
    assert total == 200_000


def test_input_arrives_in_order_and_ends(caller: Caller, computer: FakeComputer) -> None:
    shell = caller.shell()
    command = caller.command(shell, "wait").text("CommandId")
    program = computer.started[0].program
    assert isinstance(program, Talk)
    assert caller.send(shell, command, b"one ").status == 200
    assert not program.closed
    assert caller.send(shell, command, b"two", end=True).status == 200
    assert (program.input, program.closed) == (b"one two", True)
    assert caller.send(shell, command, b"three").code == Code.BROKEN_PIPE


def test_a_receive_waits_no_longer_than_it_was_told(caller: Caller) -> None:
    shell = caller.shell()
    command = caller.command(shell, "wait").text("CommandId")
    answer = caller.receive(shell, command, "PT0.2S")
    assert (answer.status, answer.code) == (500, 2150858793)


def test_a_client_that_hung_up_does_not_get_the_output(
    server: WinrmServer, caller: Caller, computer: FakeComputer
) -> None:
    """It lost its link while it waited and asks again over another: nothing was on its way yet."""
    shell = caller.shell()
    command = caller.command(shell, "wait").text("CommandId")
    hasty = Caller(server)
    hasty._link.timeout = 0.3
    with pytest.raises(TimeoutError):
        hasty.receive(shell, command, "PT30S")
    hasty.close()
    program = computer.started[0].program
    assert isinstance(program, Talk)
    program.say(b"for the second", exit_code=0)
    assert streams(caller.receive(shell, command)) == {"stdout": b"for the second"}


@pytest.mark.parametrize("name", ["terminate", "Terminate", "ctrl_c"])
def test_a_signal_ends_the_command(caller: Caller, computer: FakeComputer, name: str) -> None:
    shell = caller.shell()
    command = caller.command(shell, "wait").text("CommandId")
    answer = caller.signal(shell, command, name)
    assert answer.status == 200
    assert answer.text("RelatesTo").startswith("uuid:")
    program = computer.started[0].program
    assert isinstance(program, Talk)
    assert program.ended
    assert caller.receive(shell, command).code == Code.SHELL_NOT_FOUND


def test_deleting_a_shell_ends_what_runs_in_it(
    server: WinrmServer, caller: Caller, computer: FakeComputer
) -> None:
    shell = caller.shell()
    caller.command(shell, "wait")
    answer = caller.delete(shell)
    assert (answer.status, server.shells_open) == (200, 0)
    assert answer.text("RelatesTo")
    program = computer.started[0].program
    assert isinstance(program, Talk)
    assert program.ended
    assert caller.command(shell).code == Code.SHELL_NOT_FOUND


def test_a_client_may_choose_the_ids(caller: Caller) -> None:
    body = "<rsp:Shell ShellId='MINE'><rsp:InputStreams>stdin</rsp:InputStreams></rsp:Shell>"
    assert caller.ask(CREATE, body).text("ShellId") == "MINE"
    assert caller.ask(CREATE, body).code == Code.SCHEMA
    line = '<rsp:CommandLine CommandId="C7"><rsp:Command>hello</rsp:Command></rsp:CommandLine>'
    assert caller.ask(f"{soap.SHELL}/Command", line, shell="MINE").text("CommandId") == "C7"


@pytest.mark.parametrize(
    ("direct", "length", "status", "said"),
    [
        ("FALSE", 8191, 200, b""),
        ("FALSE", 8192, 200, b"The command line is too long.\r\n"),
        ("TRUE", 32767, 200, b""),
        ("TRUE", 32768, 500, b""),
    ],
)
def test_a_command_line_has_a_length(
    caller: Caller, computer: FakeComputer, direct: str, length: int, status: int, said: bytes
) -> None:
    shell = caller.shell()
    answer = caller.command(shell, "c" * length, WINRS_SKIP_CMD_SHELL=direct)
    assert answer.status == status
    if status == 500:
        assert answer.code == Code.COMMAND_TOO_LONG
        return
    received = caller.receive(shell, answer.text("CommandId"))
    assert streams(received).get("stderr") == (said or b"careful")
    assert received.text("ExitCode") == ("1" if said else "3")
    assert len(computer.started) == (0 if said else 1)


def test_what_the_computer_does_not_know_is_refused_and_noted(
    server: WinrmServer, caller: Caller
) -> None:
    shell = caller.shell()
    answer = caller.command(shell, "format.com")
    assert answer.code == Code.NOT_SIMULATED
    assert server.counts.refusals == ["format.com"]


@pytest.mark.parametrize(
    ("options", "inside"),
    [
        ({"WINRS_NEW": "1"}, ""),
        ({}, "<rsp:WorkingDirectory>C:\\</rsp:WorkingDirectory>"),
        ({}, "<rsp:Lifetime>PT9S</rsp:Lifetime>"),
    ],
)
def test_what_the_server_was_not_told_it_refuses(
    server: WinrmServer, caller: Caller, options: dict[str, str], inside: str
) -> None:
    answer = caller.ask(CREATE, f"<rsp:Shell>{inside}</rsp:Shell>", options=options)
    assert answer.code == Code.NOT_SIMULATED
    assert len(server.counts.refusals) == 1


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        (f"{soap.TRANSFER}/Put", CMD),
        (f"{soap.SHELL}/Disconnect", CMD),
        (CREATE, "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"),
        (f"{soap.TRANSFER}/Get", "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2"),
    ],
)
def test_other_actions_and_resources_are_refused(
    caller: Caller, action: str, resource: str
) -> None:
    shell = caller.shell()
    answer = caller.ask(action, "<rsp:Shell/>", shell=shell, resource=resource)
    assert (answer.status, answer.code) == (500, Code.ACTION_NOT_SUPPORTED)


def test_the_configuration_tells_the_largest_envelope(caller: Caller) -> None:
    answer = caller.ask(f"{soap.TRANSFER}/Get", resource=soap.CONFIG)
    assert answer.text("MaxEnvelopeSizekb") == "500"


def test_identify_tells_who_answers(caller: Caller) -> None:
    body = (
        f'<s:Envelope xmlns:s="{soap.SOAP}" xmlns:i="{soap.IDENTITY}"><s:Header/>'
        "<s:Body><i:Identify/></s:Body></s:Envelope>"
    )
    assert caller.post(body.encode()).text("ProductVendor") == "Microsoft Corporation"


def test_a_message_that_is_too_large_is_413(caller: Caller) -> None:
    assert caller.post(b" " * (500 * 1024 + 1)).status == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/wsman", 405), ("POST", "/", 404), ("POST", "/wsman?x", 200)],
)
def test_only_posts_to_wsman_are_taken(caller: Caller, method: str, path: str, status: int) -> None:
    assert caller.post(b"", method=method, path=path).status == status


def test_who_does_not_log_in_is_told_how(server: WinrmServer) -> None:
    caller = Caller(server, account=None)
    answer = caller.post(b"")
    assert answer.status == 401
    assert answer.headers.get_all("WWW-Authenticate") == ["Negotiate", 'Basic realm="WSMAN"']
    assert server.counts.attempts == 0
    caller.close()


def test_a_sealed_message_on_a_link_that_is_not_logged_in_is_400(server: WinrmServer) -> None:
    caller = Caller(server, account=None)
    kind = 'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted"'
    assert caller.post(b"x", **{"Content-Type": kind}).status == 400
    caller.close()


def test_a_shell_belongs_to_its_user(server: WinrmServer, caller: Caller) -> None:
    shell = caller.shell()
    other = Caller(server, GUEST)
    assert other.command(shell).code == Code.SHELL_NOT_FOUND
    assert other.delete(shell).code == Code.SHELL_NOT_FOUND
    assert server.shells_open == 1
    other.close()


def test_a_user_has_so_many_shells(computer: FakeComputer) -> None:
    with serve(computer, replace(OPEN, max_shells=2)) as server:
        caller, other = Caller(server), Caller(server, GUEST)
        first = caller.shell()
        caller.shell()
        answer = caller.ask(CREATE, "<rsp:Shell/>")
        assert (answer.status, answer.code) == (500, 2150859173)
        other.shell()
        caller.delete(first)
        caller.shell()
        caller.close()
        other.close()


def test_commands_count_until_their_shell_is_gone(computer: FakeComputer) -> None:
    """As on Windows: the operations quota is freed by a new shell only."""
    with serve(computer, replace(OPEN, max_operations=2)) as server:
        caller = Caller(server)
        shell = caller.shell()
        for _ in range(2):
            command = caller.command(shell).text("CommandId")
            caller.signal(shell, command)
        answer = caller.command(shell)
        assert (answer.code, b"error_Code" in answer.body) == (2150859174, True)
        caller.delete(shell)
        assert caller.command(caller.shell()).status == 200
        caller.close()


def test_a_shell_has_so_many_processes(computer: FakeComputer) -> None:
    with serve(computer, replace(OPEN, max_processes=1)) as server:
        caller = Caller(server)
        shell = caller.shell()
        command = caller.command(shell, "wait").text("CommandId")
        assert caller.command(shell).code == Code.PROCESSES_QUOTA
        caller.signal(shell, command)
        assert caller.command(shell).status == 200
        caller.close()


def test_several_computers_stand_beside_each_other() -> None:
    names = ("one", "two")
    computers = [FakeComputer(hello, name=name) for name in names]
    servers = [
        WinrmServer(each, [ADMIN], OPEN, address=f"127.0.7.{number}")
        for number, each in enumerate(computers, 1)
    ]
    for server, own in zip(servers, computers, strict=True):
        caller = Caller(server)
        caller.command(caller.shell())
        caller.close()
        assert [len(each.started) for each in computers].count(1) >= 1
        assert len(own.started) == 1
    for server in servers:
        server.close()
