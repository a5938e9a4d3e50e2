"""The WinRM server of one simulated computer."""

from __future__ import annotations

import hashlib
import ssl
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from patchyard.testing.windows.base import Computer
from patchyard.testing.windows.winrm.actions import Actions
from patchyard.testing.windows.winrm.certificates import Issued
from patchyard.testing.windows.winrm.counts import Counts
from patchyard.testing.windows.winrm.faults import CONNECT, Fault, Faults
from patchyard.testing.windows.winrm.listener import Listener
from patchyard.testing.windows.winrm.login import Channel, Gate
from patchyard.testing.windows.winrm.peer import Gone, Peer
from patchyard.testing.windows.winrm.service import House, Service
from patchyard.testing.windows.winrm.settings import Account, Settings
from patchyard.testing.windows.winrm.shells import Shells


class WinrmServer:
    """Serves one computer over HTTP, HTTPS or both, until it is closed.

    Args:
        computer: what is served.
        accounts: who may log in.
        settings: how the service is set up.
        address: where it listens, in 127.0.0.0/8.
        http: the port for HTTP; 0 for any free one, None for none.
        https: the same for HTTPS; needs a certificate.
        certificate: the server's own, with its key.
        clients: the authority whose client certificates are taken (a PEM file), if any.
    """

    def __init__(
        self,
        computer: Computer,
        accounts: Sequence[Account],
        settings: Settings | None = None,
        *,
        address: str = "127.0.0.1",
        http: int | None = 0,
        https: int | None = None,
        certificate: Issued | None = None,
        clients: Path | None = None,
    ) -> None:
        self.computer = computer
        self.address = address
        self.faults = Faults()
        self.counts = Counts()
        self._settings = settings or Settings()
        self._folder = tempfile.TemporaryDirectory(prefix="winrm-")
        users = Path(self._folder.name) / "users"
        self._shells = Shells(computer, self._settings)
        self._house = House(
            computer=computer,
            settings=self._settings,
            gate=Gate(self._settings, accounts, self.counts, users=users, computer=computer.name),
            actions=Actions(computer, self._settings, self._shells, self.counts),
            faults=self.faults,
            counts=self.counts,
            ended=threading.Event(),
        )
        self._tls = _context(certificate, clients) if certificate else None
        self._binding = hashlib.sha256(certificate.der).digest() if certificate else b""
        self._http = self._listen(http, tls=False)
        self._https = self._listen(https, tls=True)

    def _listen(self, port: int | None, *, tls: bool) -> Listener | None:
        if port is None:
            return None
        if tls and self._tls is None:
            raise ValueError("HTTPS needs a certificate")
        serve = self._serve_tls if tls else self._serve
        return Listener(self.address, port, up=self._up, serve=serve)

    @property
    def http_port(self) -> int:
        """The port for HTTP; 0 for none."""
        return self._http.port if self._http else 0

    @property
    def https_port(self) -> int:
        """The port for HTTPS; 0 for none."""
        return self._https.port if self._https else 0

    @property
    def shells_open(self) -> int:
        """How many shells there are now."""
        return self._shells.open

    def _up(self) -> bool:
        power = self.computer.power
        return power == "up" or (power == "starting" and bool(self._settings.while_starting))

    def _serve(self, peer: Peer) -> None:
        self._connected(peer)
        self._talk(peer, Channel())

    def _serve_tls(self, peer: Peer) -> None:
        self._connected(peer)
        assert self._tls is not None  # noqa: S101 - _listen has seen to it
        peer.secure(self._tls)
        self._talk(peer, Channel(self._binding, peer.certificate))

    def _connected(self, peer: Peer) -> None:
        self.counts.add("connections")
        injected = self.faults.take_connection()
        if injected is None:
            return
        if injected.kind is Fault.RESET_BEFORE:
            peer.reset()
        raise Gone(f"{injected.kind} at {CONNECT}, as ordered")

    def _talk(self, peer: Peer, channel: Channel) -> None:
        Service(peer, channel, self._house).serve()

    def drop(self) -> None:
        """Cut all connections, as a device on the way does that forgets them. Shells stay."""
        for listener in (self._http, self._https):
            if listener is not None:
                listener.drop()

    def restart(self) -> None:
        """Restart the service: its shells are gone, with all that runs in them, and its links."""
        self._shells.drop_all()
        self.drop()

    def change_password(self, name: str, password: str) -> None:
        """Give an account another password. Connections that are logged in stay so."""
        self._house.gate.change_password(name, password)

    def close(self) -> None:
        """End everything: connections, shells, and what runs in them."""
        self._house.ended.set()
        for listener in (self._http, self._https):
            if listener is not None:
                listener.close()
        self._shells.drop_all()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _context(certificate: Issued, clients: Path | None) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate.path)
    if clients is not None:
        made.verify_mode = ssl.CERT_OPTIONAL
        made.load_verify_locations(clients)
    return made
