"""Starting, asking and ending the demo's Windows computers, which live in a process of their own.

They outlive the demo, as the real machines and the Prefect server do, so that a second run finds
them as the first has left them. Their state is also in the folder: it outlives the process.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from demo.windows.computers import STAGED, Staged
from demo.windows.server import USER
from patchyard.errors import PatchyardError

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
END_SECONDS = 15
LOOK = 0.1

Facts = dict[str, dict[str, Any]]
"""What each computer knows of itself, by name."""


_STARTED: list[subprocess.Popen[bytes]] = []
"""Processes that this one has started: a parent must collect its children."""


class YardFailed(PatchyardError):
    """The Windows computers could not be started, or do not answer."""


class WindowsYard:
    """The computers in a folder, whether their process runs or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.names = tuple(staged.name for staged in STAGED)

    def up(self, inventory: Path) -> None:
        """Start the computers unless they run, and add them to an inventory.

        Raises:
            YardFailed: their process did not come up.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        password = self.folder / "password"
        if not password.exists():
            password.touch(mode=0o600)
            password.write_text(secrets.token_urlsafe(16))
        if not self.pid:
            self._launch()
        self._write_inventory(inventory)

    def facts(self) -> Facts:
        """Ask the computers themselves; the answer is newer than the question.

        Raises:
            YardFailed: no answer.
        """
        asked = time.time()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            answer = self._read("facts.json") or {}
            if answer.get("written", 0) > asked:
                found: Facts = answer["machines"]
                return found
            time.sleep(LOOK)
        raise YardFailed(f"the simulated Windows computers do not answer; see {self._log}")

    def down(self) -> bool:
        """End the process and forget the computers. Says whether there was any."""
        if not self.folder.exists():
            return False
        pid = self.pid
        if pid:
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + END_SECONDS
            while self.pid and time.monotonic() < deadline:
                time.sleep(LOOK)
        if self.pid:
            os.kill(pid, signal.SIGKILL)
        for process in _STARTED:
            if process.pid == pid:
                process.wait(END_SECONDS)
        shutil.rmtree(self.folder)
        return True

    @property
    def pid(self) -> int:
        """The process of the computers; 0 where none runs. It holds a lock as long as it lives."""
        try:
            with (self.folder / "server.lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return 0
        except BlockingIOError:
            return int((self.folder / "server.lock").read_text() or 0)
        return 0

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def _launch(self) -> None:
        for stale in ("ports.json", "facts.json"):
            (self.folder / stale).unlink(missing_ok=True)
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "demo.windows.server", str(self.folder)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _STARTED[:] = [each for each in _STARTED if each.poll() is None]
        _STARTED.append(process)
        deadline = time.monotonic() + START_SECONDS
        while self._read("ports.json") is None:
            if process.poll() is not None or time.monotonic() > deadline:
                said = self._log.read_text(errors="replace")[-400:]
                raise YardFailed(f"the simulated Windows computers did not start: {said}")
            time.sleep(LOOK)

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self.folder / name).read_text())
        except FileNotFoundError:
            return None
        return found

    def _write_inventory(self, folder: Path) -> None:
        keys = folder / "keys"
        keys.mkdir(exist_ok=True)
        (keys / "windows-password").touch(mode=0o600)
        (keys / "windows-password").write_text((self.folder / "password").read_text())
        shutil.copyfile(self.folder / "certificates/authority.pem", keys / "windows-authority.pem")
        ports = self._read("ports.json") or {}
        machines = {staged.name: _machine(staged, ports[staged.name]) for staged in STAGED}
        document = {"groups": {"windows": GROUP}, "machines": machines}
        (folder / "windows.yaml").write_text(yaml.safe_dump(document, sort_keys=False))


GROUP: dict[str, Any] = {
    "os_family": "windows",
    "platform": "on_prem",
    "connection": {
        "transport": "winrm",
        "user": USER,
        "password": "file:keys/windows-password",
        "key": None,
        "winrm": {"auth": "ntlm", "ca": "keys/windows-authority.pem"},
    },
    "tags": {"simulated": True},
    # The application that fails does so at once, so nobody need wait long for it to recover.
    "policy": {"check_seconds": 20},
    "checks": [{"windows_services": {}}],
}
"""What the Windows machines have in common, in the inventory's words."""


def _machine(staged: Staged, port: int) -> dict[str, Any]:
    return {
        "address": staged.address,
        "groups": ["windows"],
        "tags": dict(staged.tags),
        "connection": {"port": port, "winrm": {"scheme": staged.scheme}},
    }
