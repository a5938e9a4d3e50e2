"""The process in which the demo's Windows computers live; it ends when it is told to.

python -m demo.windows.server FOLDER
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from demo.windows.computers import LEGACY, STAGED, Computer, Staged
from patchyard.testing.windows.winrm import Account, Authority, WinrmServer

USER = "Administrator"
LOOK = 0.5
"""Seconds between two looks at the computers."""
QUIET = 2.0
"""Seconds in which nothing must run before a computer's state is worth writing down."""


class Host:
    """One computer with its WinRM service, and the file that keeps its state."""

    def __init__(self, staged: Staged, folder: Path, authority: Authority, password: str) -> None:
        self.staged = staged
        self.computer = Computer(staged)
        self._file = folder / f"{staged.name}.json"
        if self._file.exists():
            self.computer.load(self._file)
        self._saved = ""
        self._busy_at = time.monotonic()
        https = staged.scheme == "https"
        self.server = WinrmServer(
            self.computer,
            [Account(USER, password)],
            address=staged.address,
            http=None if https else 0,
            https=0 if https else None,
            certificate=authority.server(staged.address, file=staged.name) if https else None,
        )

    @property
    def port(self) -> int:
        """Where its service listens."""
        return self.server.https_port or self.server.http_port

    def facts(self) -> dict[str, Any]:
        """Return what the computer itself knows of its boots, its build and its updates."""
        computer = self.computer
        computer.settle()
        offers = list(computer.updates.offers.values())
        legacy = computer.services.find(LEGACY)
        return {
            "boots": computer.boots,
            "boot_time": computer.boot_time,
            "build": computer.store.version,
            "installed": [f"KB{o.update.kb}" for o in offers if o.installed],
            "hidden": [f"KB{o.update.kb}" for o in offers if o.hidden],
            "reboot_pending": computer.reboot_required(),
            "services": {LEGACY: legacy.state} if legacy else {},
            "not_simulated": [*computer.refused, *self.server.counts.refusals],
        }

    def save_when_quiet(self, told: str) -> None:
        """Keep what has changed, once nothing runs that could change it meanwhile."""
        if self.server.shells_open or self.computer.processes.named("powershell"):
            self._busy_at = time.monotonic()
        elif told != self._saved and time.monotonic() - self._busy_at > QUIET:
            self.save()
            self._saved = told

    def save(self) -> None:
        """Write the computer's state to its file."""
        self.computer.save(self._file)


def main() -> int:
    """Serve the computers until SIGTERM; their state stays in the folder."""
    folder = Path(sys.argv[1])
    with (folder / "server.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        _serve(folder)
    return 0


def _serve(folder: Path) -> None:
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    password = (folder / "password").read_text()
    authority = Authority(folder / "certificates", "Demo authority")
    with _hosts(folder, authority, password) as hosts:
        _write(folder / "ports.json", {host.staged.name: host.port for host in hosts})
        while not ended.is_set():
            facts = {host.staged.name: host.facts() for host in hosts}
            _write(folder / "facts.json", {"written": time.time(), "machines": facts})
            for host in hosts:
                host.save_when_quiet(json.dumps(facts[host.staged.name]))
            ended.wait(LOOK)
    for host in hosts:
        host.save()


@contextlib.contextmanager
def _hosts(folder: Path, authority: Authority, password: str) -> Iterator[list[Host]]:
    with ExitStack() as stack:
        hosts = [Host(staged, folder, authority, password) for staged in STAGED]
        for host in hosts:
            stack.enter_context(host.server)
        yield hosts


def _write(path: Path, document: object) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(document))
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main())
