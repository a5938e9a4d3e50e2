"""Starting and ending a simulated yard."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from patchyard.errors import PatchyardError
from patchyard.testing.simulated import archive, faults
from patchyard.testing.simulated.building import (
    build_base,
    build_machine,
    new_machine_id,
    start_anew,
)
from patchyard.testing.simulated.inventory import Groups, write_inventory
from patchyard.testing.simulated.keys import make_key
from patchyard.testing.simulated.machine import Fault, SimulatedMachine

START_SECONDS = 60
END_SECONDS = 10


class YardFailed(PatchyardError):
    """The simulated yard could not be built or started."""


class SimulatedYard:
    """Simulated machines in a folder, with their SSH server while it is started.

    A folder that holds a yard already is used as it stands: its machines keep their packages.
    """

    def __init__(
        self,
        folder: Path,
        machines: Sequence[SimulatedMachine],
        *,
        port: int = 0,
        reboot_seconds: float = 1.0,
        groups: Groups | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.machines = tuple(machines)
        self.port = port
        self._reboot_seconds = reboot_seconds
        self._groups = groups or {}
        self._process: subprocess.Popen[str] | None = None

    @property
    def inventory(self) -> Path:
        """The inventory's folder."""
        return self.folder / "inventory"

    @property
    def pid(self) -> int:
        """The server's process id; 0 while it is not started."""
        return self._process.pid if self._process else 0

    def root(self, name: str) -> Path:
        """Return the folder that a machine's scripts see as /."""
        return self.folder / "machines" / name / "root"

    def start(self) -> None:
        """Build what is missing, start the server, and write the inventory.

        Raises:
            YardFailed: the server did not come up; the message has its words.
        """
        if not (self.folder / "yard.json").exists():
            self._build()
        else:
            self._refresh()
        self._write_spec()
        self._launch()
        host_key = (self.folder / "host_key.pub").read_text()
        write_inventory(self.inventory, self.machines, self.port, host_key, self._groups)

    def close(self) -> None:
        """End the server, and with it everything that runs on its machines."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None  # noqa: S101 - it was asked for
        process.stdin.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def cause(self, name: str, fault: Fault, detail: str = "") -> None:
        """Make something wrong with a machine; what `detail` means is told by the fault.

        Raises:
            ValueError: the detail cannot be.
        """
        faults.cause(self.root(name), fault, detail)

    def heal(self, name: str, fault: Fault) -> None:
        """End a fault. What it has led to stays."""
        faults.heal(self.root(name), fault)

    def is_off(self, name: str) -> bool:
        """Say whether a machine is off."""
        return (self.root(name) / ".simulated/off").exists()

    def turn_off(self, name: str) -> None:
        """Turn a machine off, as by its power button held down, and wait until it is."""
        with (self.folder / "control").open("w") as control:
            control.write(f"off {self.root(name).parent}\n")
        deadline = time.monotonic() + END_SECONDS
        while not self.is_off(name):
            if time.monotonic() > deadline:
                raise YardFailed(f"{name} does not go off")
            time.sleep(0.01)

    def power(self, verb: str) -> list[str]:
        """Return the command that asks for or changes the power of a machine, {name} for which."""
        return [str(self.folder / "base/power"), verb, "{name}"]

    def recreate(self, name: str) -> None:
        """Give a machine the identity of another installation."""
        new_machine_id(self.root(name))

    def packages(self, name: str) -> dict[str, str]:
        """Return what is installed on a machine, from its own state: versions by name."""
        lines = (self.root(name) / ".simulated/installed").read_text().splitlines()
        return dict(line.split("\t")[:2] for line in lines)

    def services(self, name: str) -> dict[str, str]:
        """Return the state of each service of a machine, from its own state."""
        lines = (self.root(name) / ".simulated/services").read_text().splitlines()
        return {unit: state for unit, _, state, *_ in (line.split("\t") for line in lines)}

    def boot_id(self, name: str) -> str:
        """Return the boot id of a machine."""
        return (self.root(name) / "proc/sys/kernel/random/boot_id").read_text().strip()

    def transactions(self, name: str) -> tuple[str, ...]:
        """Return every package transaction that was ever begun on a machine, oldest first."""
        noted = self.root(name) / ".simulated/transactions"
        return tuple(noted.read_text().splitlines()) if noted.exists() else ()

    def fetched(self, name: str) -> tuple[str, ...]:
        """Return the archives that were ever downloaded ahead to a machine, oldest first."""
        noted = self.root(name) / ".simulated/fetched"
        return tuple(noted.read_text().splitlines()) if noted.exists() else ()

    def refused(self) -> tuple[str, ...]:
        """Return the calls that stand-in tools were not told how to answer, with the machine."""
        found = []
        for machine in self.machines:
            noted = self.root(machine.name) / ".simulated/refused"
            if noted.exists():
                found += [f"{machine.name}: {line}" for line in noted.read_text().splitlines()]
        return tuple(found)

    def _build(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        build_base(self.folder / "base")
        os.mkfifo(self.folder / "control")
        make_key(self.folder / "host_key")
        (self.inventory / "keys").mkdir(parents=True)
        make_key(self.inventory / "keys/id_ed25519")
        for machine in self.machines:
            build_machine(self.folder / "machines" / machine.name, self.folder / "base", machine)

    def _refresh(self) -> None:
        """Machines that were off start anew, and find their archives as fresh as ever."""
        for name, text in archive.release_files(datetime.now(UTC)).items():
            (self.folder / "base/lists" / name).write_text(text)
        for machine in self.machines:
            if not self.root(machine.name).exists():
                raise YardFailed(f"{self.folder} holds another yard: it has no {machine.name}")
            start_anew(self.root(machine.name))

    def _write_spec(self) -> None:
        spec: dict[str, Any] = {
            "port": self.port,
            "reboot_seconds": self._reboot_seconds,
            "machines": [asdict(machine) for machine in self.machines],
        }
        (self.folder / "yard.json").write_text(json.dumps(spec))

    def _launch(self) -> None:
        log = self.folder / "server.log"
        with log.open("a") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.server", str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        ready, _, _ = select.select([self._process.stdout], [], [], START_SECONDS)
        word, _, port = (self._process.stdout.readline() if ready else "").partition(" ")
        if word != "ready":
            self.close()
            raise YardFailed(f"the simulated yard did not start: {log.read_text()[-400:]}")
        self.port = int(port)
