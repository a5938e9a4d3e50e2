"""One computer behind its server, and one run on it, driven from the test itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from patchyard.domain.inventory import Inventory, Machine
from patchyard.fleet import work_on
from patchyard.runs import Run
from patchyard.store import MachineRecord, StepRecord, open_store
from patchyard.testing.windows.host.catalogue import DEFENDER, LCU_2022
from patchyard.testing.windows.host.profiles import SERVER_2022
from patchyard.testing.windows.winrm import Authority
from patchyard.transports import open_transport
from patchyard.transports.winrm import WinrmTransport
from tests.systems import served


class Yard:
    """One computer behind its server, and one run on it, driven from here."""

    def __init__(self, folder: Path, *, tls: bool) -> None:
        self.computer = served.computer(SERVER_2022, LCU_2022, DEFENDER, factor=60.0, minutes=0.5)
        authority = Authority(folder / "authority") if tls else None
        self.server = served.serve(self.computer, authority)
        port = self.server.https_port or self.server.http_port
        self.inventory = served.inventory(folder, port, ca=authority.path if authority else None)
        self.store = open_store(f"sqlite:///{folder / 'patchyard.db'}")
        self.slept = timedelta()
        self.struck = 0

    def sleep(self, seconds: float) -> None:
        self.slept += timedelta(seconds=seconds)
        self.computer.advance(seconds)

    def open(self, machine: Machine, inventory: Inventory) -> WinrmTransport:
        link = open_transport(machine, inventory)
        assert isinstance(link, WinrmTransport)
        link._client.pause = self.sleep
        return link

    def run(
        self, moment: str, strike: Callable[[], Any], *, at: str = "install-0-0"
    ) -> MachineRecord:
        """Plan, and run to the verdict. `strike` is called at a moment of the step `at`."""
        run = self._planned()
        self._strike, self._at = strike, at
        if moment == "asked for":
            run.say = self._told
        else:
            self._when_installing()
        work_on(run, served.NAME)
        self.computer.tasks.wait()
        (record,) = self.store.machines(served.RUN)
        return record

    def _planned(self) -> Run:
        run = Run(
            record=served.open_run(self.store),
            store=self.store,
            inventory=self.inventory,
            owner="here",
            clock=lambda: datetime.now(UTC) + self.slept,
            sleep=self.sleep,
        )
        run.folder.mkdir(parents=True, exist_ok=True)
        served.make_plan(run)
        return run

    def _told(self, _machine: str, step: str, told: str) -> None:
        if (step, told) == (self._at, "started"):
            self.struck += 1
            self._strike()

    def _when_installing(self) -> None:
        updates = self.computer.updates
        begin = updates.begin

        def begun(kind: str, *rest: Any) -> Any:
            work = begin(kind, *rest)
            if kind == "install" and not self.struck:
                self.struck += 1
                self._strike()
            return work

        updates.begin = begun  # type: ignore[assignment, method-assign]

    @property
    def steps(self) -> tuple[StepRecord, ...]:
        return self.store.steps(served.RUN, served.NAME)

    @property
    def installed(self) -> dict[str, int]:
        """How often each update was begun to be installed."""
        begun = self.computer.updates.begun
        return {kb: count for (kind, kb), count in begun.items() if kind == "install"}

    def close(self) -> None:
        self.store.close()
        self.server.close()
