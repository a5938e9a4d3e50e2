"""A port of a computer: open while the computer has a network, refusing while it has none."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable

from patchyard.testing.windows.winrm.peer import Gone, Peer

LOOK = 0.05
"""Seconds between two looks at the computer's power."""
BACKLOG = 64
JOIN = 5.0


class Listener:
    """Takes connections on one address and port, each in a thread of its own."""

    def __init__(
        self, address: str, port: int, *, up: Callable[[], bool], serve: Callable[[Peer], None]
    ) -> None:
        self._up = up
        self._serve = serve
        self._peers: dict[Peer, threading.Thread] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.address = address
        self.port = port
        self._socket: socket.socket | None = self._listen()
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name=f"winrm {address}:{self.port}")
        self._thread.start()

    def _listen(self) -> socket.socket:
        return socket.create_server((self.address, self.port), backlog=BACKLOG)

    def _run(self) -> None:
        while not self._ended.is_set():
            if not self._up():
                self._go_down()
                self._ended.wait(LOOK)
                continue
            if self._socket is None:
                self._socket = self._listen()
            readable, _, _ = select.select([self._socket], [], [], LOOK)
            if readable and self._up() and not self._ended.is_set():
                with contextlib.suppress(OSError):
                    self._take(self._socket.accept()[0])
        self._go_down()

    def _take(self, raw: socket.socket) -> None:
        peer = Peer(raw)
        thread = threading.Thread(target=self._talk, args=(peer,), name=f"winrm peer {self.port}")
        with self._lock:
            self._peers[peer] = thread
        thread.start()

    def _talk(self, peer: Peer) -> None:
        try:
            with contextlib.suppress(Gone):
                self._serve(peer)
        finally:
            peer.close()
            with self._lock:
                self._peers.pop(peer, None)

    def _go_down(self) -> None:
        """Refuse new connections, and cut those there are."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self.drop()

    def drop(self) -> None:
        """Cut the connections there are, and go on taking new ones."""
        with self._lock:
            peers = dict(self._peers)
        for peer in peers:
            peer.cut()

    def close(self) -> None:
        """End the port and its connections, and wait for their threads."""
        self._ended.set()
        waiting = self._socket
        if waiting is not None:
            with contextlib.suppress(OSError):  # wakes the thread that waits for a connection
                waiting.shutdown(socket.SHUT_RDWR)
        self._thread.join(JOIN)
        with self._lock:
            peers = dict(self._peers)
        for peer, thread in peers.items():
            peer.cut()
            thread.join(JOIN)
