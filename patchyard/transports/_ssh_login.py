"""Logging in: each credential is offered once, and a no is never asked twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.ssh_exception import PartialAuthentication

from patchyard.errors import AuthenticationFailed, MachineError, TimedOut, Unreachable
from patchyard.transports._route import Hop
from patchyard.transports._ssh_keys import identities, secret

Prompts = list[tuple[str, bool]]


def log_in(transport: paramiko.Transport, hop: Hop, folder: Path) -> None:
    """Log in with the credentials of a host: its key, the agent's keys, the password.

    Raises:
        AuthenticationFailed: none was accepted, or there is none.
        TimedOut: no answer within the log-in timeout.
        Unreachable: the link was lost before an answer.
    """
    if not (hop.key or hop.agent or hop.password):
        raise AuthenticationFailed(
            f"{hop.label}: no credential; set connection.key, connection.agent or "
            "connection.password"
        )
    _Login(transport, hop, folder).run()


class _Asker(AuthHandler):
    """Asks for the log-in service once; paramiko asks before each attempt, and not all allow it."""

    asked = False

    def _request_auth(self) -> None:
        accepted = paramiko.Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        if self.asked:
            # Goes on as if the server had just said yes again.
            self._parse_service_accept(accepted)  # type: ignore[attr-defined]  # the stubs leave it out
            return
        self.asked = True
        super()._request_auth()  # type: ignore[misc]  # the stubs leave it out


class _Login:
    def __init__(self, transport: paramiko.Transport, hop: Hop, folder: Path) -> None:
        self._transport = transport
        self._hop = hop
        self._folder = folder
        self._asker = _Asker(transport)
        self._refused: list[str] = []
        self._allowed: list[str] = []
        transport.auth_handler = self._asker

    def run(self) -> None:
        if self._offer_keys() or self._offer_password():
            return
        tried = ", ".join(self._refused) or "the agent, which holds no key"
        more = f" (it asks for {', '.join(self._allowed)})" if self._allowed else ""
        raise AuthenticationFailed(
            f"{self._hop.label}: log-in as {self._hop.user!r} was refused{more}; tried {tried}; "
            "check the user and the credential, it is not tried again"
        )

    def _offer_keys(self) -> bool:
        user = self._hop.user
        with identities(self._hop, self._folder) as found:
            for identity in found:
                offer = partial(self._asker.auth_publickey, user, identity.key)
                if self._offer(identity.name, offer):
                    return True
                if self._allowed and "publickey" not in self._allowed:
                    return False
        return False

    def _offer_password(self) -> bool:
        """Offer the password once, in the one way in which the server takes passwords."""
        user, reference = self._hop.user, self._hop.password
        if not reference:
            return False
        password = secret(self._hop, reference, self._folder).get_secret_value()
        if not self._allowed and self._offer("", lambda done: self._asker.auth_none(user, done)):
            return True
        name = f"the password {reference}"
        if "password" in self._allowed:
            return self._offer(name, lambda done: self._asker.auth_password(user, password, done))
        if "keyboard-interactive" in self._allowed:
            answer = _answer_once(password)
            return self._offer(name, lambda done: self._asker.auth_interactive(user, answer, done))
        self._refused.append(f"nothing of {name}, as it takes no passwords")
        return False

    def _offer(self, name: str, ask: Callable[[threading.Event], None]) -> bool:
        """Offer one credential; return whether that was enough. No name: it is only a question."""
        done = threading.Event()
        try:
            ask(done)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._lost(name, error) from error
        if not done.wait(self._hop.timeouts.auth):
            raise TimedOut(
                f"{self._hop.label}: no answer to the log-in within {self._hop.timeouts.auth:g} s"
            )
        if self._transport.is_authenticated():
            return True
        said = self._transport.get_exception()
        if not self._transport.is_active() and not isinstance(
            said, paramiko.AuthenticationException
        ):
            raise self._lost(name, said) from said
        if isinstance(said, paramiko.BadAuthenticationType | PartialAuthentication):
            self._allowed = list(said.allowed_types)
        if name and not isinstance(said, PartialAuthentication):
            self._refused.append(name)
        return False

    def _lost(self, name: str, error: Exception | None) -> MachineError:
        """Judge a link that closed during the log-in.

        On a password, or after a refusal, that is a refusal: trying it again may lock accounts.
        Otherwise it is a machine that goes down, or one that lets nobody in yet: one that starts
        says so in its banner.
        """
        banner = self._transport.get_banner() or b""
        said = " ".join(banner.decode("utf-8", "replace").split())[-200:]
        detail = f": {said}" if said else f" ({error})" if str(error or "") else ""
        starting = "booting up" in said or "going down" in said
        if (self._refused or name.startswith("the password")) and not starting:
            tried = ", ".join(filter(None, [*self._refused, name]))
            return AuthenticationFailed(
                f"{self._hop.label}: the link was closed on the log-in as {self._hop.user!r}"
                f"{detail}; tried {tried}; it is not tried again"
            )
        return Unreachable(f"{self._hop.label}: the link was closed during the log-in{detail}")


def _answer_once(password: str) -> Callable[[str, str, Prompts], list[str]]:
    """Answer the first hidden question; a second one is a refusal in disguise."""
    answers = [password]

    def answer(_title: str, _instructions: str, prompts: Prompts) -> list[str]:
        if not prompts:
            return []
        if len(prompts) > 1 or prompts[0][1] or not answers:
            raise paramiko.AuthenticationException("it asks for more than a password")
        return [answers.pop()]

    return answer
