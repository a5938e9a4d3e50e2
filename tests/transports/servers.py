"""Small servers that misbehave on purpose."""

from __future__ import annotations

import contextlib
import socket
import threading


class Listener:
    """Accepts connections, says one thing, and then hangs up or falls silent."""

    def __init__(self, answer: bytes, *, hang_up: bool = False) -> None:
        self._answer = answer
        self._hang_up = hang_up
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._socket.accept()
                peer.sendall(self._answer)
                if self._hang_up:
                    peer.shutdown(socket.SHUT_RDWR)
                self._held.append(peer)

    def __enter__(self) -> int:
        self._thread.start()
        return int(self._socket.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for peer in self._held:
            peer.close()
