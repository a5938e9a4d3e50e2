"""Ways to a machine: jump hosts, chains of them, and programs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from patchyard.domain.inventory import Connection, Inventory, JumpHost, Machine
from patchyard.errors import (
    HostKeyRejected,
    MachineError,
    ProtocolError,
    TimedOut,
    Unreachable,
)
from patchyard.transports import open_transport
from patchyard.transports._route import route
from tests.sshd import Sshd, free_port

SOON = timedelta(seconds=15)
RELAY = (
    "import socket,sys,threading,os\n"
    "s=socket.create_connection((sys.argv[1],int(sys.argv[2])))\n"
    "def up():\n"
    "  while d:=os.read(0,65536): s.sendall(d)\n"
    "  s.shutdown(1)\n"
    "threading.Thread(target=up,daemon=True).start()\n"
    "while d:=s.recv(65536): os.write(1,d)\n"
)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sshd, Sshd, Sshd]]:
    """Two gateways and a machine, which all know one known_hosts file and one key."""
    folder = tmp_path_factory.mktemp("chain")
    servers = (Sshd(folder / "outer"), Sshd(folder / "inner"), Sshd(folder / "target"))
    together = "".join(server.known_hosts.read_text() for server in servers)
    for server in servers:
        server.known_hosts.write_text(together)
        (server.folder / "authorized").write_text(Path(f"{servers[2].key}.pub").read_text())
        server.key = servers[2].key
        server.start()
    yield servers
    for server in servers:
        server.stop()


def say(machine: Machine, *others: Machine, folder: Path) -> str:
    inventory = Inventory(name="t", folder=str(folder), machines=(machine, *others))
    link = open_transport(machine, inventory)
    try:
        return link.run("echo $SSH_CONNECTION", timeout=SOON).stdout.strip()
    finally:
        link.close()


def test_a_chain_of_inventory_machines_is_gone_through(chain: tuple[Sshd, Sshd, Sshd]) -> None:
    outer, inner, target = chain
    gate = outer.machine("outer")
    middle = inner.machine("inner", jump=(JumpHost(machine="outer"),))
    machine = target.machine("db-1", jump=(JumpHost(machine="inner"),))
    before = outer.log().count("Accepted publickey"), inner.log().count("Accepted publickey")
    assert say(machine, gate, middle, folder=target.folder).endswith(str(target.port))
    assert (outer.log().count("Accepted publickey"), inner.log().count("Accepted publickey")) == (
        before[0] + 1,
        before[1] + 1,
    )


def test_a_jump_host_of_no_inventory_is_gone_through(chain: tuple[Sshd, Sshd, Sshd]) -> None:
    outer, _, target = chain
    jump = JumpHost(address=outer.address, port=outer.port, key=f"file:{target.key}")
    assert say(target.machine("db-1", jump=(jump,)), folder=target.folder)


def test_a_jump_hosts_own_key_is_checked(chain: tuple[Sshd, Sshd, Sshd], tmp_path: Path) -> None:
    outer, _, target = chain
    only = tmp_path / "known_hosts"
    only.write_text(f"{target.name} {target.public()}\n")
    jump = JumpHost(address=outer.address, port=outer.port)
    with pytest.raises(HostKeyRejected, match=r"db-1: jump host .* unknown host key"):
        say(target.machine("db-1", jump=(jump,), known_hosts=str(only)), folder=tmp_path)


def test_what_a_jump_host_cannot_reach_is_unreachable(chain: tuple[Sshd, Sshd, Sshd]) -> None:
    outer, _, target = chain
    machine = target.machine("db-1", jump=(JumpHost(machine="outer"),), port=free_port())
    with pytest.raises(Unreachable, match=r"db-1 .*outer cannot connect"):
        say(machine, outer.machine("outer"), folder=target.folder)


def test_a_jump_host_that_forbids_it_is_named(
    chain: tuple[Sshd, Sshd, Sshd], tmp_path: Path
) -> None:
    _, _, target = chain
    with Sshd(tmp_path / "closed", settings=("AllowTcpForwarding no",)) as closed:
        machine = target.machine("db-1", jump=(JumpHost(machine="gate"),))
        with pytest.raises(ProtocolError, match="gate forbids forwarding"):
            say(machine, closed.machine("gate"), folder=target.folder)


def test_closing_through_a_frozen_jump_host_does_not_wait(
    chain: tuple[Sshd, Sshd, Sshd],
) -> None:
    outer, _, target = chain
    machine = target.machine("db-1", jump=(JumpHost(machine="outer"),))
    inventory = target.inventory(machine, outer.machine("outer"))
    link = open_transport(machine, inventory)
    pids = [str(pid) for pid in outer.sessions()]
    subprocess.run(["kill", "-STOP", *pids], check=True)
    try:
        with pytest.raises(TimedOut):
            link.run("true", timeout=timedelta(seconds=0.5))
        begun = time.monotonic()
        link.close()
        assert time.monotonic() - begun < 1
    finally:
        subprocess.run(["kill", "-KILL", *pids], check=False)


def test_a_circle_of_jump_hosts_is_refused() -> None:
    one = Machine(name="one", address="x", connection=Connection(jump=(JumpHost(machine="two"),)))
    two = Machine(name="two", address="y", connection=Connection(jump=(JumpHost(machine="one"),)))
    inventory = Inventory(name="t", folder="/", machines=(one, two))
    with pytest.raises(MachineError, match="one -> two -> one"):
        route(one, inventory)


def test_a_jump_host_that_is_nowhere_is_refused() -> None:
    one = Machine(name="one", address="x", connection=Connection(jump=(JumpHost(machine="no"),)))
    with pytest.raises(MachineError, match="'no' is not in the inventory"):
        route(one, Inventory(name="t", folder="/", machines=(one,)))


def test_a_jump_host_never_gets_the_machines_password() -> None:
    jump = JumpHost(address="gate")
    connection = Connection(jump=(jump,), password="env:P", key="file:k")
    one = Machine(name="one", address="x", connection=connection)
    gate, target = route(one, Inventory(name="t", folder="/", machines=(one,)))
    assert (gate.password, target.password) == (None, "env:P")
    assert (gate.key, gate.port) == ("file:k", 22)


def test_a_program_is_the_link(server: Sshd, tmp_path: Path) -> None:
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY)
    machine = server.machine(proxy_command=f"{sys.executable} {relay} {{address}} {{port}}")
    begun = time.monotonic()
    assert say(machine, folder=server.folder)
    assert time.monotonic() - begun < 3
    found = subprocess.run(["pgrep", "-f", str(relay)], capture_output=True, check=False)
    assert found.returncode == 1, "the program has to end with the link"


def test_a_program_is_run_without_a_shell(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = f"touch {tmp_path}/a;touch {tmp_path}/b $(id)"
    with pytest.raises(MachineError):
        say(server.machine(proxy_command=command), folder=server.folder)
    assert {path.name for path in tmp_path.iterdir()} <= {"a;touch", "b", "$(id)"}


def test_what_a_program_says_is_in_the_message(server: Sshd) -> None:
    command = "sh -c 'echo no route to {name} >&2; exit 1'"
    with pytest.raises(Unreachable, match="no route to web-1"):
        say(server.machine(proxy_command=command), folder=server.folder)


def test_a_program_that_is_silent_is_a_timeout(server: Sshd) -> None:
    begun = time.monotonic()
    with pytest.raises(TimedOut, match="no SSH banner"):
        say(server.machine(proxy_command="sleep 60"), folder=server.folder)
    assert time.monotonic() - begun < 5


def test_a_program_that_is_not_there_is_named(server: Sshd) -> None:
    with pytest.raises(MachineError, match="'no-such-program' cannot be started"):
        say(server.machine(proxy_command="no-such-program {address}"), folder=server.folder)
