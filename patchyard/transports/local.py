"""Local: the controller's own machine, by the same contract as any other."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from datetime import timedelta
from pathlib import Path

from patchyard.domain.inventory import Inventory, Machine
from patchyard.errors import (
    PatchyardError,
    PrivilegeRefused,
    ProtocolError,
    TimedOut,
    Unreachable,
)
from patchyard.secrets import resolve
from patchyard.transports._envelope import SHELL, Envelope, Sudo
from patchyard.transports.base import Completed, Parameters, TransportSpec, refuse


class LocalTransport:
    """A shell on this machine."""

    def __init__(self, name: str, sudo: Sudo) -> None:
        self._name = name
        self._sudo = sudo
        self._running: subprocess.Popen[bytes] | None = None

    def run(
        self, script: str, /, *, timeout: timedelta, parameters: Parameters | None = None
    ) -> Completed:
        """Run a POSIX shell script as the controller's user and wait for its end.

        Raises:
            ValueError: values were given beside the script.
            TimedOut: no end within `timeout`; what the script had started is ended.
            Unreachable: the link was closed meanwhile.
            PrivilegeRefused: `root` was asked and the account may not.
            ProtocolError: there is no shell.
        """
        refuse(parameters)
        envelope = Envelope.seal(script, machine=self._name, sudo=self._sudo)
        with self._start() as shell:
            self._running = shell
            try:
                stdout, stderr = shell.communicate(envelope.text, timeout.total_seconds())
            except subprocess.TimeoutExpired as error:
                raise TimedOut(
                    f"{self._name}: no answer within {timeout.total_seconds():g} s"
                ) from error
            finally:
                self._running = None
                _end(shell)
        if shell.returncode < 0:
            raise Unreachable(f"{self._name}: the script was killed before its end")
        return envelope.open(shell.returncode, stdout, stderr)

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [SHELL, "-s"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise ProtocolError(f"{self._name}: no shell: {error.strerror}") from error

    def close(self) -> None:
        """End a script that is still running."""
        if self._running is not None:
            _end(self._running)


def _end(shell: subprocess.Popen[bytes]) -> None:
    """End a shell that has not ended, with what it started in its own process group."""
    if shell.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)


def open_local(machine: Machine, inventory: Inventory) -> LocalTransport:
    """Open a link to the controller's own machine.

    Raises:
        PrivilegeRefused: sudo wants a password and its reference cannot be resolved.
    """
    connection = machine.connection
    if connection.sudo != "password" or connection.sudo_password is None:
        return LocalTransport(machine.name, Sudo(connection.sudo))
    try:
        password = resolve(connection.sudo_password, Path(inventory.folder))
    except PatchyardError as error:
        raise PrivilegeRefused(f"{machine.name}: {error}") from error
    return LocalTransport(machine.name, Sudo("password", password))


TRANSPORT = TransportSpec(name="local", open=open_local)
