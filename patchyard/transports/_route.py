"""The route to a machine: every host that is logged in to on the way, the machine last."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from patchyard.domain.inventory import Connection, Inventory, JumpHost, Machine, Timeouts
from patchyard.errors import MachineError

SSH_PORT = 22


@dataclass(frozen=True, slots=True)
class Hop:
    """One host to log in to, with all that the log-in needs. Secrets are references."""

    name: str
    label: str
    address: str
    port: int
    user: str
    key: str | None
    passphrase: str | None
    password: str | None
    agent: bool
    known_hosts: Path
    trust_on_first_use: bool
    proxy_command: str | None
    timeouts: Timeouts
    keepalive: int

    @property
    def place(self) -> str:
        """The address and port, as people write them."""
        return _place(self.address, self.port)


def route(machine: Machine, inventory: Inventory) -> tuple[Hop, ...]:
    """Return the hosts to log in to, nearest first.

    Raises:
        MachineError: a jump host is unknown, in a circle, or combined with a ProxyCommand.
    """
    hops: list[Hop] = []
    for hop in _route(machine, inventory, ()):
        if any(hop.name == seen.name for seen in hops):
            continue
        if hops and hop.proxy_command:
            raise MachineError(
                f"{machine.name}: {hop.name} has a proxy_command and is reached through jump "
                "hosts as well; use one of the two"
            )
        hops.append(replace(hop, label=_label(hop, machine)))
    return tuple(hops)


def _route(machine: Machine, inventory: Inventory, above: tuple[str, ...]) -> Iterator[Hop]:
    if machine.name in above:
        circle = " -> ".join((*above, machine.name))
        raise MachineError(f"{above[0]}: its jump hosts go in a circle: {circle}")
    for jump in machine.connection.jump:
        yield from _jump(jump, machine, inventory, (*above, machine.name))
    yield _hop(machine.name, machine.address, machine.connection, inventory)


def _jump(
    jump: JumpHost, owner: Machine, inventory: Inventory, above: tuple[str, ...]
) -> Iterator[Hop]:
    if jump.machine is None:
        yield _foreign(jump, owner, inventory)
        return
    through = inventory.machine(jump.machine)
    if through is None:
        raise MachineError(f"{above[0]}: its jump host {jump.machine!r} is not in the inventory")
    own = {"user": jump.user, "key": jump.key}
    given = {name: value for name, value in own.items() if value is not None}
    connection = through.connection.model_copy(update=given)
    yield from _route(through.model_copy(update={"connection": connection}), inventory, above)


def _foreign(jump: JumpHost, owner: Machine, inventory: Inventory) -> Hop:
    """Make the hop for a host that is in no inventory. It never gets the owner's password."""
    if not jump.address:
        raise MachineError(f"{owner.name}: a jump host has neither machine nor address")
    settings = owner.connection.model_copy(
        update={
            "user": jump.user or owner.connection.user,
            "port": jump.port,
            "key": jump.key or owner.connection.key,
            "password": None,
            "proxy_command": None,
        }
    )
    return _hop(_place(_plain(jump.address), jump.port), jump.address, settings, inventory)


def _hop(name: str, address: str, connection: Connection, inventory: Inventory) -> Hop:
    known_hosts = Path(connection.known_hosts or "~/.ssh/known_hosts").expanduser()
    return Hop(
        name=name,
        label=name,
        address=_plain(address),
        port=connection.port or SSH_PORT,
        user=connection.user or pwd.getpwuid(os.getuid()).pw_name,
        key=connection.key,
        passphrase=connection.passphrase,
        password=connection.password,
        agent=connection.agent,
        known_hosts=Path(inventory.folder) / known_hosts,
        trust_on_first_use=connection.host_keys == "trust_on_first_use",
        proxy_command=connection.proxy_command,
        timeouts=connection.timeouts,
        keepalive=connection.keepalive,
    )


def _label(hop: Hop, machine: Machine) -> str:
    if hop.name == machine.name:
        return f"{hop.name} ({hop.place})"
    place = "" if hop.name == hop.place else f" ({hop.place})"
    return f"{machine.name}: jump host {hop.name}{place}"


def _plain(address: str) -> str:
    """Return an address without the brackets that IPv6 addresses are often written in."""
    return address[1:-1] if address.startswith("[") and address.endswith("]") else address


def _place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
