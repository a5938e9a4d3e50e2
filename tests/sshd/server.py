"""A real OpenSSH server on a loopback port, run by the tests as the current user."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from patchyard.domain.inventory import Connection, Inventory, Machine, Timeouts
from patchyard.transports import Transport, open_transport

BINARY = shutil.which("sshd") or "/usr/sbin/sshd"
QUICK = Timeouts(connect=3, banner=3, auth=5, command=20)


def keygen(path: Path, *, kind: str = "ed25519", passphrase: str = "", pem: bool = False) -> Path:
    more = ["-m", "PEM"] if pem else []
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path), *more], check=True
    )
    return path


def free_port(address: str = "127.0.0.1") -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


class Sshd:
    """One sshd in a folder of its own. `root` is the PATCHYARD_ROOT that its sessions get."""

    def __init__(
        self,
        folder: Path,
        *,
        address: str = "127.0.0.1",
        kinds: tuple[str, ...] = ("ed25519",),
        settings: tuple[str, ...] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.address = address
        self.port = free_port(address)
        self.root = folder / "root"
        self.root.mkdir(exist_ok=True)
        self.key = folder / "id"
        self.known_hosts = folder / "known_hosts"
        self._log = folder / "log"
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._kinds = kinds
        if not self.key.exists():
            keygen(self.key)
        for kind in kinds:
            keygen(folder / f"host_{kind}", kind=kind)
        (folder / "authorized").write_text(Path(f"{self.key}.pub").read_text())
        self.know(*kinds)
        self._write_config()

    @property
    def name(self) -> str:
        return f"[{self.address}]:{self.port}"

    def public(self, kind: str = "ed25519") -> str:
        return " ".join((self.folder / f"host_{kind}.pub").read_text().split()[:2])

    def know(self, *kinds: str) -> None:
        self.known_hosts.write_text("".join(f"{self.name} {self.public(kind)}\n" for kind in kinds))

    def _write_config(self) -> None:
        lines = [
            f"ListenAddress {self.address}",
            f"Port {self.port}",
            *(f"HostKey {self.folder}/host_{kind}" for kind in self._kinds),
            f"PidFile {self.folder}/pid",
            f"AuthorizedKeysFile {self.folder}/authorized",
            "StrictModes no",
            "LogLevel VERBOSE",
            "MaxStartups 200",
            f"SetEnv PATCHYARD_ROOT={self.root}",
            *self._settings,
        ]
        if not any(line.startswith("UsePAM") for line in lines):
            lines.append("UsePAM no")
        (self.folder / "config").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [BINARY, "-D", "-e", "-f", str(self.folder / "config")],
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection((self.address, self.port)):
                return
            time.sleep(0.02)
        raise AssertionError(f"sshd did not start: {self.log()}")

    def sessions(self) -> list[int]:
        """Return the process ids of the connections that are being served."""
        if self._process is None:
            return []
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def drop(self) -> None:
        """Kill every connection, as a lost link does. Detached work goes on."""
        for pid in self.sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """Stop the daemon and its connections; what they detached goes on."""
        if self._process is None:
            return
        sessions = self.sessions()
        self._process.kill()
        self._process.wait()
        self._process = None
        for pid in sessions:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def connection(self, **changes: object) -> Connection:
        values: dict[str, object] = {
            "user": getpass.getuser(),
            "port": self.port,
            "key": f"file:{self.key}",
            "known_hosts": str(self.known_hosts),
            "sudo": "none",
            "timeouts": QUICK,
            **changes,
        }
        return Connection.model_validate(values)

    def machine(self, name: str = "web-1", **changes: object) -> Machine:
        return Machine(name=name, address=self.address, connection=self.connection(**changes))

    def inventory(self, *machines: Machine) -> Inventory:
        return Inventory(name="test", folder=str(self.folder), machines=machines)

    def open(self, **changes: object) -> Transport:
        machine = self.machine("web-1", **changes)
        return open_transport(machine, self.inventory(machine))


__all__ = ["QUICK", "Sshd", "free_port", "keygen"]
