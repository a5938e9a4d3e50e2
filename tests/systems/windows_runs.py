"""Whole runs of a simulated Windows computer, through the real pywinrm and a real socket.

What is simulated is the computer; the rules, the scripts, the parsers, the transport and the log-in
are those of every run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from patchyard.domain.actions import Finish
from patchyard.domain.inventory import CheckSpec, Connection, Inventory, Machine, OsFamily, Policy
from patchyard.domain.path import RebootSetting
from patchyard.domain.plan import MachinePlan
from patchyard.domain.record import MachineRun
from patchyard.domain.selection import Selection, select
from patchyard.domain.updates import Assessment, Classification
from patchyard.execution import Workshop, carry_out, recorded
from patchyard.operations import Bench, assess
from patchyard.store import Store
from patchyard.testing.windows.host import SimulatedComputer
from patchyard.testing.windows.host.catalogue import Update
from patchyard.testing.windows.host.profiles import SERVER_2022, Profile
from patchyard.testing.windows.winrm import Account, Settings, WinrmServer

EVERYTHING = frozenset(Classification)
SERVICES = CheckSpec(kind="windows_services", options={})
PASSWORD = "Passw0rd!"
ACCOUNT = Account("Administrator", PASSWORD, "admin@CORP.TEST")

OPEN: list[Yard] = []
"""Those of the test that runs; `conftest.py` closes them after it."""


class Memory:
    """As much of a store as carrying out one machine's run needs."""

    def __init__(self) -> None:
        self.records: dict[str, SimpleNamespace] = {}
        self.seen: dict[str, Assessment] = {}

    def steps(self, _run: str, _machine: str) -> list[SimpleNamespace]:
        return list(self.records.values())

    def assessment(self, _run: str, _machine: str, key: str) -> Assessment | None:
        return self.seen.get(key)

    def begin_step(
        self, _run: str, _machine: str, key: str, action: Any, at: datetime
    ) -> SimpleNamespace:
        new = SimpleNamespace(seq=key, action=action, started_at=at, finished_at=None, result=None)
        return self.records.setdefault(key, new)

    def finish_step(self, _run: str, _machine: str, key: str, result: Any, at: datetime) -> None:
        self.records[key].result, self.records[key].finished_at = result, at

    def end_look(
        self, _run: str, _machine: str, seq: str, key: str, seen: Assessment, **ended: Any
    ) -> None:
        self.seen[key] = seen
        self.finish_step(_run, _machine, seq, **ended)

    def record_availability(self, *_told: Any) -> None:
        pass


class Yard:
    """One computer behind a WinRM server, and runs on it."""

    def __init__(
        self,
        profile: Profile = SERVER_2022,
        *offered: Update,
        settings: Settings | None = None,
        start: datetime | None = None,
    ) -> None:
        OPEN.append(self)
        self.computer = SimulatedComputer(profile=profile, factor=1.0, start=start, leaps=True)
        self.computer.updates.offer(*(quick(update) for update in offered))
        self.server = WinrmServer(self.computer, [ACCOUNT], settings or Settings())
        self._folder = tempfile.TemporaryDirectory(prefix="windows-run-")
        self.folder = Path(self._folder.name)
        self.memory = Memory()
        self.slept = timedelta()
        self.write(PASSWORD)
        self.machine = Machine(
            name="win-1", address="127.0.0.1", os_family=OsFamily.WINDOWS,
            connection=self.connection(),
            policy=Policy(stable_seconds=0, check_seconds=30, reboot_seconds=7200,
                          install_seconds=80000, lock_seconds=60),
            checks=(SERVICES,),
        )  # fmt: skip
        self.workshop = Workshop(
            store=cast(Store, self.memory),
            inventory=self.inventory(),
            run_id="r1",
            seed="s",
            # One time for both: a busy box makes no wait longer.
            clock=self.computer.clock.now,
            sleep=self.sleep,
        )

    def write(self, password: str) -> None:
        """Write down the password that is sent."""
        path = self.folder / "password"
        path.touch(mode=0o600)
        path.write_text(password)

    def connection(self, **changes: Any) -> Connection:
        """Return the way to the computer, as it stands in an inventory."""
        written = {
            "transport": "winrm",
            "user": "Administrator",
            "password": "file:password",
            "port": self.server.http_port,
            "timeouts": {"connect": 5, "auth": 20},
            "winrm": {"scheme": "http", "auth": "ntlm"},
        }
        return Connection.model_validate({**written, **changes})

    def inventory(self) -> Inventory:
        return Inventory(name="yard", folder=str(self.folder), machines=(self.machine,))

    def close(self) -> None:
        """End everything; nothing that is not known may have been asked."""
        self.server.close()
        self._folder.cleanup()

    def sleep(self, seconds: float) -> None:
        self.slept += timedelta(seconds=seconds)
        self.computer.advance(seconds)

    @contextmanager
    def bench(self) -> Iterator[Bench]:
        """Open a link, for single operations."""
        with self.workshop.link(self.machine) as link:
            yield self.workshop.bench(self.machine, link)

    def look(self, key: str = "before") -> Assessment:
        with self.bench() as bench:
            return assess(bench, key, refresh=True)

    def run(
        self,
        selection: Selection | None = None,
        *,
        reboot: RebootSetting = RebootSetting.IF_REQUIRED,
        undo: str = "preferred",
    ) -> Finish:
        """Plan what is offered now, and carry it out."""
        return self.run_planned(self.look(), selection, reboot=reboot, undo=undo)

    def run_planned(
        self,
        seen: Assessment,
        selection: Selection | None = None,
        *,
        reboot: RebootSetting = RebootSetting.IF_REQUIRED,
        undo: str = "preferred",
    ) -> Finish:
        """Plan what was offered then, and carry it out."""
        updates, _ = select(seen, selection or Selection(classifications=EVERYTHING))
        policy = self.machine.policy.model_copy(update={"undo": undo})
        plan = MachinePlan(machine="win-1", manager="windows_update", updates=updates)
        self.bare = MachineRun("r1", plan, policy, reboot)
        return self.go_on()

    def go_on(self) -> Finish:
        """Carry the run out from where its record ends."""
        finish = carry_out(self.workshop, self.machine, self.bare)
        assert self.computer.refused == []
        assert self.computer.nothings == []
        assert self.server.counts.refusals == []
        return finish

    @property
    def done(self) -> list[str]:
        """The keys of what was done, in order."""
        return list(self.memory.records)

    def actions(self, kind: type[Any]) -> list[Any]:
        run = recorded(self.workshop, self.bare)
        return [step.action for step in run.steps if isinstance(step.action, kind)]

    @property
    def last(self) -> Assessment:
        """What was seen last."""
        return list(self.memory.seen.values())[-1]

    @property
    def installed_by_us(self) -> list[str]:
        """Every installation that the computer was told to do, in order."""
        history = self.computer.updates.history
        return [past.title for past in history if past.operation == 1 and past.code == 2]


def quick(update: Update) -> Update:
    """Return an update whose installation takes seconds."""
    return replace(update, minutes=0.1, reboot_minutes=1)
