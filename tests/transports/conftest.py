"""A real OpenSSH server, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from patchyard.transports import Transport
from tests.sshd import Sshd

SOON = timedelta(seconds=15)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("machine")) as running:
        yield running


@pytest.fixture
def transport(server: Sshd) -> Iterator[Transport]:
    link = server.open()
    yield link
    link.close()
