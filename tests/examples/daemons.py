"""The real HAProxy and Alertmanager: in a temporary folder, on loopback, ended by pid."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import free_port

START_SECONDS = 30


def until(what: str, true: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    """Wait for what comes about in a while."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not so after {seconds} s"
        time.sleep(0.05)


def program(name: str) -> str:
    """Return where a daemon is; its test is skipped where it is not installed."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(f"needs {name} (apt-get install {name})")
    return found


@contextmanager
def _running(argv: Sequence[str], log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    with log.open("wb") as told:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=told, stderr=told)
    try:
        until(log.name, lambda: process.poll() is not None or ready())
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


# --- HAProxy ---

ADMIN_STATES = {0: "ready", 1: "maint", 8: "drain"}
"""What an administrator wants of a server, as `show servers state` has it."""

HAPROXY = """\
global
  stats socket {folder}/admin mode 600 level admin
  stats socket ipv4@127.0.0.1:{admin} level admin
  stats socket {folder}/operator mode 600 level operator
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  option redispatch
frontend front
  bind 127.0.0.1:{front}
  default_backend web
backend web
  cookie SERVER insert indirect nocache
  option httpchk GET /
  default-server inter {inter} rise 2 fall 2
{servers}
backend plain
  server one 127.0.0.1:{front}
backend tracks
  server one 127.0.0.1:{front} track web/{first}
"""


class Server:
    """A web server behind HAProxy. A request for /slow is answered once it is let go."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.served = 0
        self.slow = threading.Event()
        self.go = threading.Event()
        self.well = True

    def answer(self, path: str) -> int:
        """Answer a request; health checks ask for the root."""
        if path == "/slow":
            self.slow.set()
            assert self.go.wait(60)
        self.served += path != "/"
        return 200 if self.well else 503

    @contextmanager
    def serving(self) -> Iterator[int]:
        """Serve on a port of the loopback address."""
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status = told.answer(self.path)
                with suppress(ConnectionError):  # a health check has heard enough by the status
                    self.send_response(status)
                    self.end_headers()
                    self.wfile.write(told.name.encode())

            def log_message(self, *_told: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            yield int(server.server_address[1])
            self.go.set()
            server.shutdown()
            thread.join(5)


@dataclass
class HAProxy:
    """A running HAProxy: its sockets, its front, and what it tells."""

    folder: Path
    admin: str
    front: str
    servers: dict[str, Server] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The admin socket's path."""
        return str(self.folder / "admin")

    def ask(self, command: str) -> str:
        """Ask the admin socket."""
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(self.where)
            link.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: link.recv(65536), b"")).decode()

    def states(self) -> dict[str, str]:
        """Return each server's state, as an administrator has set it."""
        _, names, *rows = self.ask("show servers state web").splitlines()
        table = csv.DictReader(rows, names.removeprefix("# ").split(), delimiter=" ")
        return {row["srv_name"]: ADMIN_STATES[int(row["srv_admin_state"])] for row in table}

    def status(self, name: str, backend: str = "web") -> str:
        """Return whether HAProxy gives a server requests, and why not."""
        table = csv.DictReader(io.StringIO(self.ask("show stat").removeprefix("# ")))
        rows = {(row["pxname"], row["svname"]): row["status"] for row in table}
        return rows[backend, name]

    def get(self, path: str = "/page", bound_to: str = "") -> str:
        """Ask for a page at the front, as a client that a cookie binds to a server."""
        request = urllib.request.Request(self.front + path)
        if bound_to:
            request.add_header("Cookie", f"SERVER={bound_to}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(answer.read().decode())


@contextmanager
def haproxy(folder: Path, *names: str, inter: str = "100ms") -> Iterator[HAProxy]:
    """Run HAProxy before web servers with these names."""
    binary = program("haproxy")
    servers = {name: Server(name) for name in names}
    admin, front = free_port(), free_port()
    proxy = HAProxy(folder, f"127.0.0.1:{admin}", f"http://127.0.0.1:{front}", servers)
    with _all_serving(list(servers.values())) as ports:
        lines = [
            f"  server {name} 127.0.0.1:{port} cookie {name} check"
            for name, port in zip(names, ports, strict=True)
        ]
        given = {
            "folder": folder,
            "admin": admin,
            "front": front,
            "inter": inter,
            "first": names[0],
        }
        configuration = folder / "haproxy.cfg"
        configuration.write_text(HAPROXY.format(**given, servers="\n".join(lines)))

        def ready() -> bool:
            return (folder / "admin").exists() and all(
                proxy.status(n).startswith("UP") for n in names
            )

        with _running([binary, "-db", "-f", str(configuration)], folder / "haproxy.log", ready):
            yield proxy


@contextmanager
def _all_serving(servers: Sequence[Server]) -> Iterator[list[int]]:
    if not servers:
        yield []
        return
    with servers[0].serving() as port, _all_serving(servers[1:]) as others:
        yield [port, *others]


# --- Alertmanager ---

ALERTMANAGER = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


@dataclass
class Alertmanager:
    """A running Alertmanager and its API."""

    url: str

    def ask(self, path: str, body: object = None) -> Any:
        """Ask the API."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/v2/{path}", data, headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def silences(self) -> list[dict[str, Any]]:
        """Return all silences, those that have ended too."""
        return list(self.ask("silences"))

    def states(self) -> list[str]:
        """Return the states of all silences."""
        return sorted(each["status"]["state"] for each in self.silences())

    def fire(self, *instances: str) -> None:
        """Fire an alert for each of these instances."""
        self.ask("alerts", [{"labels": {"alertname": "Down", "instance": i}} for i in instances])

    def suppressed(self) -> set[str]:
        """Return the instances whose alerts nobody is told of."""
        return {
            alert["labels"]["instance"]
            for alert in self.ask("alerts")
            if alert["status"]["state"] == "suppressed"
        }


@contextmanager
def alertmanager(folder: Path) -> Iterator[Alertmanager]:
    """Run Alertmanager with nothing in it."""
    binary = program("prometheus-alertmanager")
    (folder / "alertmanager.yml").write_text(ALERTMANAGER)
    port = free_port()
    told = Alertmanager(f"http://127.0.0.1:{port}")
    argv = [
        binary,
        f"--config.file={folder}/alertmanager.yml",
        f"--storage.path={folder}/alertmanager",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]

    def ready() -> bool:
        with suppress(OSError):
            return bool(told.ask("status"))
        return False

    with _running(argv, folder / "alertmanager.log", ready):
        yield told
