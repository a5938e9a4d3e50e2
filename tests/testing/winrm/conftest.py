"""Certificates and a Kerberos realm, made once; pywinrm as tests of the server use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from winrm.protocol import Protocol

from patchyard.testing.windows.winrm import Authority, Realm, WinrmServer
from tests.testing.winrm.realms import HOST, begin

Connect = Callable[..., Protocol]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    with begin(tmp_path_factory.mktemp("realm")) as running:
        yield running


@pytest.fixture
def connect(authority: Authority) -> Iterator[Connect]:
    """Connect by pywinrm, over http or https, and close in the end."""
    opened: list[Protocol] = []

    def make(server: WinrmServer, scheme: str = "http", **more: Any) -> Protocol:
        port = server.https_port if scheme == "https" else server.http_port
        settings: dict[str, Any] = {
            "transport": "ntlm",
            "username": "Administrator",
            "password": "Passw0rd!",
            "read_timeout_sec": 12,
            "operation_timeout_sec": 6,
            "ca_trust_path": str(authority.path),
            "proxy": None,
            "kerberos_hostname_override": HOST,
        }
        protocol = Protocol(f"{scheme}://127.0.0.1:{port}/wsman", **{**settings, **more})
        opened.append(protocol)
        return protocol

    yield make
    for protocol in opened:
        protocol.transport.close_session()
