"""A Prefect server of the benchmark's own, and what it spends while flows are recorded on it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class PrefectServer:
    """A server that runs: its process, and what its clients need to be told."""

    pid: int
    environment: Mapping[str, str]

    def cpu(self) -> float:
        """Return the seconds of processor time it has spent, with its children's."""
        return sum(map(_spent, self._processes()))

    def _processes(self) -> list[list[str]]:
        """Return the fields of proc(5) of every process of its session; it leads one."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.pid:
                found.append(fields)
        return found


def _spent(fields: list[str]) -> float:
    """Add up user and system time, its own and that of children it has collected."""
    return sum(map(int, fields[11:15])) / TICKS


@contextmanager
def prefect_server(folder: Path) -> Iterator[PrefectServer]:
    """Start a server with a new database in a folder; it ends with the block."""
    port = _free_port()
    environment = {
        "PATCHYARD_HOME": str(folder),
        "PATCHYARD_PREFECT_PORT": str(port),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": "",
        "DO_NOT_TRACK": "1",
    }
    (folder / "prefect").mkdir(parents=True)
    noted = folder / "prefect-server.pid"
    try:
        _tell("start", environment)
        url = f"http://127.0.0.1:{port}/api"
        yield PrefectServer(int(noted.read_text()), {**environment, "PREFECT_API_URL": url})
    finally:
        if noted.exists():
            _tell("stop", environment)


def _tell(verb: str, environment: Mapping[str, str]) -> None:
    subprocess.run(
        [sys.executable, "-m", "flows.server", verb],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
