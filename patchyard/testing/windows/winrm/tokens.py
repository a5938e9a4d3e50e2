"""Handshakes by tokens: NTLM, Kerberos, Negotiate around either, CredSSP around that."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal

import spnego
import spnego.tls
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import BadBindingsError, SpnegoError

from patchyard.testing.windows.winrm import sealing

NTLM_BINDING = b"\x0a\x00\x10\x00"
"""In an NTLM answer: the attribute MsvAvChannelBindings (10), 16 bytes long (MS-NLMP 2.2.2.1)."""

NO_BINDING = NTLM_BINDING + bytes(16)
"""The same from a client that knows of no channel (MS-NLMP 3.1.5.1.2)."""

CHANNEL_BOUND = 2048
"""GSS_C_CHANNEL_BOUND_FLAG of gssapi_ext.h: both ends showed the same binding."""

_NTLM_ANSWER = b"NTLMSSP\x00\x03"
"""Begins the NTLM message that carries the proof of a password (MS-NLMP 2.2.1.3)."""

_environment = threading.Lock()
"""pyspnego asks the environment for the file of NTLM users each time; servers take turns."""


class NotProven(Exception):
    """The handshake has failed. `judged` says whether credentials were looked at."""

    def __init__(self, reason: str, *, judged: bool, token: bytes = b"") -> None:
        self.judged = judged
        self.token = token
        super().__init__(reason)


class Handshake:
    """One handshake on one connection."""

    def __init__(
        self,
        kind: Literal["Negotiate", "CredSSP"],
        *,
        users: Path,
        host: str,
        binding: bytes = b"",
        hardening: Literal["none", "relaxed", "strict"] = "relaxed",
    ) -> None:
        self._kind = kind
        self._users = users
        self._host = host
        self._hardening = hardening
        self._bindings: GssChannelBindings | None = None
        if binding and hardening != "none":
            data = b"tls-server-end-point:" + binding
            self._bindings = GssChannelBindings(application_data=data)
        with self._file_of_users():
            self.context = self._new()

    def _new(self) -> spnego.ContextProxy:
        inner = spnego.server(
            self._host, "HTTP", protocol="negotiate", options=spnego.NegotiateOptions.use_negotiate
        )
        if self._kind == "Negotiate":
            return inner
        return spnego.server(
            protocol="credssp", credssp_negotiate_context=inner, credssp_tls_context=_tls()
        )

    @property
    def protocol(self) -> str:
        """What messages are sealed as, once the handshake is done."""
        return sealing.CREDSSP if self._kind == "CredSSP" else sealing.SPNEGO

    @property
    def principal(self) -> str:
        r"""Who has logged in: DOMAIN\USER, USER or USER@REALM."""
        return self.context.client_principal or ""

    @property
    def is_kerberos(self) -> bool:
        """Whether it was Kerberos that proved it."""
        return self.context.negotiated_protocol == "kerberos"

    @property
    def is_bound(self) -> bool:
        """Whether the client showed a binding where it must; a wrong one was refused before."""
        if self._kind != "Negotiate" or self._bindings is None or not self.is_kerberos:
            return True
        if self._hardening != "strict":
            return True
        # GSS says so in a flag that pyspnego has no name for, and no way to.
        inner = self.context._context._context  # type: ignore[attr-defined]  # noqa: SLF001
        return bool(int(inner.actual_flags) & CHANNEL_BOUND)

    def step(self, token: bytes) -> bytes:
        """Take the client's next token, and return ours; empty where there is none.

        Raises:
            NotProven: the client has proven nothing.
        """
        judged = _NTLM_ANSWER in token or b"NTLMSSP" not in token
        try:
            with self._file_of_users():
                answer = self.context.step(token, channel_bindings=self._expected(token)) or b""
        except (SpnegoError, ValueError) as error:
            raise NotProven(str(error), judged=judged and self._kind != "CredSSP") from error
        if self.context.get_extra_info("auth_stage") == "Authentication failure":
            raise NotProven("CredSSP's inner handshake failed", judged=True, token=answer)
        return answer

    def _expected(self, token: bytes) -> GssChannelBindings | None:
        """Say which binding the token must show: none where the client may leave it out."""
        if self._bindings is None or _NTLM_ANSWER not in token:
            return self._bindings
        sent = NTLM_BINDING in token and NO_BINDING not in token
        if self._hardening == "strict" and not sent:
            raise BadBindingsError(context_msg="no channel binding was sent")
        return self._bindings if sent else None

    @contextmanager
    def _file_of_users(self) -> Iterator[None]:
        with _environment:
            before = os.environ.get("NTLM_USER_FILE")
            os.environ["NTLM_USER_FILE"] = str(self._users)
            try:
                yield
            finally:
                if before is None:
                    del os.environ["NTLM_USER_FILE"]
                else:
                    os.environ["NTLM_USER_FILE"] = before


@cache
def _tls() -> spnego.tls.CredSSPTLSContext:
    """Return the inner TLS of CredSSP, with a self-signed certificate as Windows makes one.

    Windows before 2022 speaks TLS 1.2 here, where a record ends in 16 bytes that clients count.
    """
    made = spnego.tls.default_tls_context(usage="accept")
    certificate, key, made.public_key = spnego.tls.generate_tls_certificate()
    made.context.maximum_version = made.context.maximum_version.TLSv1_2
    held = os.memfd_create("credssp")
    try:
        os.write(held, certificate + key)
        made.context.load_cert_chain(f"/proc/self/fd/{held}")
    finally:
        os.close(held)
    return made
