"""The shape of a transport: run a script on a machine, and close the link."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Completed:
    """What one script left behind. `stdout` and `stderr` are decoded with replacement."""

    exit_status: int
    stdout: str
    stderr: str


class Transport(Protocol):
    """An open link to one machine. One thread uses it at a time."""

    def run(self, script: str, /, *, timeout: timedelta) -> Completed:
        """Run a POSIX shell script as the login user and wait for its end.

        The script may call the shell function `root COMMAND [ARGUMENT ...]`, which the
        transport defines: it runs one command as root in the way the connection allows.

        Raises:
            TimedOut: no end within `timeout`; the script may still be running.
            Unreachable: the link was lost; the script may still be running.
            PrivilegeRefused: `root` was asked and the account may not.
        """
        ...

    def close(self) -> None:
        """Close the link at once; never waits for the other end."""
        ...
