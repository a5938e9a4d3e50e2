"""Logging in: keys, agent, passwords; and that a no is heard the first time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import asyncssh
import pytest

from patchyard.domain.inventory import Connection, Inventory, Machine
from patchyard.errors import AuthenticationFailed, TimedOut, Unreachable
from patchyard.transports import open_transport
from tests.sshd import QUICK, Sshd, keygen

SOON = timedelta(seconds=15)
NO_PASSWORDS = ("PasswordAuthentication no", "KbdInteractiveAuthentication no")


def greet(server: Sshd, **changes: object) -> str:
    link = server.open(**changes)
    try:
        return link.run("echo in", timeout=SOON).stdout.strip()
    finally:
        link.close()


def admit(server: Sshd, key: Path) -> None:
    with (server.folder / "authorized").open("a") as admitted:
        admitted.write(Path(f"{key}.pub").read_text())


@pytest.mark.parametrize(
    ("kind", "pem"), [("ed25519", False), ("ecdsa", False), ("rsa", False), ("rsa", True)]
)
@pytest.mark.parametrize("passphrase", ["", "open sesame"])
def test_a_key_of_each_kind_logs_in(
    server: Sshd,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    pem: bool,
    passphrase: str,
) -> None:
    key = keygen(tmp_path / "key", kind=kind, pem=pem, passphrase=passphrase)
    admit(server, key)
    monkeypatch.setenv("PHRASE", passphrase or "unused")
    assert greet(server, key=f"file:{key}", passphrase="env:PHRASE") == "in"


def test_an_encrypted_key_without_its_passphrase_is_named(server: Sshd, tmp_path: Path) -> None:
    key = keygen(tmp_path / "key", passphrase="open sesame")
    with pytest.raises(AuthenticationFailed, match=r"is encrypted; set connection.passphrase"):
        greet(server, key=f"file:{key}")


def test_a_wrong_passphrase_is_named_and_not_shown(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keygen(tmp_path / "key", passphrase="open sesame")
    monkeypatch.setenv("PHRASE", "hunter2")
    with pytest.raises(AuthenticationFailed, match="is the passphrase right") as caught:
        greet(server, key=f"file:{key}", passphrase="env:PHRASE")
    assert "hunter2" not in str(caught.value)


def test_a_secret_that_cannot_be_had_is_the_machines_trouble(server: Sshd) -> None:
    with pytest.raises(AuthenticationFailed, match=r"web-1.*NOT_SET_ANYWHERE"):
        greet(server, key="env:NOT_SET_ANYWHERE")


def test_a_connection_without_a_credential_is_named(server: Sshd) -> None:
    with pytest.raises(AuthenticationFailed, match=r"no credential; set connection.key"):
        greet(server, key=None)


def test_a_refused_key_is_offered_once(tmp_path: Path) -> None:
    with Sshd(tmp_path / "machine") as server:
        key = keygen(tmp_path / "stranger")
        with pytest.raises(AuthenticationFailed, match=r"refused.*tried the key file:.*stranger"):
            greet(server, key=f"file:{key}")
        assert server.log().count("Failed publickey") == 1
        assert server.log().count("Connection from") == 2  # the fixture's own look, and ours


def test_the_agents_keys_log_in(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = keygen(tmp_path / "first"), keygen(tmp_path / "second")
    admit(server, second)
    with agent(tmp_path / "agent", first, second) as where:
        monkeypatch.setenv("SSH_AUTH_SOCK", where)
        assert greet(server, key=None, agent=True) == "in"


def test_an_agent_that_is_not_there_is_named(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "none"))
    with pytest.raises(AuthenticationFailed, match="agent"):
        greet(server, key=None, agent=True)


@contextlib.contextmanager
def agent(path: Path, *keys: Path) -> Iterator[str]:
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        while not path.exists():
            assert process.poll() is None
        environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}
        for key in keys:
            subprocess.run(["ssh-add", "-q", str(key)], env=environment, check=True)
        yield str(path)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


# The names of these arguments are asyncssh's.
# ruff: noqa: ARG002
class Door(asyncssh.SSHServer):
    """A server that counts the passwords it is given, in either of the two ways."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._doors.connections += 1
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return False

    def password_auth_supported(self) -> bool:
        return self._doors.way == "password"

    def validate_password(self, username: str, password: str) -> bool:
        self._doors.attempts.append(password)
        if self._doors.hang_up:
            self._connection.abort()
        return password == "right"

    def kbdint_auth_supported(self) -> bool:
        return self._doors.way == "kbdint"

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: Any) -> Any:
        self._doors.attempts.extend(responses)
        if responses == ["right"]:
            return True
        return ("", "", "", [("Try again: ", False)]) if self._doors.insistent else False


class Doors:
    """The server in a thread of its own, with what it was asked."""

    def __init__(self, folder: Path, way: str) -> None:
        self.way = way
        self.insistent = False
        self.hang_up = False
        self.attempts: list[str] = []
        self.connections = 0
        self.folder = folder
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._stop())
        self._loop.close()

    async def _listen(self) -> None:
        key = asyncssh.generate_private_key("ssh-ed25519")
        self._server = await asyncssh.create_server(
            lambda: Door(self),
            "127.0.0.1",
            0,
            server_host_keys=[key],
            process_factory=self._answer,
        )
        self.port = self._server.get_port()
        public = key.export_public_key().decode()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}")

    @staticmethod
    async def _answer(process: asyncssh.SSHServerProcess[str]) -> None:
        process.exit(0)

    async def _stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def enter(self) -> None:
        connection = Connection(
            user="someone",
            port=self.port,
            password="env:PASSWORD",
            known_hosts="known_hosts",
            sudo="none",
            timeouts=QUICK,
        )
        machine = Machine(name="web-1", address="127.0.0.1", connection=connection)
        inventory = Inventory(name="t", folder=str(self.folder), machines=(machine,))
        open_transport(machine, inventory).close()


@pytest.fixture(params=["password", "kbdint"])
def doors(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Doors]:
    with Doors(tmp_path, request.param) as made:
        yield made


def test_the_right_password_logs_in_at_once(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "right")
    doors.enter()
    assert doors.attempts == ["right"]


def test_a_wrong_password_is_one_attempt(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "hunter2")
    with pytest.raises(AuthenticationFailed, match=r"web-1.*not tried again") as caught:
        doors.enter()
    assert doors.attempts == ["hunter2"]
    assert doors.connections == 1
    assert "hunter2" not in str(caught.value)


def test_a_server_that_asks_again_gets_no_second_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "hunter2")
    with Doors(tmp_path, "kbdint") as doors:
        doors.insistent = True
        with pytest.raises((AuthenticationFailed, TimedOut)):
            doors.enter()
        assert doors.attempts == ["hunter2"]


def test_a_server_that_hangs_up_on_a_password_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "hunter2")
    with Doors(tmp_path, "password") as doors:
        doors.hang_up = True
        with pytest.raises(AuthenticationFailed, match="not tried again"):
            doors.enter()
        assert doors.attempts == ["hunter2"]


def test_a_machine_that_takes_no_passwords_gets_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PASSWORD", "hunter2")
    with Sshd(tmp_path / "m", settings=NO_PASSWORDS) as closed:
        with pytest.raises(AuthenticationFailed, match="it asks for publickey"):
            greet(closed, key=None, password="env:PASSWORD")
        assert "Failed password" not in closed.log()


def test_a_key_and_a_password_are_both_given_where_both_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The password is wrong here; what counts is that it was asked for after the key."""
    monkeypatch.setenv("PASSWORD", "hunter2")
    settings = ("AuthenticationMethods publickey,password", "PasswordAuthentication yes")
    with Sshd(tmp_path / "m", settings=settings) as strict:
        with pytest.raises(AuthenticationFailed, match="tried the password"):
            greet(strict, password="env:PASSWORD")
        assert strict.log().count("Partial publickey") == 1
        assert strict.log().count("Failed password") == 1


def test_a_link_cut_during_the_login_is_no_refusal_of_a_key(tmp_path: Path) -> None:
    """A machine that goes down or comes up closes links in mid-login; it is asked again."""
    settings = (
        "AuthorizedKeysCommand /bin/sh -c 'kill -9 $PPID'",
        "AuthorizedKeysCommandUser root",
    )
    with Sshd(tmp_path / "m", settings=settings) as server:
        (server.folder / "authorized").write_text("")
        with pytest.raises(Unreachable, match="during the log-in"):
            greet(server)
