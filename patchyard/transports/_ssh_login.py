"""Logging in: each credential is offered once, and a no is never asked twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import paramiko
from paramiko.ssh_exception import PartialAuthentication

from patchyard.errors import AuthenticationFailed, MachineError, TimedOut, Unreachable
from patchyard.transports._route import Hop
from patchyard.transports._ssh_keys import identities, secret


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


class _Login:
    def __init__(self, transport: paramiko.Transport, hop: Hop, folder: Path) -> None:
        self._transport = transport
        self._hop = hop
        self._folder = folder
        self._refused: list[str] = []
        self._allowed: list[str] = []
        transport.auth_timeout = hop.timeouts.auth

    def run(self) -> None:
        with identities(self._hop, self._folder) as keys:
            for identity in keys:
                if self._offer_key(identity.name, identity.key):
                    return
                if self._allowed and "publickey" not in self._allowed:
                    break
        if self._hop.password and self._offer_password():
            return
        tried = ", ".join(self._refused) or "the agent, which holds no key"
        more = f" (it asks for {', '.join(self._allowed)})" if self._allowed else ""
        raise AuthenticationFailed(
            f"{self._hop.label}: log-in as {self._hop.user!r} was refused{more}; tried {tried}; "
            "check the user and the credential, it is not tried again"
        )

    def _offer_key(self, name: str, key: paramiko.PKey) -> bool:
        """Offer one key; return whether that was enough."""
        answered = threading.Event()
        try:
            self._transport.auth_publickey(self._hop.user, key, answered)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._lost(error) from error
        if not answered.wait(self._hop.timeouts.auth):
            raise self._silent()
        if self._transport.is_authenticated():
            return True
        refusal = self._transport.get_exception()
        if not self._transport.is_active():
            raise self._lost(refusal) from refusal
        self._note(name, refusal)
        return False

    def _note(self, name: str, error: Exception | None) -> None:
        """Remember what was refused, or accepted as one of several proofs."""
        if isinstance(error, PartialAuthentication):
            self._allowed = list(error.allowed_types)
            return
        if isinstance(error, paramiko.BadAuthenticationType):
            self._allowed = list(error.allowed_types)
        self._refused.append(name)

    def _offer_password(self) -> bool:
        """Offer the password once, in the one way that the server takes passwords."""
        reference = self._hop.password or ""
        password = secret(self._hop, reference, self._folder).get_secret_value()
        allowed = self._allowed or self._ask_for_methods()
        if self._transport.is_authenticated():
            return True
        if "password" in allowed:
            return self._ask(lambda: self._plain(password), reference)
        if "keyboard-interactive" in allowed:
            return self._ask(lambda: self._typed(password), reference)
        self._refused.append(f"nothing of {reference}, as it takes no passwords")
        self._allowed = allowed
        return False

    def _ask_for_methods(self) -> list[str]:
        """Ask which methods there are, so that no attempt is wasted on one that is not."""
        try:
            self._transport.auth_none(self._hop.user)
        except paramiko.BadAuthenticationType as error:
            return list(error.allowed_types)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._lost(error) from error
        return []

    def _plain(self, password: str) -> list[str]:
        return self._transport.auth_password(self._hop.user, password, fallback=False)

    def _typed(self, password: str) -> list[str]:
        answers = [password]

        def answer(_title: str, _instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
            """Answer the first hidden question; a second one is a refusal in disguise."""
            if not prompts:
                return []
            if len(prompts) > 1 or prompts[0][1] or not answers:
                raise paramiko.AuthenticationException("it asks for more than a password")
            return [answers.pop()]

        return self._transport.auth_interactive(self._hop.user, answer)

    def _ask(self, offer: Callable[[], list[str]], reference: str) -> bool:
        try:
            self._allowed = offer()
        except paramiko.AuthenticationException as error:
            if "timeout" in str(error):
                raise self._silent() from error
            self._refused.append(f"the password {reference} ({error})")
            return False
        except (paramiko.SSHException, EOFError, OSError) as error:
            self._refused.append(f"the password {reference} (the link was closed on it)")
            raise self._lost(error) from error
        if self._transport.is_authenticated():
            return True
        self._refused.append(f"the password {reference}, which is not enough")
        return False

    def _silent(self) -> MachineError:
        return TimedOut(
            f"{self._hop.label}: no answer to the log-in within {self._hop.timeouts.auth:g} s"
        )

    def _lost(self, error: BaseException | None) -> MachineError:
        """Judge a link that closed during the log-in.

        After a refusal it is one more refusal. Before any, it is a machine that goes down, or
        one that lets nobody in yet: a machine that starts says so in its banner.
        """
        banner = self._transport.get_banner() or b""
        said = " ".join(banner.decode("utf-8", "replace").split())[-200:]
        detail = f": {said}" if said else f" ({error})" if str(error or "") else ""
        booting = "booting up" in said or "going down" in said
        if self._refused and not booting:
            return AuthenticationFailed(
                f"{self._hop.label}: log-in as {self._hop.user!r} was refused and the link "
                f"closed{detail}; tried {', '.join(self._refused)}; it is not tried again"
            )
        return Unreachable(f"{self._hop.label}: the link was closed during the log-in{detail}")
