"""How a WinRM service is set up, and who may log in: as much of winrm/config as counts here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Method = Literal["basic", "negotiate", "kerberos", "credssp", "certificate"]
"""How a client may log in. `negotiate` is NTLM, `kerberos` its own or inside of Negotiate."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may log in.

    Attributes:
        name: the user's name, without a domain.
        password: as it is. No colon: the file that pyspnego reads has no way to write one.
        principal: the Kerberos principal that is this account, such as admin@CORP.TEST.
        certificate: the SHA-256 fingerprint of the client certificate that is this account.
    """

    name: str
    password: str = ""
    principal: str = ""
    certificate: str = ""

    def __post_init__(self) -> None:
        if ":" in self.password + self.name:
            raise ValueError("neither a name nor a password may hold a colon here")


@dataclass(frozen=True, slots=True)
class Settings:
    """The service's settings. Limits are those of a new Windows Server 2016 or later.

    Attributes:
        methods: how clients may log in.
        allow_unencrypted: whether a message may go over HTTP unsealed.
        channel_binding: CbtHardeningLevel: over TLS a binding is never looked at, must be right
            where it is sent, or must be sent.
        max_shells: MaxShellsPerUser.
        max_processes: MaxProcessesPerShell.
        max_operations: MaxConcurrentOperationsPerUser. As on Windows, a command counts until its
            shell is gone.
        max_envelope: MaxEnvelopeSizekb, in bytes.
        idle_timeout: seconds after which an unused shell is gone, where its maker asks for none.
        receive_bytes: most bytes of a stream that one answer carries; 0 for as many as fit.
        while_starting: what is answered while the computer starts: an HTTP status, or 0 for a
            refused connection.
        clock_offset: how far the computer's clock is from ours. Kerberos allows five minutes.
        host: the name its Kerberos tickets are made out for (HTTP/host).
    """

    methods: frozenset[Method] = frozenset({"negotiate", "kerberos"})
    allow_unencrypted: bool = False
    channel_binding: Literal["none", "relaxed", "strict"] = "relaxed"
    max_shells: int = 30
    max_processes: int = 25
    max_operations: int = 1500
    max_envelope: int = 500 * 1024
    idle_timeout: float = 7200.0
    receive_bytes: int = 0
    while_starting: int = 503
    clock_offset: timedelta = timedelta(0)
    host: str = "unspecified"
