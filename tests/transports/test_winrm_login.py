"""Logging in by WinRM: every way, each no told once, and nobody believed who proves nothing."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from winrm.transport import Transport

from patchyard.errors import (
    AuthenticationFailed,
    HostKeyRejected,
    MachineError,
    ProtocolError,
    TimedOut,
    Unreachable,
)
from patchyard.testing.windows.winrm import AUTHENTICATE, Authority, Fault, Settings
from patchyard.testing.windows.winrm.peer import HttpResponse
from patchyard.testing.windows.winrm.service import Service
from patchyard.transports import _winrm_wire
from tests.conftest import free_port
from tests.transports.servers import Listener
from tests.transports.winrm_yard import PASSWORD, Yard

SOON = timedelta(seconds=20)


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    with Yard(tmp_path) as made:
        yield made


def certificate(yard: Yard) -> dict[str, Any]:
    return {
        "user": None,
        "password": None,
        "winrm": {
            "certificate": str(yard.person.certificate),
            "certificate_key": f"file:{yard.person.key}",
        },
    }


@pytest.mark.parametrize(
    ("scheme", "auth"),
    [
        ("http", "ntlm"),
        ("https", "ntlm"),
        ("https", "basic"),
        ("http", "credssp"),
        ("https", "credssp"),
        ("https", "certificate"),
    ],
)
def test_every_way_to_log_in_works(yard: Yard, scheme: str, auth: str) -> None:
    more = certificate(yard) if auth == "certificate" else {}
    link = yard.open(scheme, auth, **more)
    script = "x" * 40_000
    assert link.run(script, timeout=SOON).stdout == f"{script}|{{}}"
    assert (yard.server.counts.refused, yard.server.counts.unsealed) == (0, 0)
    assert (yard.server.counts.connections, yard.server.shells_open) == (1, 0)


@pytest.mark.parametrize(
    ("scheme", "auth"),
    [("http", "ntlm"), ("https", "ntlm"), ("https", "basic"), ("http", "credssp")],
)
def test_a_wrong_password_is_offered_exactly_once(yard: Yard, scheme: str, auth: str) -> None:
    yard.write("password", "wrong")
    with pytest.raises(AuthenticationFailed, match=rf"'Administrator' by {auth} .*not tried again"):
        yard.open(scheme, auth)
    assert (yard.server.counts.attempts, yard.server.counts.refused) == (1, 1)
    assert yard.server.counts.users == []


def test_a_password_that_stops_working_is_not_offered_again_by_a_clean_up(yard: Yard) -> None:
    """A run is refused in its middle: ending its command and shell would be two more attempts."""
    link = yard.open("https", "basic")
    for action in ("Receive", "Signal", "Delete"):
        yard.server.faults.add(Fault.STATUS, action, status=401, times=9)
    before = yard.server.counts.attempts
    for _ in range(2):
        with pytest.raises(AuthenticationFailed):
            link.run("x", timeout=SOON)
    seen = yard.server.counts.actions
    assert (seen["Receive"], seen["Signal"], seen["Delete"], seen["Create"]) == (1, 0, 0, 1)
    assert yard.server.counts.attempts == before + 4  # Create, Command, Send, Receive


@pytest.mark.parametrize("auth", ["ntlm", "basic", "credssp", "kerberos"])
def test_a_way_that_is_not_offered_is_named(tmp_path: Path, auth: str) -> None:
    settings = Settings(methods=frozenset({"certificate"}))
    more = {"password": None} if auth == "kerberos" else {}
    with Yard(tmp_path, settings) as yard:
        with pytest.raises(AuthenticationFailed, match=f"takes no {auth}"):
            yard.open("https", auth, **more)
        assert yard.server.counts.attempts == 0


def test_ntlm_where_only_kerberos_is_taken_is_named(tmp_path: Path) -> None:
    settings = Settings(methods=frozenset({"kerberos"}))
    with Yard(tmp_path, settings) as yard, pytest.raises(AuthenticationFailed):
        yard.open("http", "ntlm")


def test_basic_over_http_is_refused_before_a_byte_is_sent(yard: Yard) -> None:
    with pytest.raises(MachineError, match=r"winrm\.scheme must be https, for auth is basic"):
        yard.open("http", "basic")
    assert yard.server.counts.connections == 0


def test_a_certificate_of_nobody_is_refused_once(yard: Yard) -> None:
    other = yard.authority.client("other@corp.test", file="other")
    more = certificate(yard)
    more["winrm"] = {
        "certificate": str(other.certificate),
        "certificate_key": f"file:{other.key}",
    }
    with pytest.raises(AuthenticationFailed, match="by certificate was refused"):
        yard.open("https", "certificate", **more)
    assert yard.server.counts.attempts == 1


def test_a_certificate_of_an_authority_it_does_not_know_is_told(yard: Yard, tmp_path: Path) -> None:
    other = Authority(tmp_path / "elsewhere", "Elsewhere").client("admin@corp.test")
    more = certificate(yard)
    more["winrm"] = {
        "certificate": str(other.certificate),
        "certificate_key": f"file:{other.key}",
    }
    with pytest.raises((AuthenticationFailed, Unreachable), match="win-1"):
        yard.open("https", "certificate", **more)
    assert yard.server.counts.attempts == 0


def test_a_client_key_is_on_no_disk_and_gone_after_closing(yard: Yard) -> None:
    link = yard.open("https", "certificate", **certificate(yard))
    assert len(_keys()) == 1
    link.run("x", timeout=SOON)
    link.close()
    assert _keys() == []


def _keys() -> list[str]:
    """The private keys that this process holds in memory files."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(str(descriptor.readlink()))
    return [name for name in found if "memfd:key" in name]


def test_a_server_of_another_authority_is_not_talked_to(yard: Yard, tmp_path: Path) -> None:
    other = Authority(tmp_path / "elsewhere", "Elsewhere")
    with pytest.raises(HostKeyRejected, match=r"certificate is not trusted.*connection.winrm.ca"):
        yard.open("https", winrm={"ca": str(other.path)})
    assert yard.server.counts.attempts == 0


def test_without_a_ca_the_public_ones_are_trusted_and_no_others(yard: Yard) -> None:
    with pytest.raises(HostKeyRejected, match="public ones"):
        yard.open("https", winrm={"ca": None})


def test_a_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    with (
        Yard(tmp_path, names=("elsewhere.corp.test", "127.0.0.2")) as yard,
        pytest.raises(HostKeyRejected, match="IP address mismatch"),
    ):
        yard.open("https")


def test_a_certificate_that_has_expired_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue = Authority.server
    monkeypatch.setattr(Authority, "server", lambda self, *names: issue(self, *names, expired=True))
    with Yard(tmp_path) as yard, pytest.raises(HostKeyRejected, match="expired"):
        yard.open("https")


def test_a_bundle_in_the_environment_is_not_trusted(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(yard.authority.path))
    with pytest.raises(HostKeyRejected):
        yard.open("https", winrm={"ca": None})
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    yard.open("https").run("x", timeout=SOON)


def test_proxies_of_the_environment_are_used_where_that_is_allowed_only(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
        monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for scheme in ("http", "https"):
        yard.open(scheme).run("x", timeout=SOON)
    with pytest.raises(Unreachable, match="proxy"):
        yard.open("https", winrm={"allow_proxy": True})


def test_a_netrc_does_not_log_in_for_us(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login Administrator password {PASSWORD}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    other = yard.authority.client("other@corp.test", file="other")
    more = certificate(yard)
    more["winrm"] = {
        "certificate": str(other.certificate),
        "certificate_key": f"file:{other.key}",
    }
    with pytest.raises(AuthenticationFailed):
        yard.open("https", "certificate", **more)
    assert yard.server.counts.users == []


def test_a_binding_to_another_channel_is_refused_once(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody in between would bring about, who has a certificate of his own."""
    monkeypatch.setattr("requests_ntlm.requests_ntlm._get_certificate_hash", lambda _der: b"x" * 32)
    with pytest.raises(AuthenticationFailed):
        yard.open("https")
    assert yard.server.counts.refused == 1


def test_a_binding_is_sent_where_it_is_required(tmp_path: Path) -> None:
    with Yard(tmp_path, Settings(channel_binding="strict")) as yard:
        yard.open("https").run("x", timeout=SOON)
        assert yard.server.counts.refused == 0


class _Plain(BaseHTTPRequestHandler):
    """Answers everything in the clear, as somebody in between would who knows no password."""

    status = 200
    body = b""
    headers_to_send: dict[str, str] = {}
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(self.status)
        for name, value in self.headers_to_send.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def plain() -> Iterator[type[_Plain]]:
    class Handler(_Plain):
        pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Handler.port = server.server_port  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Handler
    server.shutdown()
    thread.join()
    server.server_close()


IDENTITY = b"<s:Envelope xmlns:s='x'><IdentifyResponse/></s:Envelope>"


def test_an_answer_in_the_clear_is_not_believed_over_http(yard: Yard, plain: type[_Plain]) -> None:
    """It lets us in without asking who we are, and says what we want to hear."""
    plain.body = IDENTITY
    with pytest.raises(MachineError) as caught:
        yard.open("http", port=plain.port)  # type: ignore[attr-defined]
    assert isinstance(caught.value, ProtocolError | AuthenticationFailed | HostKeyRejected)


@pytest.mark.parametrize("auth", ["ntlm", "credssp"])
def test_an_answer_that_is_slipped_in_unsealed_is_not_believed(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, auth: str
) -> None:
    """Somebody in between lets the log-in pass, and then answers in the machine's place."""
    link = yard.open("http", auth)

    monkeypatch.setattr(Service, "_closed", lambda _self, response: response)
    with pytest.raises(ProtocolError, match=r"unsealed.*someone may be in between"):
        link.run("x", timeout=SOON)


@pytest.mark.parametrize("auth", ["ntlm", "credssp"])
def test_an_answer_whose_seal_is_broken_is_not_believed(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, auth: str
) -> None:
    link = yard.open("http", auth)
    written = HttpResponse.written

    def changed(self: HttpResponse, now: Any) -> bytes:
        whole = written(self, now)
        return whole[:-60] + bytes([whole[-60] ^ 1]) + whole[-59:]

    monkeypatch.setattr(HttpResponse, "written", changed)
    with pytest.raises(ProtocolError, match="seal of an answer is broken"):
        link.run("x", timeout=SOON)


def test_nothing_is_sent_in_the_clear_where_no_seal_was_agreed_on(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should a library ever come back from a log-in without one."""
    monkeypatch.setattr(Transport, "setup_encryption", lambda _self, _session: None)
    with pytest.raises(ProtocolError, match="no seal was agreed on"):
        yard.open("http")
    assert yard.server.counts.connections == 0


def test_a_closed_session_leaves_no_seal_behind(yard: Yard) -> None:
    wire = yard.open("http")._client._wire
    assert wire.encryption is not None
    wire.close_session()
    assert wire.encryption is None


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(yard: Yard, plain: type[_Plain], status: int) -> None:
    plain.status = status
    place = f"https://127.0.0.1:{yard.server.https_port}/wsman"
    plain.headers_to_send = {"Location": place}
    with pytest.raises(ProtocolError, match=f"HTTP {status}"):
        yard.open("http", port=plain.port)  # type: ignore[attr-defined]
    assert yard.server.counts.connections == 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, ProtocolError), (405, ProtocolError), (502, Unreachable), (503, Unreachable)],
)
def test_a_port_that_speaks_http_and_not_winrm_is_named(
    yard: Yard, plain: type[_Plain], status: int, kind: type[MachineError]
) -> None:
    plain.status, plain.body = status, b"<html>hello</html>"
    with pytest.raises(kind, match=f"win-1 .*HTTP {status}"):
        yard.open("http", port=plain.port)  # type: ignore[attr-defined]


def test_an_answer_without_end_is_not_read_to_it(
    yard: Yard, plain: type[_Plain], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_winrm_wire, "LARGEST", 100_000)
    plain.body = b"x" * 2_000_000
    with pytest.raises(ProtocolError, match="without end"):
        yard.open("http", port=plain.port)  # type: ignore[attr-defined]


def test_http_on_the_port_of_https_is_named(yard: Yard) -> None:
    with pytest.raises(ProtocolError, match="not TLS"):
        yard.open("https", port=yard.server.http_port)


def test_https_on_the_port_of_http_is_a_lost_link(yard: Yard) -> None:
    with pytest.raises(Unreachable):
        yard.open("http", port=yard.server.https_port)


def test_a_port_that_speaks_something_else_is_told(yard: Yard) -> None:
    with Listener(b"SSH-2.0-x\r\n", hang_up=True) as port, pytest.raises(MachineError, match="win"):
        yard.open("http", port=port)


def test_a_port_that_says_nothing_is_a_timeout(yard: Yard) -> None:
    limits = {"connect": 2, "auth": 0.5}
    for scheme in ("http", "https"):
        with Listener(b"") as port, pytest.raises(TimedOut, match="win-1"):
            yard.open(scheme, port=port, timeouts=limits)


def test_a_closed_port_is_unreachable(yard: Yard) -> None:
    with pytest.raises(Unreachable, match=r"win-1 \(127.0.0.1:\d+\): .*refused"):
        yard.open("https", port=free_port())


def test_a_name_that_is_unknown_is_unreachable(yard: Yard) -> None:
    machine = yard.machine("https").model_copy(update={"address": "nowhere.invalid"})
    with pytest.raises(Unreachable, match="cannot be resolved"):
        yard.open_machine(machine)


@pytest.mark.parametrize("auth", ["ntlm", "credssp"])
def test_a_log_in_that_breaks_off_is_no_refusal(yard: Yard, auth: str) -> None:
    """It is a machine that starts or has too much to do; no credential was judged."""
    yard.server.faults.add(Fault.STATUS, AUTHENTICATE, status=503, skip=1)
    with pytest.raises(Unreachable, match="win-1"):
        yard.open("http", auth)
    assert yard.server.counts.attempts == 0
    yard.open("http", auth).run("x", timeout=SOON)


class _Remember(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.names.add(record.name.split(".")[0])


def test_nothing_of_a_log_in_reaches_a_log(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """At level debug the libraries write down their tokens. Machine trouble is raised instead."""
    root, seen = logging.getLogger(), _Remember()
    monkeypatch.setattr(root, "handlers", [*root.handlers, seen])
    monkeypatch.setattr(root, "level", logging.DEBUG)
    for auth in ("ntlm", "credssp"):
        yard.open("http", auth).run("x", timeout=SOON)
    yard.write("password", "wrong")
    with pytest.raises(AuthenticationFailed):
        yard.open("http", "credssp")
    assert not seen.names & {"spnego", "winrm", "requests_credssp", "requests_ntlm"}


def test_a_library_that_is_missing_is_named(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_winrm_wire.NEEDS, "credssp", ("not_there_at_all", "requests-credssp"))
    with pytest.raises(AuthenticationFailed, match="needs the package requests-credssp"):
        yard.open("http", "credssp")


def test_what_only_some_ways_need_may_be_missing() -> None:
    """pykerberos and requests-credssp are compiled, or need what not everybody wants."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('kerberos', 'requests_credssp')));"
        "from patchyard.registry import load;"
        "from patchyard.transports import TransportSpec, _winrm_client;"
        "assert 'winrm' in load('patchyard.transports', 'TRANSPORT', TransportSpec)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
