"""A real PostgreSQL server for the tests: in a temporary folder, on a Unix socket, ended by pid."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

START_SECONDS = 60
DEBIAN = "/usr/lib/postgresql"
"""Where Debian and Ubuntu install the server, one folder for each version."""

MISSING = "PostgreSQL's server is not installed; install it with: apt-get install postgresql"


@dataclass
class Server:
    """A running server. Its superuser is `postgres`, trusted on the socket."""

    folder: Path
    process: subprocess.Popen[bytes]

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def run(self, statement: sql.Composed) -> None:
        with psycopg.connect(
            host=str(self.folder), user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement)

    def create(self, database: str, template: str = "template0") -> str:
        """Make a database and return its URL."""
        names = sql.Identifier(database), sql.Identifier(template)
        self.run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        return self.url(database)

    def drop(self, database: str) -> None:
        name = sql.Identifier(database)
        self.run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)  # "fast shutdown"
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def start_again(self) -> None:
        self.process = _launch(self.folder)
        _wait(self)


def binaries() -> Path | None:
    """Return the folder of the newest installed server, or None."""
    found = [path.parent for path in Path(DEBIAN).glob("*/bin/initdb")]
    found.sort(key=lambda path: int(path.parent.name.partition(".")[0]))
    on_path = shutil.which("initdb")
    return found[-1] if found else Path(on_path).resolve().parent if on_path else None


def must_run() -> bool:
    """True where a missing server is a fault, not a reason to skip."""
    return os.geteuid() == 0 or os.environ.get("CI", "").lower() == "true"


def _account() -> tuple[list[str], int, int]:
    """Return the command prefix and ids of the user that the server runs as: it refuses root."""
    if os.geteuid() != 0:
        return [], os.geteuid(), os.getegid()
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return prefix, user.pw_uid, user.pw_gid


@contextmanager
def running() -> Iterator[Server]:
    """Start a server with a new, empty cluster; end it and remove its folder afterwards."""
    if binaries() is None:
        raise RuntimeError(MISSING)
    # Not pytest's folder: that one is closed to other users, and too long for a socket's path.
    folder = Path(tempfile.mkdtemp(prefix="patchyard-pg-"))
    _, uid, gid = _account()
    os.chown(folder, uid, gid)
    try:
        _initialise(folder)
        server = Server(folder, _launch(folder))
        try:
            _wait(server)
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program(folder: Path, name: str, *options: str) -> subprocess.Popen[bytes]:
    prefix, _, _ = _account()
    where = binaries()
    assert where is not None
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [*prefix, where / name, "-D", folder / "data", *options],
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _initialise(folder: Path) -> None:
    options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
    if _program(folder, "initdb", *options).wait(timeout=START_SECONDS):
        raise RuntimeError(f"initdb failed:\n{(folder / 'log').read_text()[-2000:]}")


def _launch(folder: Path) -> subprocess.Popen[bytes]:
    settings = ["listen_addresses=", "fsync=off", f"unix_socket_directories={folder}"]
    return _program(folder, "postgres", *(part for s in settings for part in ("-c", s)))


def _wait(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        with suppress(psycopg.OperationalError):
            psycopg.connect(host=str(server.folder), user="postgres", dbname="postgres").close()
            return
        time.sleep(0.05)
    log = (server.folder / "log").read_text()
    raise RuntimeError(f"PostgreSQL did not start:\n{log[-2000:]}")
