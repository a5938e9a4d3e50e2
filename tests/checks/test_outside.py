"""Asking from outside, and the same questions from the machine: real servers and connections."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from patchyard.domain.health import Answer, Outcome
from patchyard.domain.inventory import CheckSpec, Connection, Inventory, JumpHost, Machine
from patchyard.questions import ask
from patchyard.transports.base import open_transport
from tests.checks import servers

LOCAL = Connection(transport="local", sudo="none")
BEHIND = Connection(jump=(JumpHost(address="127.0.0.9"),))
TUNNEL = Connection(proxy_command="true")


def asked(kind: str, *, connection: Connection = LOCAL, **options: Any) -> Answer:
    spec = CheckSpec(kind=kind, options=options)
    machine = Machine(name="a", address="127.0.0.1", connection=connection, checks=(spec,))
    here = Machine(name="a", address="127.0.0.1", connection=LOCAL)
    link = open_transport(here, Inventory(name="x", folder=".", machines=()))
    try:
        (answer,) = ask(link, machine, nonce="n", timeout=timedelta(seconds=20))
    finally:
        link.close()
    return answer


both_ways = pytest.mark.parametrize("via", ["controller", "machine"])


@both_ways
def test_an_open_port_connects_and_a_closed_one_does_not(via: str) -> None:
    with servers.serving() as port:
        assert asked("tcp", port=port, via=via).outcome == Outcome.PASSED
    closed = asked("tcp", port=servers.closed_port(), via=via)
    assert (closed.outcome, closed.detail) == (Outcome.FAILED, "Connection refused")


@pytest.mark.parametrize("connection", [BEHIND, TUNNEL])
def test_a_machine_behind_another_host_is_asked_from_itself_or_not_at_all(
    connection: Connection,
) -> None:
    with servers.serving() as port:
        url = f"http://{{address}}:{port}/"
        outside = asked("tcp", connection=connection, port=port)
        assert outside.outcome == Outcome.UNKNOWN
        assert "via: machine" in outside.detail
        assert asked("http", connection=connection, url=url).outcome == Outcome.UNKNOWN
        assert asked("tcp", connection=connection, port=port, via="machine").outcome == "passed"
        assert asked("http", connection=connection, url=url, via="machine").outcome == "passed"
        other = asked("tcp", connection=connection, port=port, host="localhost")
        assert other.outcome == Outcome.PASSED


def test_a_name_that_the_controller_cannot_resolve_is_no_bad_news_of_the_machine() -> None:
    assert asked("tcp", port=1, host="nonesuch.invalid").outcome == Outcome.UNKNOWN
    assert asked("http", url="http://nonesuch.invalid/").outcome == Outcome.UNKNOWN


@both_ways
@pytest.mark.parametrize(
    ("path", "options", "outcome"),
    [
        ("/", {}, Outcome.PASSED),
        ("", {}, Outcome.PASSED),
        ("/", {"contains": "is well"}, Outcome.PASSED),
        ("/", {"contains": "is bad"}, Outcome.FAILED),
        ("/", {"status": [204, 302]}, Outcome.FAILED),
        ("/away", {}, Outcome.FAILED),
        ("/away", {"status": 302}, Outcome.PASSED),
        ("/query?a=b", {"status": [200, 204]}, Outcome.PASSED),
        ("/broken", {}, Outcome.FAILED),
        ("/broken", {"contains": "is well"}, Outcome.FAILED),
    ],
)
def test_a_page_is_judged_by_status_and_text(
    via: str, path: str, options: dict[str, Any], outcome: Outcome
) -> None:
    with servers.serving() as port:
        found = asked("http", url=f"http://{{address}}:{port}{path}", via=via, **options)
    assert found.outcome == outcome, found.detail


@both_ways
def test_no_server_and_no_http_are_failures(via: str) -> None:
    url = f"http://127.0.0.1:{servers.closed_port()}/"
    assert asked("http", url=url, via=via).outcome == Outcome.FAILED
    with servers.saying(b"SSH-2.0-OpenSSH_9.2\r\n") as port:
        found = asked("http", url=f"http://127.0.0.1:{port}/", via=via, timeout=1.0)
    assert found.outcome != Outcome.PASSED


@both_ways
def test_no_proxy_of_the_environment_is_asked(via: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{servers.closed_port()}")
    with servers.serving() as port:
        assert asked("http", url=f"http://127.0.0.1:{port}/", via=via).outcome == Outcome.PASSED


@both_ways
def test_a_certificate_is_checked_unless_told_otherwise(via: str, tmp_path: Path) -> None:
    with servers.serving(servers.certificate(tmp_path, "IP:127.0.0.1")) as port:
        url = f"https://127.0.0.1:{port}/"
        unknown_authority = asked("http", url=url, via=via)
        assert unknown_authority.outcome == Outcome.FAILED
        assert "certificate" in unknown_authority.detail
        assert asked("http", url=url, via=via, verify=False).outcome == Outcome.PASSED
        ca = str(tmp_path / "cert.pem")
        assert asked("http", url=url, via=via, ca=ca).outcome == Outcome.PASSED


@both_ways
def test_a_certificate_for_another_name_is_refused(via: str, tmp_path: Path) -> None:
    with servers.serving(servers.certificate(tmp_path, "DNS:other.example")) as port:
        ca = str(tmp_path / "cert.pem")
        found = asked("http", url=f"https://127.0.0.1:{port}/", via=via, ca=ca)
    assert found.outcome == Outcome.FAILED


@both_ways
def test_certificates_that_are_not_there_are_no_bad_news_of_the_machine(
    via: str, tmp_path: Path
) -> None:
    with servers.serving(servers.certificate(tmp_path, "IP:127.0.0.1")) as port:
        found = asked("http", url=f"https://127.0.0.1:{port}/", via=via, ca="/nonesuch/ca.pem")
    assert found.outcome == Outcome.UNKNOWN


@both_ways
@pytest.mark.parametrize(
    "parts",
    [
        (),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"abc"),
        tuple(bytes([letter]) for letter in b"HTTP/1.1 200 OK\r\nServer: slow and slower\r\n"),
    ],
)
def test_silence_and_a_page_that_drips_end_in_time(via: str, parts: tuple[bytes, ...]) -> None:
    with servers.saying(*parts, pause=0.3) as port:
        began = time.monotonic()
        url = f"http://127.0.0.1:{port}/"
        found = asked("http", url=url, via=via, timeout=1.0, contains="abcdefghi")
        assert time.monotonic() - began < 3
        assert found.outcome == Outcome.FAILED
        assert servers.wait_for_threads("check http", 1)
