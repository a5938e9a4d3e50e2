"""Logging in to a WinRM service. What is proven belongs to the TCP connection, as on Windows."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from patchyard.testing.windows.winrm import sealing
from patchyard.testing.windows.winrm.counts import Counts
from patchyard.testing.windows.winrm.peer import HttpResponse
from patchyard.testing.windows.winrm.settings import Account, Settings
from patchyard.testing.windows.winrm.tokens import Handshake, NotProven

MUTUAL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
"""What a client writes into Authorization that logs in with its TLS certificate."""

BASIC = 'Basic realm="WSMAN"'
KERBEROS_SKEW = timedelta(minutes=5)
"""Largest clock difference that Kerberos takes (MIT and Windows alike)."""

Headers = list[tuple[str, str]]


class Denied(Exception):
    """The request is not let in; holds the answer, which may go on with a handshake."""

    def __init__(self, response: HttpResponse) -> None:
        self.response = response
        super().__init__(str(response.status))


@dataclass(frozen=True, slots=True)
class Channel:
    """What the server knows of a connection: over TLS its own and the client's certificate."""

    binding: bytes = b""
    certificate: bytes = b""

    @property
    def tls(self) -> bool:
        """Whether it is TLS."""
        return bool(self.binding)


@dataclass(slots=True)
class Login:
    """What one connection has proven so far: who, and by which handshake."""

    user: str = ""
    proof: Handshake | None = None
    underway: Handshake | None = None


class Gate:
    """Judges credentials by a service's settings."""

    def __init__(
        self,
        settings: Settings,
        accounts: Sequence[Account],
        counts: Counts,
        *,
        users: Path,
        computer: str,
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._counts = counts
        self._users = users
        self._computer = computer
        self._users.write_text(users_file(accounts, computer))

    def change_password(self, name: str, password: str) -> None:
        """Give an account another password. Whoever has logged in stays so."""
        self._accounts = [
            replace(each, password=password) if each.name == name else each
            for each in self._accounts
        ]
        self._users.write_text(users_file(self._accounts, self._computer))

    def enter(self, login: Login, authorization: str, channel: Channel) -> Headers:
        """Let a request in, and return headers for its answer.

        Raises:
            Denied: it is not let in, or not yet.
        """
        scheme, _, token = authorization.partition(" ")
        if not authorization and login.user:
            return []
        if authorization == MUTUAL:
            return self._by_certificate(login, channel)
        if scheme == "Basic" and BASIC in self._offered(channel):
            return self._by_password(login, token, channel)
        if scheme in {"Negotiate", "CredSSP"} and scheme in self._offered(channel):
            return self._by_token(login, scheme, token, channel)
        raise self._denied(channel)

    def _offered(self, channel: Channel) -> list[str]:
        methods = self._settings.methods
        found = []
        if methods & {"negotiate", "kerberos"}:
            found.append("Negotiate")
        if "basic" in methods and (channel.tls or self._settings.allow_unencrypted):
            found.append(BASIC)
        if "credssp" in methods:
            found.append("CredSSP")
        return found

    def _denied(self, channel: Channel) -> Denied:
        headers = [("WWW-Authenticate", each) for each in self._offered(channel)]
        return Denied(HttpResponse(401, headers=headers))

    def _judge(self, login: Login, account: Account | None, channel: Channel) -> None:
        """Note who has come in, or that nobody has."""
        self._counts.add("attempts")
        login.user = account.name if account else ""
        if account is None:
            self._counts.add("refused")
            raise self._denied(channel)
        self._counts.users.append(account.name)

    def _by_certificate(self, login: Login, channel: Channel) -> Headers:
        if "certificate" not in self._settings.methods or not channel.certificate:
            raise self._denied(channel)
        shown = hashlib.sha256(channel.certificate).hexdigest()
        found = [each for each in self._accounts if each.certificate == shown]
        self._judge(login, found[0] if found else None, channel)
        return []

    def _by_password(self, login: Login, token: str, channel: Channel) -> Headers:
        name, _, password = _decoded(token).partition(b":")
        known = self._named(name.decode("latin-1"))
        # Clients write what is not ASCII in one of two ways (RFC 7617 leaves it open).
        ways = (
            {known.password.encode(way, "replace") for way in ("utf-8", "latin-1")} if known else ()
        )
        right = bool(password) and password in ways
        self._judge(login, known if right else None, channel)
        return []

    def _by_token(self, login: Login, scheme: str, token: str, channel: Channel) -> Headers:
        underway = login.underway or self._handshake(scheme, channel)
        login.user, login.proof, login.underway = "", None, None
        try:
            answer = underway.step(_decoded(token))
        except NotProven as refused:
            if refused.judged:
                self._counts.add("attempts")
                self._counts.add("refused")
            denied = self._denied(channel)
            if refused.token:
                denied.response.headers = [_token_header(scheme, refused.token)]
            raise denied from refused
        if not underway.context.complete:
            login.underway = underway
            raise Denied(HttpResponse(401, headers=[_token_header(scheme, answer)]))
        self._judge(login, self._allowed(underway), channel)
        login.proof = underway
        return [_token_header(scheme, answer)] if answer else []

    def _handshake(self, scheme: str, channel: Channel) -> Handshake:
        return Handshake(
            "CredSSP" if scheme == "CredSSP" else "Negotiate",
            users=self._users,
            host=self._settings.host,
            binding=channel.binding,
            hardening=self._settings.channel_binding,
        )

    def _allowed(self, done: Handshake) -> Account | None:
        """Return whose account a handshake proved, where its kind is allowed."""
        methods = self._settings.methods
        inside = done.protocol == sealing.CREDSSP
        if not done.is_bound:
            return None
        if done.is_kerberos:
            late = abs(self._settings.clock_offset) > KERBEROS_SKEW
            if late or not ("kerberos" in methods or inside):
                return None
        elif not ("negotiate" in methods or inside):
            return None
        return self._named(done.principal)

    def _named(self, name: str) -> Account | None:
        """Return the account of a principal (USER@REALM), or of a name with or without domain."""
        wanted = name.casefold()
        for account in self._accounts:
            if account.principal.casefold() == wanted:
                return account
        plain = wanted.rpartition("\\")[2]
        return next((a for a in self._accounts if a.name.casefold() == plain), None)


def users_file(accounts: Sequence[Account], computer: str) -> str:
    """Return the accounts as pyspnego reads them: a line for each way to write a local name."""
    return "\n".join(
        f"{domain}:{account.name}:{account.password}"
        for account in accounts
        for domain in ("", ".", computer)
        if account.password
    )


def _decoded(token: str) -> bytes:
    try:
        return base64.b64decode(token, validate=True)
    except binascii.Error as error:
        raise Denied(HttpResponse(400)) from error


def _token_header(scheme: str, token: bytes) -> tuple[str, str]:
    return "WWW-Authenticate", f"{scheme} {base64.b64encode(token).decode()}"
