"""Every way to log in, by the real pywinrm over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from requests_credssp.exceptions import NTStatusException  # type: ignore[import-untyped]
from winrm.exceptions import InvalidCredentialsError, WinRMTransportError
from winrm.protocol import Protocol

from patchyard.testing.windows.winrm import Account, Authority, Issued, Realm, Settings, WinrmServer
from tests.testing.winrm.computers import FakeComputer, hello
from tests.testing.winrm.conftest import Connect
from tests.testing.winrm.realms import HOST, kinit
from tests.testing.winrm.talking import ADMIN
from tests.transports.winrm_yard import collect_sockets

# The standard library forgets a socket whose other end hangs up before the TLS handshake.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")

ALL: Any = frozenset({"basic", "negotiate", "kerberos", "credssp", "certificate"})


@pytest.fixture
def person(authority: Authority) -> Issued:
    return authority.client("admin@corp.test")


@pytest.fixture
def server(
    authority: Authority, person: Issued, realm: Realm, tmp_path: Path
) -> Iterator[WinrmServer]:
    account = Account("Administrator", "Passw0rd!", "admin@CORP.TEST", person.fingerprint)
    settings = Settings(methods=ALL, host=HOST, receive_bytes=4)
    with (
        realm.applied(f"FILE:{tmp_path}/cache"),
        WinrmServer(
            FakeComputer(hello),
            [account],
            settings,
            https=0,
            certificate=authority.server("127.0.0.1"),
            clients=authority.path,
        ) as running,
    ):
        yield running


def run(protocol: Protocol) -> tuple[bytes, bytes, int]:
    """Use every action once, with input of a size that CredSSP seals in several pieces."""
    shell = protocol.open_shell(codepage=65001, noprofile=True)
    command = protocol.run_command(
        shell, "hello", ["a"], console_mode_stdin=False, skip_cmd_shell=True
    )
    protocol.send_command_input(shell, command, b"x" * 60_000, end=True)
    said = protocol.get_command_output(shell, command)
    protocol.cleanup_command(shell, command)
    protocol.close_shell(shell)
    return said


@pytest.mark.parametrize(
    ("scheme", "transport", "more"),
    [
        ("http", "ntlm", {}),
        ("https", "ntlm", {}),
        ("http", "ntlm", {"username": "WIN01\\Administrator"}),
        ("http", "ntlm", {"username": ".\\administrator"}),
        ("https", "basic", {}),
        ("http", "kerberos", {"username": "admin@CORP.TEST"}),
        ("https", "kerberos", {"username": "admin@CORP.TEST"}),
        ("http", "credssp", {}),
        ("https", "credssp", {}),
        ("https", "certificate", {}),
    ],
)
def test_pywinrm_logs_in_and_runs_a_command(
    server: WinrmServer,
    connect: Connect,
    person: Issued,
    scheme: str,
    transport: str,
    more: dict[str, str],
) -> None:
    if transport == "kerberos":
        kinit("admin")
    if transport == "certificate":
        more = {"cert_pem": str(person.certificate), "cert_key_pem": str(person.key)}
    assert run(connect(server, scheme, transport=transport, **more)) == (
        "Grüße 漢".encode(),
        b"careful",
        3,
    )
    assert set(server.counts.users) == {"Administrator"}
    assert (server.counts.refused, server.counts.unsealed, server.shells_open) == (0, 0, 0)
    assert server.counts.refusals == []


@pytest.mark.parametrize(
    ("scheme", "transport"),
    [("http", "ntlm"), ("https", "ntlm"), ("https", "basic"), ("http", "credssp")],
)
def test_a_wrong_password_is_one_refused_attempt(
    server: WinrmServer, connect: Connect, scheme: str, transport: str
) -> None:
    protocol = connect(server, scheme, transport=transport, password="wrong")
    with pytest.raises((InvalidCredentialsError, NTStatusException)):
        protocol.open_shell()
    collect_sockets()  # requests_credssp leaves one half read
    assert (server.counts.attempts, server.counts.refused, server.counts.users) == (1, 1, [])


def test_a_user_that_is_unknown_is_refused(server: WinrmServer, connect: Connect) -> None:
    with pytest.raises(InvalidCredentialsError):
        connect(server, username="nobody").open_shell()
    assert server.counts.refused == 1


def test_a_ticket_of_a_user_without_an_account_is_refused(
    server: WinrmServer, connect: Connect
) -> None:
    kinit("guest")
    with pytest.raises(InvalidCredentialsError):
        connect(server, transport="kerberos", username="guest@CORP.TEST").open_shell()
    assert server.counts.users == []


def test_a_certificate_that_is_nobodys_is_refused(
    server: WinrmServer, connect: Connect, authority: Authority
) -> None:
    other = authority.client("other@corp.test", file="other")
    protocol = connect(
        server,
        "https",
        transport="certificate",
        cert_pem=str(other.certificate),
        cert_key_pem=str(other.key),
    )
    with pytest.raises(InvalidCredentialsError):
        protocol.open_shell()


def test_a_certificate_of_another_authority_gets_no_tls(
    server: WinrmServer, connect: Connect, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other", "Another authority").client("admin@corp.test")
    protocol = connect(
        server,
        "https",
        transport="certificate",
        cert_pem=str(other.certificate),
        cert_key_pem=str(other.key),
    )
    with pytest.raises(requests.ConnectionError):
        protocol.open_shell()
    assert server.counts.attempts == 0


def test_what_is_switched_off_is_not_offered(connect: Connect) -> None:
    settings = Settings(methods=frozenset({"kerberos"}), host=HOST)
    with WinrmServer(FakeComputer(hello), [ADMIN], settings) as server:
        with pytest.raises(InvalidCredentialsError):
            connect(server, transport="basic").open_shell()
        with pytest.raises((InvalidCredentialsError, PermissionError)):
            connect(server, transport="ntlm").open_shell()
        assert server.counts.users == []


def test_a_plain_message_over_http_is_refused_with_and_without_ntlm(connect: Connect) -> None:
    """AllowUnencrypted=false, as every new Windows has it."""
    methods: Any = frozenset({"basic", "negotiate"})
    with WinrmServer(FakeComputer(hello), [ADMIN], Settings(methods=methods)) as server:
        with pytest.raises(InvalidCredentialsError):
            connect(server, transport="basic").open_shell()
        with pytest.raises(WinRMTransportError) as caught:
            connect(server, message_encryption="never").open_shell()
        assert (caught.value.code, server.counts.unsealed) == (500, 1)
        assert server.counts.shells == 0


def test_a_binding_to_another_channel_is_refused(
    server: WinrmServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("requests_ntlm.requests_ntlm._get_certificate_hash", lambda _der: b"x" * 32)
    with pytest.raises(InvalidCredentialsError):
        connect(server, "https").open_shell()
    assert server.counts.refused == 1


@pytest.mark.parametrize("hardening", ["none", "relaxed", "strict"])
@pytest.mark.parametrize("transport", ["ntlm", "kerberos"])
def test_a_client_without_a_binding_is_let_in_unless_that_is_strict(
    authority: Authority,
    realm: Realm,
    connect: Connect,
    tmp_path: Path,
    transport: str,
    hardening: Any,
) -> None:
    account = Account("Administrator", "Passw0rd!", "admin@CORP.TEST")
    settings = Settings(channel_binding=hardening, host=HOST)
    own = authority.server("127.0.0.1")
    with (
        realm.applied(f"FILE:{tmp_path}/cache"),
        WinrmServer(FakeComputer(hello), [account], settings, https=0, certificate=own) as server,
    ):
        kinit("admin")
        user = "admin@CORP.TEST" if transport == "kerberos" else "Administrator"
        protocol = connect(server, "https", transport=transport, username=user, send_cbt=False)
        if hardening == "strict":
            with pytest.raises(InvalidCredentialsError):
                protocol.open_shell()
            assert server.counts.users == []
        else:
            run(protocol)
        run(connect(server, "https", transport=transport, username=user))


def test_a_clock_that_is_wrong_makes_kerberos_fail_and_ntlm_not(
    realm: Realm, connect: Connect, tmp_path: Path
) -> None:
    account = Account("Administrator", "Passw0rd!", "admin@CORP.TEST")
    settings = Settings(host=HOST, clock_offset=timedelta(minutes=6))
    with (
        realm.applied(f"FILE:{tmp_path}/cache"),
        WinrmServer(FakeComputer(hello), [account], settings) as server,
    ):
        kinit("admin")
        with pytest.raises(InvalidCredentialsError):
            connect(server, transport="kerberos", username="admin@CORP.TEST").open_shell()
        run(connect(server))
