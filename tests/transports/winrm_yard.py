"""A WinRM machine on loopback, and links to it as an inventory would make them."""

from __future__ import annotations

import gc
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from patchyard.domain.inventory import Connection, Inventory, Machine
from patchyard.testing.windows.winrm import Account, Authority, Settings, WinrmServer
from patchyard.transports import open_transport
from patchyard.transports.winrm import WinrmTransport
from tests.testing.winrm.computers import FakeComputer
from tests.testing.winrm.powershell import Call, PowerShell
from tests.testing.winrm.realms import HOST

ALL: Any = frozenset({"basic", "negotiate", "kerberos", "credssp", "certificate"})
PASSWORD = "Passw0rd!"
QUICK = {"connect": 3, "auth": 10}


class Yard:
    """One machine with a PowerShell that knows the bootstrap; what opens is closed in the end."""

    def __init__(
        self, folder: Path, settings: Settings | None = None, *, names: tuple[str, ...] = ()
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.authority = Authority(folder / "authority")
        self.person = self.authority.client("admin@corp.test")
        self.powershell = PowerShell()
        self.computer = FakeComputer(self.powershell)
        account = Account(
            "Administrator", PASSWORD, "admin@CORP.TEST", certificate=self.person.fingerprint
        )
        self.server = WinrmServer(
            self.computer,
            [account],
            settings or Settings(methods=ALL, host=HOST),
            https=0,
            certificate=self.authority.server(*(names or ("127.0.0.1",))),
            clients=self.authority.path,
        )
        self.write("password", PASSWORD)
        self._links: list[WinrmTransport] = []

    def write(self, name: str, secret: str) -> str:
        """Write a secret; returns its reference."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(secret)
        return f"file:{name}"

    def machine(self, scheme: str = "http", auth: str = "ntlm", **changes: Any) -> Machine:
        """Return the machine as it stands in an inventory."""
        port = self.server.https_port if scheme == "https" else self.server.http_port
        winrm = {"scheme": scheme, "auth": auth, "ca": str(self.authority.path)}
        winrm |= changes.pop("winrm", {})
        written = {
            "transport": "winrm",
            "user": "Administrator",
            "password": "file:password",
            "port": port,
            "timeouts": QUICK,
            "winrm": winrm,
            **changes,
        }
        connection = Connection.model_validate(written)
        return Machine(
            name="win-1", address="127.0.0.1", os_family="windows", connection=connection
        )

    def open(self, scheme: str = "http", auth: str = "ntlm", **changes: Any) -> WinrmTransport:
        """Open a link."""
        return self.open_machine(self.machine(scheme, auth, **changes))

    def open_machine(self, machine: Machine) -> WinrmTransport:
        """Open a link to a machine."""
        inventory = Inventory(name="yard", folder=str(self.folder), machines=(machine,))
        link = open_transport(machine, inventory)
        assert isinstance(link, WinrmTransport)
        self._links.append(link)
        return link

    @property
    def scripts(self) -> list[str]:
        """The scripts that were begun, in order."""
        return [call.script for call in self.powershell.calls]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for link in self._links:
            link.close()
        self.server.close()
        if error is None:
            assert self.server.counts.refusals == []


def silent(_call: Call) -> None:
    """Answer nothing: the script runs on."""


def collect_sockets() -> None:
    """Let go of sockets that the standard library forgets.

    It loses one where the other end hangs up between the connection and the TLS handshake.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
