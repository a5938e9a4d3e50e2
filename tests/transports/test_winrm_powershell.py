"""The bootstrap as it is, run by the interpreter of the simulated computer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from patchyard.domain.inventory import Connection, Inventory, Machine
from patchyard.testing.windows.base import Program
from patchyard.testing.windows.host import SimulatedComputer
from patchyard.testing.windows.winrm import Account, WinrmServer
from patchyard.transports import Completed, open_transport
from patchyard.transports._winrm_order import PROGRAM, Order, arguments
from patchyard.transports.winrm import WinrmTransport

SOON = timedelta(seconds=30)


@pytest.fixture
def computer() -> Iterator[SimulatedComputer]:
    made = SimulatedComputer("win-1")
    yield made
    assert made.refused == []


@pytest.fixture
def link(computer: SimulatedComputer, tmp_path: Path) -> Iterator[WinrmTransport]:
    password = tmp_path / "password"
    password.touch(mode=0o600)
    password.write_text("Passw0rd!")
    with WinrmServer(computer, [Account("Administrator", "Passw0rd!")]) as server:
        connection = Connection.model_validate(
            {
                "transport": "winrm",
                "user": "Administrator",
                "password": "file:password",
                "port": server.http_port,
                "winrm": {"scheme": "http"},
            }
        )
        machine = Machine(name="win-1", address="127.0.0.1", connection=connection)
        made = open_transport(
            machine, Inventory(name="t", folder=str(tmp_path), machines=(machine,))
        )
        assert isinstance(made, WinrmTransport)
        yield made
        made.close()


@pytest.mark.parametrize(
    ("script", "done"),
    [
        ("[Console]::Out.WriteLine('Grüße 漢')", Completed(0, "Grüße 漢\n", "")),
        ("$Parameters | ConvertTo-Json -Compress", Completed(0, '{"a":[1,"ü"],"b":null}\n', "")),
        ("'one'\nexit 7\n'two'", Completed(7, "one\n", "")),
        ("# " + "y" * 300_000 + "\n'long'", Completed(0, "long\n", "")),
    ],
)
def test_a_script_is_run(link: WinrmTransport, script: str, done: Completed) -> None:
    assert link.run(script, timeout=SOON, parameters={"a": [1, "ü"], "b": None}) == done


def test_a_script_that_throws_fails_and_says_why(link: WinrmTransport) -> None:
    done = link.run("throw 'bad luck'", timeout=SOON)
    assert (done.exit_status, done.stdout) == (1, "")
    assert done.stderr.startswith("bad luck\n")


def start(computer: SimulatedComputer, data: bytes) -> tuple[int, bytes]:
    program: Program = computer.start(PROGRAM, arguments(), user="x", environment={}, direct=True)
    program.feed(data, end=True)
    said = b""
    while True:
        output = program.receive(1)
        said += output.stdout
        if output.exit_code is not None:
            return output.exit_code, said


@pytest.mark.parametrize("change", ["cut", "doubled", "changed", "other length", "empty"])
def test_an_order_that_did_not_arrive_whole_runs_nothing(
    computer: SimulatedComputer, change: str
) -> None:
    order = Order.pack("[Console]::Out.WriteLine('run')", {}, machine="win-1")
    whole = order.text
    length = whole.split(b" ")[1]
    text = {
        "cut": whole[:-20],
        "doubled": whole[:-1] + whole[150:],
        "changed": whole[:-5] + b"AAAA\n",
        "other length": whole.replace(length, b"7", 1),
        "empty": b"",
    }[change]
    code, said = start(computer, text)
    assert code == 87
    assert said.endswith(b" damaged\r\n")
    assert start(computer, whole) == (0, f"@@{order.mark} ready\r\nrun\r\n".encode())
