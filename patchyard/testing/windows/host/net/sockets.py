"""System.Net: a TcpClient and the name service, as far as checks need them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.net.common import inside_of
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.convert import to_int
from patchyard.testing.windows.powershell.errors import NetError
from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import NOTHING, Value

if TYPE_CHECKING:
    from patchyard.testing.windows.host.inside import Inside
    from patchyard.testing.windows.powershell.runtime import Runtime

SOCKET = "System.Net.Sockets.SocketException"
LOCAL = {"127.0.0.1", "localhost", "::1"}


def reaches(inside: Inside, host: str, port: int) -> bool:
    """True where a connection is accepted; other computers are told in `reachable`.

    Raises:
        NotSimulated: nothing was told about that other computer.
    """
    if host.lower() in LOCAL or host.lower() == inside.computer.name.lower():
        return port in inside.computer.listening
    known = inside.computer.reachable
    if (host.lower(), port) not in known:
        raise NotSimulated(f"whether {host}:{port} can be reached")
    return known[host.lower(), port]


class TcpClient(NetObject):
    """System.Net.Sockets.TcpClient."""

    net = NetInfo("System.Net.Sockets.TcpClient", base=kinds.OBJECT)

    def __init__(self, inside: Inside) -> None:
        self.inside = inside
        self.connected = False

    net.property("Connected")(lambda target: target.connected)

    def connect(self, host: str, port: int) -> None:
        """Connect.

        Raises:
            NetError: nobody listens there.
        """
        if not reaches(self.inside, host, port):
            raise NetError(
                SOCKET,
                "No connection could be made because the target machine actively"
                f" refused it {host}:{port}",
                0x80004005,
            )
        self.connected = True

    @net.method("Connect")
    def _connect(self, _rt: Value, host: Value, port: Value) -> Value:
        self.connect(text_of(host), to_int(port))
        return NOTHING

    @net.method("ConnectAsync")
    def _connect_async(self, _rt: Value, host: Value, port: Value) -> Value:
        return Waiting(self, text_of(host), to_int(port))

    @net.method("BeginConnect")
    def _begin(self, _rt: Value, host: Value, port: Value, *_more: Value) -> Value:
        return Waiting(self, text_of(host), to_int(port))

    @net.method("EndConnect")
    def _end(self, _rt: Value, waiting: Value) -> Value:
        self.connect(waiting.host, waiting.port)
        return NOTHING

    @net.method("Close")
    def _close(self, _rt: Value) -> Value:
        self.connected = False
        return NOTHING

    @net.method("Dispose")
    def _dispose(self, _rt: Value) -> Value:
        self.connected = False
        return NOTHING


TcpClient.net.constructor(lambda rt: TcpClient(inside_of(rt)))


class Waiting(NetObject):
    """A connection under way: a Task, or an IAsyncResult with its wait handle."""

    net = NetInfo("System.Threading.Tasks.Task", base=kinds.OBJECT)

    def __init__(self, client: TcpClient, host: str, port: int) -> None:
        self.client, self.host, self.port = client, host, port

    def wait(self) -> bool:
        """Let it come to its end; a refusal is at once."""
        self.client.connected = reaches(self.client.inside, self.host, self.port)
        return True

    net.property("AsyncWaitHandle")(lambda target: target)
    net.method("WaitOne")(lambda target, _rt, *_given: target.wait())

    @net.method("Wait")
    def _wait(self, _rt: Value, _milliseconds: Value = -1) -> Value:
        self.client.connect(self.host, self.port)
        return True


DNS = NetInfo("System.Net.Dns", base=kinds.OBJECT)


@DNS.static("GetHostAddresses")
def _addresses(rt: Runtime, name: Value) -> Value:
    known = inside_of(rt).computer.names
    if text_of(name).lower() not in known:
        raise NetError(SOCKET, "No such host is known", 0x80004005)
    return list(known[text_of(name).lower()])


@DNS.static("GetHostName")
def _host_name(rt: Runtime) -> Value:
    return inside_of(rt).computer.name
