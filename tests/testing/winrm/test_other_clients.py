"""Clients that are not ours, so that the server is not made for one alone."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pypsrp.exceptions import AuthenticationError, WSManFaultError
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import WSMan

from patchyard.testing.windows.base import Program
from patchyard.testing.windows.winrm import Account, Authority, Code, Realm, Settings, WinrmServer
from tests.testing.winrm.computers import FakeComputer, Talk, hello, saying
from tests.testing.winrm.need import need
from tests.testing.winrm.realms import HOST, kinit
from tests.testing.winrm.talking import ADMIN, OPEN

ALL: Any = frozenset({"basic", "negotiate", "kerberos", "credssp"})


@pytest.fixture
def server(authority: Authority, realm: Realm, tmp_path: Path) -> Iterator[WinrmServer]:
    account = Account("Administrator", "Passw0rd!", "admin@CORP.TEST")
    with (
        realm.applied(f"FILE:{tmp_path}/cache"),
        WinrmServer(
            FakeComputer(hello),
            [account],
            Settings(methods=ALL, host=HOST, receive_bytes=5),
            https=0,
            certificate=authority.server("127.0.0.1"),
        ) as running,
    ):
        yield running


def pypsrp(server: WinrmServer, authority: Authority, *, ssl: bool, **more: Any) -> WSMan:
    settings: dict[str, Any] = {
        "cert_validation": str(authority.path),
        "username": "Administrator",
        "password": "Passw0rd!",
        "operation_timeout": 6,
        "read_timeout": 12,
        "no_proxy": True,
        "negotiate_hostname_override": HOST,
        "negotiate_service": "HTTP",
        **more,
    }
    return WSMan(
        "127.0.0.1",
        ssl=ssl,
        port=server.https_port if ssl else server.http_port,
        **settings,
    )


@pytest.mark.parametrize(
    ("auth", "ssl"),
    [
        ("basic", True),
        ("ntlm", False),
        ("ntlm", True),
        ("negotiate", False),
        ("kerberos", False),
        ("credssp", False),
    ],
)
def test_pypsrp_runs_a_command(
    server: WinrmServer, authority: Authority, auth: str, ssl: bool
) -> None:
    more = {"username": "admin@CORP.TEST", "password": None} if auth == "kerberos" else {}
    if auth == "kerberos":
        kinit("admin")
    with closing(pypsrp(server, authority, ssl=ssl, auth=auth, **more)) as wsman:
        wsman.update_max_payload_size()
        with WinRS(wsman, codepage=65001, no_profile=True, environment={"A": "1"}) as shell:
            process = Process(shell, "hello", ["a b", "c"], no_shell=True)
            process.begin_invoke()
            process.send(b"x" * 50_000, end=True)
            process.end_invoke()
            process.signal(SignalCode.TERMINATE)
    assert (process.stdout, process.stderr, process.rc) == (
        "Grüße 漢".encode(),
        b"careful",
        3,
    )
    assert (server.shells_open, server.counts.refused, server.counts.refusals) == (0, 0, [])


def test_pypsrp_sees_faults_and_refusals(server: WinrmServer, authority: Authority) -> None:
    with closing(pypsrp(server, authority, ssl=False, auth="ntlm")) as wsman:
        shell = WinRS(wsman)
        shell.open()
        with pytest.raises(WSManFaultError) as caught:
            shell.receive(command_id="NONE")
        assert caught.value.code == Code.SHELL_NOT_FOUND
    with (
        closing(pypsrp(server, authority, ssl=False, auth="ntlm", password="wrong")) as wsman,
        pytest.raises(AuthenticationError),
    ):
        WinRS(wsman).open()
    assert server.counts.refused == 1


class Files:
    """Knows what winrmcp sends: chunks of base64 by echo, and PowerShell that joins them."""

    def __init__(self) -> None:
        self.chunks: list[str] = []
        self.scripts: list[str] = []

    def __call__(self, command: str, arguments: Sequence[str]) -> Program | None:
        line = " ".join([command, *arguments])
        if found := re.search(r"echo\s+([A-Za-z0-9+/=]+)\s*>>", line):
            self.chunks.append(found[1])
            return saying()
        if found := re.search(r"-[Ee]ncodedCommand\s+(\S+)", line):
            self.scripts.append(base64.b64decode(found[1]).decode("utf-16-le"))
            return _Waits()
        return None


class _Waits(Talk):
    """PowerShell, which ends when its input does or nobody gives it any."""

    def __init__(self) -> None:
        super().__init__()
        self.say(exit_code=0)


def test_winrmcp_uploads_a_file(tmp_path: Path) -> None:
    """A client in Go: it writes durations in another way, and found bugs that pywinrm could not."""
    need([] if shutil.which("winrmcp") else ["winrmcp"], "winrmcp")
    content = bytes(range(256)) * 100
    (tmp_path / "file.bin").write_bytes(content)
    files = Files()
    with WinrmServer(FakeComputer(files), [ADMIN], replace(OPEN, receive_bytes=3)) as server:
        done = subprocess.run(
            [
                "winrmcp",
                f"-user={ADMIN.name}",
                f"-pass={ADMIN.password}",
                f"-addr=127.0.0.1:{server.http_port}",
                "-op-timeout=10s",
                str(tmp_path / "file.bin"),
                "C:/file.bin",
            ],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode() + str(server.counts)
        assert server.counts.refusals == []
        assert server.shells_open == 0
    assert base64.b64decode("".join(files.chunks)) == content
    assert files.scripts
