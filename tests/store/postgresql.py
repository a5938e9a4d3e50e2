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


@dataclass(frozen=True)
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
    programs = binaries()
    if programs is None:
        raise RuntimeError(MISSING)
    prefix, uid, gid = _account()
    # Not pytest's folder: that one is closed to other users, and too long for a socket's path.
    folder = Path(tempfile.mkdtemp(prefix="patchyard-pg-"))
    os.chown(folder, uid, gid)
    try:
        with (folder / "log").open("wb") as log:
            _initialise(prefix, programs, folder, log.fileno())
            process = _launch(prefix, programs, folder, log.fileno())
        try:
            _wait(process, folder)
            yield Server(folder, process)
        finally:
            _end(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _initialise(prefix: list[str], programs: Path, folder: Path, log: int) -> None:
    options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
    subprocess.run(
        [*prefix, programs / "initdb", *options, "-D", folder / "data"],
        cwd=folder,
        stdout=log,
        stderr=log,
        check=True,
    )


def _launch(prefix: list[str], programs: Path, folder: Path, log: int) -> subprocess.Popen[bytes]:
    settings = ["listen_addresses=", "fsync=off", f"unix_socket_directories={folder}"]
    options = [part for setting in settings for part in ("-c", setting)]
    return subprocess.Popen(
        [*prefix, programs / "postgres", "-D", folder / "data", *options],
        cwd=folder,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def _wait(process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(psycopg.OperationalError):
            psycopg.connect(host=str(folder), user="postgres", dbname="postgres").close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not start:\n{(folder / 'log').read_text()[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # "fast shutdown"
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
