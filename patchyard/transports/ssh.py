"""SSH: one connection for each machine and thread, through as many hosts as the route has.

Nothing of the controller's own SSH configuration is read: what is not in the inventory is not so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from patchyard.domain.inventory import Inventory, Machine
from patchyard.errors import PrivilegeRefused, ProtocolError, TimedOut, Unreachable
from patchyard.transports._envelope import SHELL, Envelope, Sudo
from patchyard.transports._route import Hop, route
from patchyard.transports._ssh_channel import LIMIT, TooMuch, converse
from patchyard.transports._ssh_keys import secret
from patchyard.transports._ssh_session import TRANSPORT_ERRORS, Session
from patchyard.transports._wire import dial
from patchyard.transports.base import Completed, Parameters, TransportSpec, refuse


class SshTransport:
    """An open SSH link to one machine."""

    def __init__(self, name: str, sessions: tuple[Session, ...], sudo: Sudo) -> None:
        self._name = name
        self._sessions = sessions
        self._sudo = sudo

    @property
    def host_key(self) -> str:
        """Kind and fingerprint of the key that the machine showed, and that was accepted."""
        return self._sessions[-1].host_key

    @property
    def _place(self) -> str:
        return self._sessions[-1].hop.label

    def run(
        self, script: str, /, *, timeout: timedelta, parameters: Parameters | None = None
    ) -> Completed:
        """Run a POSIX shell script as the login user and wait for its end.

        Raises:
            ValueError: values were given beside the script.
            TimedOut: no end within `timeout`. The link stays open, the script may still run.
            Unreachable: the link was lost; the script may still run.
            PrivilegeRefused: `root` was asked and the account may not.
            ProtocolError: no shell came up, or it printed without end.
        """
        refuse(parameters)
        envelope = Envelope.seal(script, machine=self._place, sudo=self._sudo)
        with self._classified(timeout):
            said = converse(
                self._sessions[-1].transport, f"{SHELL} -s", envelope.text, timeout.total_seconds()
            )
        if said.exit_status is None:
            raise Unreachable(
                f"{self._place}: the link was lost, or the script killed, before its end"
            )
        return envelope.open(said.exit_status, said.stdout, said.stderr)

    @contextmanager
    def _classified(self, timeout: timedelta) -> Iterator[None]:
        try:
            yield
        except TooMuch as error:
            raise ProtocolError(f"{self._place}: more than {LIMIT} bytes of output") from error
        except TimeoutError as error:
            raise TimedOut(
                f"{self._place}: no answer within {timeout.total_seconds():g} s"
            ) from error
        except TRANSPORT_ERRORS as error:
            detail = f": {error}" if str(error) else ""
            raise Unreachable(f"{self._place}: the link was lost{detail}") from error

    def close(self) -> None:
        """Close the link, its jump hosts and its proxy program at once."""
        _close(self._sessions)


def _close(sessions: tuple[Session, ...]) -> None:
    """Close from the near end: once that wire is cut, nothing behind it can be waited for."""
    for session in sessions:
        session.close()


def open_ssh(machine: Machine, inventory: Inventory) -> SshTransport:
    """Open an SSH link to a machine.

    Raises:
        MachineError: it cannot be opened; the kind says why, the message what to do.
    """
    folder = Path(inventory.folder)
    hops = route(machine, inventory)
    sudo = _sudo(machine, hops[-1], folder)
    sessions: list[Session] = []
    try:
        for hop in hops:
            wire = sessions[-1].tunnel(hop) if sessions else dial(hop)
            sessions.append(Session(hop, wire, folder))
    except BaseException:
        _close(tuple(sessions))
        raise
    return SshTransport(machine.name, tuple(sessions), sudo)


def _sudo(machine: Machine, hop: Hop, folder: Path) -> Sudo:
    connection = machine.connection
    if connection.sudo != "password":
        return Sudo(connection.sudo)
    reference = connection.sudo_password or connection.password
    if reference is None:
        raise PrivilegeRefused(
            f"{machine.name}: sudo is set to password; set connection.sudo_password too"
        )
    return Sudo("password", secret(hop, reference, folder))


TRANSPORT = TransportSpec(name="ssh", open=open_ssh)
