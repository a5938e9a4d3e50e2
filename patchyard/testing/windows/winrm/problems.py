"""What a WinRM service says no with: the codes, and where in a fault each stands."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """Codes of faults. Sources: wsmerror.h for 0x8033...., winerror.h for the small ones."""

    ACCESS_DENIED = 5
    BROKEN_PIPE = 109
    """Input for a command that reads none any more."""
    BUSY = 170
    COMMAND_TOO_LONG = 206
    ABORTED = 995
    NOT_SIMULATED = 50
    """ERROR_NOT_SUPPORTED: the simulated computer was asked for something it does not know."""
    ACTION_NOT_SUPPORTED = 0x80338001
    OPERATION_TIMEOUT = 0x80338029
    SCHEMA = 0x80338041
    SHELL_NOT_FOUND = 0x8033805B
    SHELLS_QUOTA = 0x803381A5
    OPERATIONS_QUOTA = 0x803381A6
    PROCESSES_QUOTA = 0x803381E9


_SUBCODES = {
    Code.ACCESS_DENIED: "w:AccessDenied",
    Code.OPERATION_TIMEOUT: "w:TimedOut",
    Code.SHELL_NOT_FOUND: "w:InvalidSelectors",
    Code.ACTION_NOT_SUPPORTED: "a:ActionNotSupported",
    Code.SCHEMA: "w:SchemaValidationError",
    Code.SHELLS_QUOTA: "w:QuotaLimit",
    Code.OPERATIONS_QUOTA: "w:QuotaLimit",
    Code.PROCESSES_QUOTA: "w:QuotaLimit",
    Code.BUSY: "w:Concurrency",
}
_OF_THE_SENDER = {Code.SCHEMA, Code.ACTION_NOT_SUPPORTED, Code.SHELL_NOT_FOUND, Code.ACCESS_DENIED}


class Problem(Exception):
    """A request cannot be served: it is answered with a fault."""

    def __init__(self, code: int, reason: str, *, in_wmi_error: bool | None = None) -> None:
        self.code = int(code)
        self.reason = reason
        self.in_wmi_error = (
            self.code == Code.OPERATIONS_QUOTA if in_wmi_error is None else in_wmi_error
        )
        super().__init__(f"{self.code}: {reason}")

    @property
    def known(self) -> Code | None:
        """The code, where it is one of those with a name."""
        return Code(self.code) if self.code in set(Code) else None

    @property
    def subcode(self) -> str:
        """The subcode that WS-Management has for it."""
        return _SUBCODES.get(self.known, "w:InternalError") if self.known else "w:InternalError"

    @property
    def side(self) -> str:
        """Whose fault it is, in SOAP's words."""
        return "Sender" if self.known in _OF_THE_SENDER else "Receiver"
