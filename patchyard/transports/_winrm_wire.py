"""The HTTP under WinRM: pywinrm's, held to what its user must be able to rely on.

- A certificate is always checked, and nothing of the environment is read: no CA bundle, no proxy,
  no .netrc. No redirect is followed.
- Over HTTP nothing is sent in the clear, and no answer in the clear is believed.
- After an error the session is closed: pywinrm would go on with one that is half made, and then
  send in the clear.
- Refused credentials are not sent again by themselves.
"""

from __future__ import annotations

import logging
import os
import time
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from winrm.exceptions import WinRMTransportError
from winrm.transport import Transport

from patchyard.errors import AuthenticationFailed
from patchyard.transports._winrm_endpoint import Endpoint
from patchyard.transports._winrm_errors import TooMuch, Unsealed
from patchyard.transports._winrm_refusals import Rejected

# Machine trouble is raised, never logged; at level debug some of these would log tokens.
for _name in ("winrm", "requests_credssp", "spnego"):
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False

LARGEST = 32 * 1024 * 1024
"""Bytes of one answer. A service sends no more than we ask for; what does is no service."""

PIECE = 65536
STATUS_UNAUTHORIZED = 401
NEEDS = {
    "kerberos": ("kerberos", "pykerberos"),
    "credssp": ("requests_credssp", "requests-credssp"),
}


class Wire(Transport):
    """One session with one service; a broken one is made anew by the next message."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._place = endpoint
        self._key = _in_memory(endpoint)
        winrm = endpoint.winrm
        super().__init__(
            endpoint=endpoint.url,
            username=endpoint.user or None,
            password=endpoint.password.get_secret_value() if endpoint.password else None,
            # None is not in pywinrm's annotation, and is how it is told to read no environment.
            ca_trust_path=cast("str", str(endpoint.ca) if endpoint.ca else None),
            cert_pem=str(endpoint.certificate) if endpoint.certificate else None,
            cert_key_pem=f"/proc/self/fd/{self._key}" if self._key is not None else None,
            server_cert_validation="validate",
            service="HTTP",
            kerberos_hostname_override=winrm.kerberos_hostname,
            auth_method=winrm.auth,
            message_encryption="always" if endpoint.seals else "never",
            proxy=None,
        )
        self._deadline = 0.0
        self._adapter = _Adapter()

    def limit(self, seconds: float) -> None:
        """Set how long the next message may take, its answer included."""
        self._deadline = time.monotonic() + seconds

    def close(self) -> None:
        """Close for good."""
        self.close_session()
        if self._key is not None:
            os.close(self._key)
            self._key = None

    def close_session(self) -> None:
        """Close the session; the next message makes a new one."""
        super().close_session()
        self.encryption = None

    def send_message(self, message: str | bytes) -> bytes:
        """Send one message and return the answer.

        Raises:
            Exception: of many kinds, for `_winrm_errors.judge`. The session is closed then,
                unless it was the service that answered.
        """
        data = message.encode() if isinstance(message, str) else message
        try:
            session = self.build_session()
            self._harden(session)
            return self._exchange(session, data)
        except WinRMTransportError as error:
            if not error.response_text:
                self.close_session()
            raise
        except BaseException:
            self.close_session()
            raise

    def _exchange(self, session: requests.Session, data: bytes) -> bytes:
        if self.encryption is not None:
            prepared = self.encryption.prepare_encrypted_request(session, self.endpoint, data)
        elif self._place.seals:
            raise Unsealed("no seal was agreed on")
        else:
            prepared = session.prepare_request(requests.Request("POST", self.endpoint, data=data))
        return self._get_message_response_text(self._send_message_request(session, prepared))

    def setup_encryption(self, session: requests.Session) -> None:
        """Agree on a seal. This sends the session's first message, so it is made safe before."""
        self._harden(session)
        super().setup_encryption(session)

    def _harden(self, session: requests.Session) -> None:
        session.trust_env = False
        if session.adapters.get("http://") is not self._adapter:
            session.adapters.clear()
            for prefix in ("http://", "https://"):
                session.mount(prefix, self._adapter)
        proxies = get_environ_proxies(self.endpoint) if self._place.winrm.allow_proxy else {}
        session.proxies = proxies
        if self._place.winrm.auth == "kerberos":
            _once_only(session.auth, preemptive=self._place.seals)

    def _send_message_request(
        self, session: requests.Session, prepared_request: requests.PreparedRequest
    ) -> requests.Response:
        left = max(0.05, self._deadline - time.monotonic())
        limits = (min(self._place.timeouts.connect, left), left)
        response = session.send(
            prepared_request, timeout=limits, allow_redirects=False, stream=True
        )
        self._take_in(response)
        if response.status_code == STATUS_UNAUTHORIZED:
            raise Rejected(response.headers.get("WWW-Authenticate", ""))
        if response.status_code // 100 != 2:  # noqa: PLR2004 - the class of success
            raise WinRMTransportError("http", response.status_code, self._said(response))
        return response

    def _take_in(self, response: requests.Response) -> None:
        """Read the whole answer, but not without end, neither in bytes nor in time."""
        pieces, size = [], 0
        for piece in response.iter_content(PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > LARGEST:
                raise TooMuch
            if time.monotonic() > self._deadline:
                raise requests.ReadTimeout("the answer comes too slowly")
        response._content = b"".join(pieces)  # noqa: SLF001 - as iter_content's users must

    def _said(self, response: requests.Response) -> str:
        """Return the text of an error: a fault that can be believed, or nothing."""
        if self.encryption is not None and not _is_sealed(response):
            return ""
        if not response.content.lstrip().startswith(b"<") and not _is_sealed(response):
            return ""
        return self._get_message_response_text(response).decode("utf-8", "replace")

    def _get_message_response_text(self, response: requests.Response) -> bytes:
        if self.encryption is None:
            return response.content
        if not _is_sealed(response):
            raise Unsealed("an answer came unsealed")
        try:
            return self.encryption.parse_encrypted_response(response)
        except Exception as error:  # each mechanism raises kinds of its own
            raise Unsealed("the seal of an answer is broken") from error


class _Adapter(HTTPAdapter):
    """An adapter whose sockets are closed when it is.

    Otherwise they stay open for as long as an error in somebody's hands leads to them; and an
    answer that a failed log-in has left half read keeps its own.
    """

    _present: requests.Response | None = None

    def send(self, *arguments: Any, **more: Any) -> requests.Response:
        self._present = super().send(*arguments, **more)
        return self._present

    def close(self) -> None:
        if self._present is not None:
            self._present.close()
        self._present = None
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - it is no mapping
                manager.pools[key].close()
        super().close()


def _is_sealed(response: requests.Response) -> bool:
    kind = response.headers.get("Content-Type", "")
    return kind.startswith(("multipart/encrypted", "multipart/x-multi-encrypted"))


def _in_memory(endpoint: Endpoint) -> int | None:
    """Put the private key where OpenSSL can read a file, and no disk ever holds it."""
    if endpoint.key is None:
        return None
    held = os.memfd_create("key")
    os.write(held, endpoint.key.get_secret_value().encode())
    return held


def _once_only(auth: Any, *, preemptive: bool) -> None:
    """Let Kerberos log in when it is asked to, but not again with what has been refused.

    Over TLS it must not begin by itself: its first token would lack the channel's binding, and
    be refused where that is required.
    """
    auth.force_preemptive = preemptive
    if hasattr(auth, "asked_again"):
        return
    auth.asked_again = auth.handle_401

    def handle(response: requests.Response, **more: Any) -> requests.Response:
        if "Authorization" in response.request.headers:
            return response
        return cast("requests.Response", auth.asked_again(response, **more))

    auth.handle_401 = handle


def must_have(endpoint: Endpoint) -> None:
    """Say what is to be installed, where a way to log in needs more than the rest.

    Raises:
        AuthenticationFailed: it is missing.
    """
    module, package = NEEDS.get(endpoint.winrm.auth, ("", ""))
    if not module:
        return
    try:
        __import__(module)
    except ImportError as error:
        raise AuthenticationFailed(
            f"{endpoint.label}: auth {endpoint.winrm.auth} needs the package {package}, which is "
            "not installed here"
        ) from error
