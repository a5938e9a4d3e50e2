from __future__ import annotations

import time

import pytest

from patchyard.testing.windows.base import NotSimulated, Output, Program
from patchyard.testing.windows.host import SimulatedComputer
from tests.testing.windows_host.hosts import begin, computer, encoded, finish, run


def start(host: SimulatedComputer, script: str) -> Program:
    return host.start(
        "powershell.exe",
        encoded(script),
        user="SIM\\operator",
        environment={"MINE": "yes"},
        direct=True,
    )


def everything(program: Program) -> Output:
    out, err = b"", b""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        said = program.receive(1)
        out, err = out + said.stdout, err + said.stderr
        if said.exit_code is not None:
            return Output(out, err, said.exit_code)
    raise AssertionError(out)


def test_output_comes_as_lines_and_the_exit_code_at_the_end() -> None:
    program = start(computer(), "'a'; 5; $true; @(1, 2); exit 3")
    assert everything(program) == Output(b"a\r\n5\r\nTrue\r\n1\r\n2\r\n", b"", 3)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("@($input).Count; @($input)[0]", b"2\r\n\r\n"),
        ('$a, $b = @($input); "$b$a"', b"twoone\r\n"),
        ("[Console]::In.ReadToEnd().Length", b"8\r\n"),
        (
            "$s = [Console]::OpenStandardInput(); $b = New-Object byte[] 3; $s.Read($b, 0, 3)",
            b"3\r\n",
        ),
        ("[Console]::In.ReadLine()", b"one\r\n"),
    ],
)
def test_standard_input_can_be_read_in_every_way(script: str, expected: bytes) -> None:
    program = start(computer(), script)
    program.feed(b"one\n", end=False)
    program.feed(b"two\n", end=True)
    assert everything(program).stdout == expected


def test_errors_come_as_clixml_and_as_exit_code_1() -> None:
    said = everything(start(computer(), "Write-Warning 'careful <x>'; throw 'bad & worse'"))
    assert said.exit_code == 1
    text = said.stderr.decode()
    assert text.startswith("#< CLIXML\r\n<Objs ")
    assert '<S S="warning">careful &lt;x&gt;_x000D__x000A_</S>' in text
    assert '<S S="Error">bad &amp; worse' in text


def test_what_is_not_known_ends_the_script_and_is_remembered() -> None:
    host = computer()
    said = everything(start(host, "try { Get-Nonsense } catch { 'hidden' }"))
    assert (said.exit_code, said.stdout) == (250, b"")
    assert host.refused == ["command: line 1: the command 'Get-Nonsense'"]


def test_the_environment_of_the_shell_is_there() -> None:
    said = everything(start(computer(), '"$env:MINE $env:SystemRoot $env:COMPUTERNAME"'))
    assert said.stdout == b"yes C:\\Windows WIN-0001\r\n"


@pytest.mark.parametrize("command", ["notepad.exe", "cmd.exe", "python"])
def test_other_programs_are_refused_at_once(command: str) -> None:
    with pytest.raises(NotSimulated):
        computer().start(command, [], user="x", environment={}, direct=True)


@pytest.mark.parametrize("arguments", [["-Command", "-"], ["-Nonsense"], [], ["-File"]])
def test_other_command_lines_of_powershell_are_refused(arguments: list[str]) -> None:
    with pytest.raises(NotSimulated):
        computer().start("powershell", arguments, user="x", environment={}, direct=True)


def test_a_line_for_cmd_is_taken_apart() -> None:
    host = computer()
    line = " ".join(encoded("'through cmd'"))
    program = host.start("powershell", [line], user="x", environment={}, direct=False)
    assert everything(program).stdout == b"through cmd\r\n"


def test_a_native_program_answers_directly() -> None:
    program = computer().start("hostname", [], user="x", environment={}, direct=True)
    assert everything(program) == Output(b"win-0001\r\n", b"", 0)


def test_ending_a_program_ends_what_runs_in_its_job() -> None:
    host = computer(factor=1.0)
    program = begin(host, "'started'; Start-Sleep -Seconds 3600; 'never'", "network")
    assert program.receive(5).stdout == b"started\r\n"
    pid = program.inside.process.pid
    child = host.processes.start("child", "x", host.clock.time(), job=program.inside.process.job)
    program.end()
    assert finish(program).out == ""
    assert pid not in host.processes.running
    assert child.ended


def test_a_process_that_is_ended_runs_no_finally() -> None:
    host = computer(factor=1.0)
    script = (
        "try { 'in'; Start-Sleep -Seconds 3600 } finally { [IO.File]::WriteAllText('C:\\x', '') }"
    )
    program = begin(host, script)
    assert program.receive(5).stdout == b"in\r\n"
    program.end()
    program.join(5)
    assert not host.files.is_file("C:\\x")


def test_output_of_a_native_program_is_lines() -> None:
    host = computer()
    assert run(host, "@(hostname).Count; $LASTEXITCODE; & hostname.exe").lines == [
        "1",
        "0",
        "win-0001",
    ]


def test_under_stop_a_redirected_line_of_standard_error_is_an_error_in_5_1() -> None:
    host = computer()
    text = "try { shutdown.exe /a 2>$null; 'on' } catch { 'caught' }"
    assert run(host, text).lines == ["caught"]
    quiet = "$ErrorActionPreference = 'Continue'; shutdown.exe /a 2>$null; $LASTEXITCODE"
    assert run(host, quiet).lines == ["1116"]


def test_time_passes_faster_than_ours() -> None:
    host = computer(factor=5000)
    began = time.monotonic()
    text = (
        "$w = [Diagnostics.Stopwatch]::StartNew(); Start-Sleep -Seconds 900; "
        "$w.Elapsed.TotalMinutes -ge 15"
    )
    assert run(host, text).lines == ["True"]
    assert time.monotonic() - began < 900
