"""The router of a yard's private network: one way in, one way out, both by relaying.

A private network is a network namespace in which only loopback is up, so nothing of the box can
reach a machine in it. The relay stands in both: it carries connections to the gateway's address
inwards, and serves an HTTP proxy inside through which apt reaches the mirror. Nothing is routed,
no interface or firewall rule of the box is touched.
"""

import asyncio
import ctypes
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from tests.yard.processes import Process

PROXY_PORT = 3128
NEW_NETWORK = 0x40000000  # CLONE_NEWNET
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextmanager
def inside(network: str) -> Iterator[None]:
    """Make sockets in a named network namespace; they stay there for good."""
    setns = ctypes.CDLL(None, use_errno=True).setns
    with (
        Path("/proc/self/ns/net").open("rb") as home,
        Path(f"/run/netns/{network}").open("rb") as there,
    ):
        if setns(there.fileno(), NEW_NETWORK) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            setns(home.fileno(), NEW_NETWORK)


def listener(address: str, port: int) -> socket.socket:
    """A listening socket in the network of the moment."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen(64)
    return sock


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one direction until it ends, then say so to the other side."""
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.write_eof()


async def join(one: Streams, other: Streams) -> None:
    """Carry both directions until both have ended."""
    try:
        await asyncio.gather(carry(one[0], other[1]), carry(other[0], one[1]))
    finally:
        one[1].close()
        other[1].close()


class Relay:
    """Relays for one private network and its gateway."""

    def __init__(self, network: str, gateway: str, upstream: str | None) -> None:
        self.network = network
        self.gateway = gateway
        self.upstream = upstream

    async def serve(self) -> None:
        """Serve both ways until the process is ended."""
        with inside(self.network):
            proxy = listener("127.0.0.1", PROXY_PORT)
        await asyncio.start_server(self.go_out, sock=proxy)
        await asyncio.start_server(self.come_in, sock=listener(self.gateway, 22))

    async def come_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry a connection to the gateway into the private network."""
        with inside(self.network):
            sock = socket.socket()
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (self.gateway, 22))
        except OSError:
            sock.close()
            writer.close()
            return
        await join((reader, writer), await asyncio.open_connection(sock=sock))

    async def go_out(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request of a client inside, through the box's own proxy if it has one."""
        try:
            if self.upstream is not None:
                way = urlsplit(self.upstream)
                out = await asyncio.open_connection(way.hostname, way.port or 3128)
            else:
                out = await self._open_origin(reader, writer)
        except (OSError, ValueError, asyncio.IncompleteReadError):
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n")
            writer.close()
            return
        await join((reader, writer), out)

    async def _open_origin(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Streams:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.rstrip().split("\r\n")
        verb, target, version = line.split()
        if verb == "CONNECT":
            host, _, port = target.rpartition(":")
            out = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            return out
        way = urlsplit(target)
        out = await asyncio.open_connection(way.hostname, way.port or 80)
        path = way.path + (f"?{way.query}" if way.query else "")
        kept = [field for field in fields if "connection:" not in field.lower()]
        request = [f"{verb} {path} {version}", *kept, "Connection: close", "", ""]
        out[1].write("\r\n".join(request).encode("latin-1"))
        return out


async def owner_gone(owner: str) -> None:
    """Wait until the owner has ended; for ever when there is none."""
    gone = asyncio.Event()
    if owner != "-":
        with suppress(ProcessLookupError):
            asyncio.get_running_loop().add_reader(os.pidfd_open(int(owner)), gone.set)
    await gone.wait()


async def main(record: str, network: str, gateway: str, owner: str, upstream: str) -> None:
    """Relay until ended; when the owner is gone, take the private network away as well."""
    await Relay(network, gateway, None if upstream == "-" else upstream).serve()
    me = Process.of(os.getpid())
    if me is not None:
        me.record(Path(record))
    await owner_gone(owner)
    deletion = await asyncio.create_subprocess_exec("ip", "netns", "delete", network)
    await deletion.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
