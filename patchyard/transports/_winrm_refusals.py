"""What it means that credentials were not taken: ours by the machine, or the machine's by us."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

import requests
from winrm.exceptions import InvalidCredentialsError

from patchyard.errors import (
    AuthenticationFailed,
    HostKeyRejected,
    MachineError,
    ProtocolError,
    Unreachable,
)
from patchyard.transports._winrm_endpoint import Endpoint

ADVICE = "check the user and the credential, it is not tried again"

# Minor codes of krb5, which is all that pykerberos tells. Source: krb5.h, gssapi_err_krb5.h.
_KDC_UNREACHABLE = -1765328228
_NO_SUCH_SERVICE = -1765328377
_SKEW = -1765328347
_NO_TICKET = {
    -1765328352: "the ticket has expired",
    -1765328243: "no ticket matches",
    -1765328189: "there is no cache",
    39756033: "no ticket of that principal",
}


# Errors of libraries that may not be installed, so they are known by their names.
_EXCHANGE = "KerberosExchangeError"
_MUTUAL = "MutualAuthenticationError"
_KERBEROS = frozenset({_EXCHANGE, _MUTUAL})


class Rejected(InvalidCredentialsError):
    """HTTP 401. `offered` is what the machine takes, as it says."""

    def __init__(self, offered: str) -> None:
        self.offered = offered
        super().__init__("the specified credentials were rejected by the server")


def refusal(error: Exception, endpoint: Endpoint) -> MachineError | None:
    """Return the kind of a refused log-in; None where nothing was refused."""
    if _name(error) in _KERBEROS:
        return _by_kerberos(error, endpoint)
    if isinstance(error, requests.exceptions.SSLError):
        return _by_certificate(error, endpoint)
    if type(error).__module__.startswith("requests_credssp"):
        return _by_credssp(error, endpoint)
    if isinstance(error, PermissionError | KeyError):
        return _by_ntlm(error, endpoint)
    return _by_status(error, endpoint) if isinstance(error, InvalidCredentialsError) else None


def _refused(endpoint: Endpoint, detail: str = "") -> AuthenticationFailed:
    who = f"log-in as {endpoint.user!r}" if endpoint.user else "log-in"
    said = f"{who} by {endpoint.winrm.auth} was refused{detail}"
    return AuthenticationFailed(f"{endpoint.label}: {said}; {ADVICE}")


def _by_status(error: InvalidCredentialsError, endpoint: Endpoint) -> MachineError:
    offered = error.offered if isinstance(error, Rejected) else ""
    auth = endpoint.winrm.auth
    words = {"ntlm": {"ntlm", "negotiate"}, "kerberos": {"kerberos", "negotiate"}}
    if auth != "certificate" and not any(w in offered.lower() for w in words.get(auth, {auth})):
        said = f"it takes no {auth}; it offers {offered or 'nothing'}"
        return AuthenticationFailed(f"{endpoint.label}: {said}")
    return _refused(endpoint)


def _by_ntlm(error: PermissionError | KeyError, endpoint: Endpoint) -> MachineError | None:
    """Judge what requests_ntlm raises when no challenge comes. No proof was sent yet."""
    if isinstance(error, PermissionError):
        # It offers Negotiate, and answers no NTLM in it.
        return AuthenticationFailed(f"{endpoint.label}: it takes no ntlm; {error}")
    if "www-authenticate" not in str(error).lower():
        return None
    return Unreachable(f"{endpoint.label}: the log-in broke off, the machine sent no challenge")


def _by_credssp(error: Exception, endpoint: Endpoint) -> MachineError:
    # requests_credssp has one kind for all of these, and no credential was sent in the first two.
    if "being an available authentication" in str(error):
        return AuthenticationFailed(f"{endpoint.label}: it takes no credssp")
    if "after step TLS Handshake" in str(error):
        return Unreachable(f"{endpoint.label}: the log-in broke off: {error}")
    return _refused(endpoint, f": {error}")


def _name(error: BaseException) -> str:
    return type(error).__name__


def _codes(error: BaseException) -> set[int]:
    """Return the codes in what pywinrm's log-in by Kerberos made of pykerberos' error."""
    return {int(number) for number in re.findall(r", (-?\d+)\)", str(error))}


def wants_ticket(error: BaseException) -> bool:
    """Say whether a new Kerberos ticket could help. Nothing was asked of the machine then.

    A ticket that runs out in the very second of its use looks like a machine that cannot prove
    who it is.
    """
    if _name(error) == _MUTUAL:
        return True
    return _name(error) == _EXCHANGE and bool(_codes(error) & _NO_TICKET.keys())


def _by_kerberos(error: Exception, endpoint: Endpoint) -> MachineError:
    label = endpoint.label
    if _name(error) == _MUTUAL:
        return HostKeyRejected(f"{label}: it could not prove by Kerberos that it is the machine")
    found = _codes(error)
    if _KDC_UNREACHABLE in found:
        return Unreachable(f"{label}: no KDC of its realm answers")
    if found & _NO_TICKET.keys():
        why = next(said for code, said in _NO_TICKET.items() if code in found)
        return AuthenticationFailed(
            f"{label}: no valid Kerberos ticket ({why}); run kinit, or set connection.password"
        )
    detail = re.findall(r"\('([^']+)', -?\d+\)", str(error))
    advice = {
        _NO_SUCH_SERVICE: "set connection.winrm.kerberos_hostname to the machine's full name",
        _SKEW: "set the clocks",
    }
    hint = "".join(f"; {said}" for code, said in advice.items() if code in found)
    return AuthenticationFailed(f"{label}: Kerberos: {detail[-1] if detail else error}{hint}")


def _by_certificate(error: requests.exceptions.SSLError, endpoint: Endpoint) -> MachineError | None:
    label, text = endpoint.label, str(error).upper()
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            known = f"those of {endpoint.ca}" if endpoint.ca else "the public ones"
            return HostKeyRejected(
                f"{label}: its certificate is not trusted: {cause.verify_message}; the authorities "
                f"are {known}. If it is right, set connection.winrm.ca to the file with the "
                "authority that issued it, and the machine's address to a name it holds"
            )
    if "ALERT" in text and ("CERTIFICATE" in text or "UNKNOWN_CA" in text):
        return AuthenticationFailed(f"{label}: it does not take our client certificate")
    if "WRONG_VERSION_NUMBER" in text or "HTTP_REQUEST" in text:
        return ProtocolError(f"{label}: what answers is not TLS; is this the port of HTTPS?")
    return None


def causes(error: BaseException) -> Iterator[BaseException]:
    """Go down from an error through what it wraps: requests and urllib3 wrap each other's."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop()
        if isinstance(found, BaseException) and not any(found is each for each in seen):
            seen.append(found)
            yield found
            reason = getattr(found, "reason", None)
            waiting += [*found.args, reason, found.__cause__, found.__context__]
