"""Every error Patchyard raises, in one tree.

PatchyardError
|-- ConfigurationError        an operator wrote something that cannot be used; lists every problem
|-- Refused                   a rule says no (a lease is held, a plan has changed ...)
`-- MachineError              one machine could not do what was asked; it is data for the run
    |-- Unreachable           no connection, or it was lost
    |   `-- TimedOut          a connection or an answer took longer than its limit
    |-- AuthenticationFailed  the machine answered and said no; never retried
    |-- HostKeyRejected       the machine is not the one that is known; never retried
    |-- PrivilegeRefused      logged in, but sudo said no; never retried
    |-- ProtocolError         the other end does not speak what it should
    |-- PowerFailed           its power cannot be asked or changed
    |-- ScriptFailed          a script ended with an exit status that means failure
    `-- MalformedOutput       an answer could not be read
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class PatchyardError(Exception):
    """Base of all errors that Patchyard raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing an operator wrote wrong: what, where, and what to write instead."""

    message: str
    file: str = ""
    line: int | None = None
    field: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line is not None else self.file
        return ": ".join(part for part in (place, self.field, self.message) if part)


class ConfigurationError(PatchyardError):
    """What an operator wrote cannot be used. `problems` holds all that is wrong, not the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @classmethod
    def of(cls, message: str, *, field: str = "") -> ConfigurationError:
        """Make the error for a single problem that has no place in a file."""
        return cls([Problem(message, field=field)])


class Refused(PatchyardError):
    """A rule forbids it. The message names the rule, and who or what holds it."""


class MachineError(PatchyardError):
    """One machine could not do what was asked.

    `retryable` says whether asking the same harmless question again can help.
    """

    code = "machine_error"
    retryable = False


class Unreachable(MachineError):
    """No connection could be made, or it was lost."""

    code = "unreachable"
    retryable = True


class TimedOut(Unreachable):
    """A connection or an answer took longer than its limit."""

    code = "timed_out"


class AuthenticationFailed(MachineError):
    """The machine answered and refused the credentials. Repeating it can lock accounts."""

    code = "authentication_failed"


class HostKeyRejected(MachineError):
    """The machine showed a host key that is unknown, or not the known one."""

    code = "host_key_rejected"


class PrivilegeRefused(MachineError):
    """The login worked, but the account may not start jobs as root."""

    code = "privilege_refused"


class ProtocolError(MachineError):
    """The other end does not speak the protocol it should."""

    code = "protocol_error"


class PowerFailed(MachineError):
    """Whether a machine is on could not be asked, or it could not be started or stopped."""

    code = "power_failed"


class PowerTimedOut(PowerFailed):
    """An order about a machine's power did not end in time; it may have been carried out."""


class ScriptFailed(MachineError):
    """A script ended with an exit status that means failure."""

    code = "script_failed"

    def __init__(self, message: str, *, exit_status: int | None = None, tail: str = "") -> None:
        self.exit_status = exit_status
        self.tail = tail
        super().__init__(message)


class MalformedOutput(MachineError):
    """A machine's answer does not have the shape it must have."""

    code = "malformed_output"
