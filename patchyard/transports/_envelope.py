"""The envelope around every script: it defines `root`, and tells our answer from a shell's noise.

The script stands in a brace group. The shell reads a group whole before it runs a line of it, so
a script that is cut off by a lost link does nothing at all instead of its first half.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from pydantic import SecretStr

from patchyard.errors import MachineError, PrivilegeRefused, ProtocolError
from patchyard.templates import render
from patchyard.transports.base import Completed

SHELL = "/bin/sh"


@dataclass(frozen=True, slots=True)
class Sudo:
    """How a login user becomes root: not at all, without a password, or with one."""

    way: str = "none"
    password: SecretStr | None = None

    def require_password(self, machine: str) -> str:
        """Return the password, or an empty text where none is needed.

        Raises:
            PrivilegeRefused: a password is needed, and none is given or it cannot be typed.
        """
        if self.way != "password":
            return ""
        password = self.password.get_secret_value() if self.password else ""
        if not password or "\n" in password or "\0" in password:
            raise PrivilegeRefused(
                f"{machine}: sudo wants a password and the inventory gives none that can be "
                "typed; set connection.sudo_password to a reference"
            )
        return password


@dataclass(frozen=True, slots=True)
class Envelope:
    """One script, ready to be read by a shell, and the mark that opens its answer."""

    machine: str
    text: bytes
    mark: str

    @classmethod
    def seal(cls, script: str, *, machine: str, sudo: Sudo) -> Envelope:
        """Put a script into an envelope.

        Raises:
            PrivilegeRefused: sudo wants a password and there is none.
        """
        mark = secrets.token_hex(8)
        head = render(
            "transport/root.sh.j2",
            mark=mark,
            sudo=sudo.way,
            password=sudo.require_password(machine),
        )
        text = f"{head}{{\n:\n{script}\n}} </dev/null\nexit $?\n"
        return cls(machine, text.encode("utf-8", "surrogateescape"), mark)

    def open(self, exit_status: int, stdout: bytes, stderr: bytes) -> Completed:
        """Return what the script itself said.

        Raises:
            PrivilegeRefused: `root` was asked, and sudo said no.
            ProtocolError: no shell came up.
        """
        ready = f"\n@@{self.mark} ready\n".encode()
        noise, found, answer = stdout.partition(ready)
        complaints, _, errors = stderr.partition(ready)
        if not found:
            raise self._no_shell(exit_status, noise + b"\n" + complaints)
        said = errors.decode("utf-8", "replace")
        before, refused, after = said.partition(f"\n@@{self.mark} refused ")
        if refused:
            raise PrivilegeRefused(
                f"{self.machine}: sudo refused: {after.partition(chr(10))[0].strip()}; "
                "give the login user the rules of docs/sudoers, or set connection.sudo"
            )
        return Completed(exit_status, answer.decode("utf-8", "replace"), before)

    def _no_shell(self, exit_status: int, said: bytes) -> MachineError:
        tail = " ".join(said.decode("utf-8", "replace").split())[-300:]
        return ProtocolError(
            f"{self.machine}: the login did not start {SHELL} (status {exit_status}: "
            f"{tail or 'no output'}); the login user needs an ordinary shell"
        )
