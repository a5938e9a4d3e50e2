"""Small web servers on this machine: proper ones, and ones that misbehave."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Pages(BaseHTTPRequestHandler):
    """/ is well, /away redirects, /broken is not well."""

    def do_GET(self) -> None:
        status = {"/": 200, "/away": 302, "/query?a=b": 204}.get(self.path, 503)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/")
        page = b"" if status == 204 else b"all is well\n"
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base has it
        """Say nothing."""


@contextlib.contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client hung up
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def saying(*parts: bytes, pause: float = 0.0) -> Iterator[int]:
    """Answer one connection with these bytes, a pause after each, and then stay silent."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                peer, _ = listener.accept()
                with peer:
                    for part in parts:
                        peer.sendall(part)
                        over.wait(pause)
                    over.wait(20)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            over.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def certificate(folder: Path, name: str) -> ssl.SSLContext:
    """Make a certificate for a name or an address; it lies in `cert.pem`."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    line = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    line += ["-nodes", "-keyout", str(key), "-out", str(cert), "-days", "2"]
    line += ["-subj", "/CN=yard", "-addext", f"subjectAltName={name}"]
    subprocess.run(line, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def closed_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for_threads(prefix: str, seconds: float) -> bool:
    """Wait until no thread of that name is left; say whether that came about."""
    until = time.monotonic() + seconds
    while any(each.name.startswith(prefix) for each in threading.enumerate()):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True
