"""The model behind the real WinRM server, and our own transport in front of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from patchyard.domain.inventory import Connection, Inventory, Machine
from patchyard.errors import MachineError, Unreachable
from patchyard.testing.windows.host import SimulatedComputer
from patchyard.testing.windows.winrm import Account, WinrmServer
from patchyard.transports import open_transport
from patchyard.transports.base import Transport
from tests.testing.windows_host.hosts import computer

LONGEST = timedelta(seconds=20)


@pytest.fixture
def host() -> SimulatedComputer:
    return computer(factor=20)


@pytest.fixture
def link(host: SimulatedComputer, tmp_path: Path) -> Iterator[Transport]:
    (tmp_path / "password").touch(mode=0o600)
    (tmp_path / "password").write_text("Passw0rd!")
    with WinrmServer(host, [Account("Administrator", "Passw0rd!")]) as server:
        connection = Connection.model_validate(
            {
                "transport": "winrm",
                "user": "Administrator",
                "password": "file:password",
                "port": server.http_port,
                "timeouts": {"connect": 3, "auth": 10},
                "winrm": {"scheme": "http", "auth": "ntlm"},
            }
        )
        machine = Machine(
            name="win-1", address="127.0.0.1", os_family="windows", connection=connection
        )
        inventory = Inventory(name="yard", folder=str(tmp_path), machines=(machine,))
        opened = open_transport(machine, inventory)
        yield opened
        opened.close()


def test_a_script_runs_over_the_wire(link: Transport) -> None:
    text = '"$($Parameters.a) $([Security.Principal.WindowsIdentity]::GetCurrent().Name)"; exit 4'
    done = link.run(text, timeout=LONGEST, parameters={"a": 5})
    assert (done.exit_status, done.stdout) == (4, "5 Administrator\n")


def test_errors_come_back_as_such(link: Transport) -> None:
    done = link.run("throw 'as it should be'", timeout=LONGEST)
    assert done.exit_status == 1
    assert "as it should be" in done.stderr


def test_a_reboot_cuts_the_link_and_it_can_be_opened_again(
    link: Transport, host: SimulatedComputer
) -> None:
    host.restart(after=2)
    with pytest.raises(MachineError):
        link.run("Start-Sleep -Seconds 600", timeout=LONGEST)
    host.advance(600)
    assert _patient(link, "'back'") == "back\n"
    assert host.boot == 2


def _patient(link: Transport, script: str) -> str:
    """Run a script once the service listens again, which it does a moment after the boot."""
    deadline = time.monotonic() + LONGEST.total_seconds()
    while True:
        try:
            return link.run(script, timeout=LONGEST).stdout
        except Unreachable:
            assert time.monotonic() < deadline
            time.sleep(0.05)
