"""What went wrong with a call, in Patchyard's kinds, and whether the machine may have done it."""

from __future__ import annotations

import socket
from enum import Enum

import requests
from urllib3.exceptions import NameResolutionError, ReadTimeoutError
from winrm.exceptions import (
    WinRMError,
    WinRMOperationTimeoutError,
    WinRMTransportError,
    WSManFaultError,
)

from patchyard.errors import (
    MachineError,
    PrivilegeRefused,
    ProtocolError,
    TimedOut,
    Unreachable,
)
from patchyard.transports._winrm_endpoint import Endpoint
from patchyard.transports._winrm_refusals import causes, refusal

# Codes of faults. Sources: wsmerror.h, winerror.h.
ACCESS_DENIED = 5
BROKEN_PIPE = frozenset({109, 232, 233})
"""The command takes no input any more."""
BUSY = 170
ABORTED = 995
OPERATION_TIMEOUT = 0x80338029
SHELL_NOT_FOUND = 0x8033805B
SHELLS_QUOTA = frozenset({0x803381A5, 0x803381E4})
"""Too many shells of this user; the second is what newer servers say."""
OPERATIONS_QUOTA = frozenset({0x803381A6, 0x803381E7, 0x803381E8, 0x803381E9})
"""Too many operations or processes of this user, or of this shell."""
UNKNOWN_FAULT = -1

_PASSING = frozenset({BUSY, ABORTED}) | SHELLS_QUOTA | OPERATIONS_QUOTA


class Done(Enum):
    """Whether the machine has done what it was asked."""

    NO = "no"
    PERHAPS = "perhaps"


class TooMuch(Exception):
    """An answer was longer than anybody wants to read."""


class Unsealed(Exception):
    """An answer came in the clear, or its seal is broken, where every message must be sealed."""


class Trouble(Exception):
    """A call that failed.

    Attributes:
        error: what a caller gets.
        done: whether the machine has done it all the same.
        code: that of a fault; 0 where it was not the service that answered.
        overloaded: whether the machine said that it cannot take it just now.
        before: whether it may have been done by an earlier try of the same call.
    """

    def __init__(
        self,
        error: MachineError,
        done: Done = Done.PERHAPS,
        *,
        code: int = 0,
        overloaded: bool = False,
    ) -> None:
        self.error = error
        self.done = done
        self.code = code
        self.overloaded = overloaded
        self.before = False
        super().__init__(str(error))

    @property
    def passing(self) -> bool:
        """Whether asking again can help."""
        return isinstance(self.error, Unreachable)


def judge(error: Exception, endpoint: Endpoint, doing: str) -> Trouble:
    """Give an exception of pywinrm, or of what it is built on, its kind.

    Args:
        error: what was raised.
        endpoint: where.
        doing: what was asked, in words for a message.
    """
    if isinstance(error, WinRMOperationTimeoutError):
        said = f"{endpoint.label}: {doing} took longer than the machine allows"
        return Trouble(TimedOut(said), code=OPERATION_TIMEOUT)
    if isinstance(error, WSManFaultError):
        return _fault(error, endpoint, doing)
    if isinstance(error, WinRMTransportError):
        return _status(error, endpoint, doing)
    refused = refusal(error, endpoint)
    if refused is not None:
        return Trouble(refused, Done.NO)
    if isinstance(error, requests.RequestException):
        return Trouble(_link(error, endpoint, doing))
    return Trouble(ProtocolError(f"{endpoint.label}: {doing}: {_no_winrm(error)}"))


def _no_winrm(error: Exception) -> str:
    if isinstance(error, TooMuch):
        return "an answer without end"
    if isinstance(error, Unsealed):
        return f"{error}; someone may be in between, use https"
    # pywinrm takes answers apart as it comes; its own errors have words, the others a type.
    return (
        f"no answer of WinRM ({error if isinstance(error, WinRMError) else type(error).__name__})"
    )


def _fault(error: WSManFaultError, endpoint: Endpoint, doing: str) -> Trouble:
    code = error.wsman_fault_code or error.wmierror_code or UNKNOWN_FAULT
    label, reason = endpoint.label, " ".join(error.reason.split())[:300]
    said = f"{label}: {doing}: {reason} (0x{code & 0xFFFFFFFF:08x})"
    done = Done.PERHAPS if code in {ABORTED, UNKNOWN_FAULT} else Done.NO
    if code == ACCESS_DENIED:
        said += (
            "; the user must be an administrator of the machine, and a local one needs "
            "LocalAccountTokenFilterPolicy"
        )
        return Trouble(PrivilegeRefused(said), done, code=code)
    if code == SHELL_NOT_FOUND:
        gone = "its shell is gone; did the machine or its service restart?"
        return Trouble(Unreachable(f"{label}: {doing}: {gone}"), done, code=code)
    kind = Unreachable if code in _PASSING else ProtocolError
    return Trouble(kind(said), done, code=code)


def _status(error: WinRMTransportError, endpoint: Endpoint, doing: str) -> Trouble:
    said = f"{endpoint.label}: {doing}: HTTP {error.code}"
    match error.code:
        case 400 if endpoint.seals:
            return Trouble(Unreachable(f"{said}, the sealed link is out of step"), Done.NO)
        case 413 | 503:
            busy = Unreachable(f"{said}, it is starting or has too much to do")
            return Trouble(busy, Done.NO, overloaded=True)
        case status if status >= 500:  # noqa: PLR2004 - the class of a server's errors
            return Trouble(Unreachable(f"{said} without a word"))
    return Trouble(ProtocolError(f"{said}; is this the port of WinRM?"), Done.NO)


def _link(error: requests.RequestException, endpoint: Endpoint, doing: str) -> MachineError:
    label, inner = endpoint.label, tuple(causes(error))
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return TimedOut(
            f"{label}: no connection within {endpoint.timeouts.connect:g} s; "
            "is the machine up, and the port open in between?"
        )
    if any(isinstance(e, requests.Timeout | ReadTimeoutError | TimeoutError) for e in inner):
        return TimedOut(f"{label}: {doing}: no answer")
    lost = requests.ConnectionError, requests.exceptions.ChunkedEncodingError
    if not isinstance(error, lost):
        return ProtocolError(f"{label}: {doing}: {type(error).__name__}: {error}")
    return Unreachable(f"{label}: {_why(error, inner, doing)}")


def _why(error: requests.RequestException, inner: tuple[BaseException, ...], doing: str) -> str:
    if any(isinstance(each, NameResolutionError | socket.gaierror) for each in inner):
        return "its name cannot be resolved"
    system = [each for each in inner if isinstance(each, OSError) and each.strerror]
    why = str(system[-1].strerror).lower() if system else str(inner[-1])[:200]
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy does not let us through: {why}"
    if any(isinstance(each, ConnectionRefusedError) for each in inner):
        return "cannot be reached: connection refused"
    return f"{doing}: the link was lost: {why}"
