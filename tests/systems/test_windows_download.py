"""Downloading ahead to a simulated Windows computer, through the real pywinrm and a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from patchyard.account import report_of
from patchyard.domain.outcome import Status
from patchyard.domain.report import MachineReport
from patchyard.fleet import download_on, work_on
from patchyard.runs import Run
from patchyard.store import Store, open_store
from patchyard.testing.windows.host import SimulatedComputer
from patchyard.testing.windows.host.catalogue import DEFENDER, LCU_2022, MSRT, Update
from patchyard.testing.windows.host.faults import Fault
from patchyard.testing.windows.host.profiles import SERVER_2022
from patchyard.testing.windows.winrm import WinrmServer
from tests.systems import served


@dataclass
class Place:
    """One computer behind its server, and one run on it that has its plan."""

    computer: SimulatedComputer
    server: WinrmServer
    store: Store
    run: Run
    told: list[str] = field(default_factory=list)
    slept: timedelta = timedelta()

    def hear(self, _machine: str, step: str, text: str) -> None:
        if step == "download" and text != "started":
            self.told.append(text)

    def sleep(self, seconds: float) -> None:
        self.slept += timedelta(seconds=seconds)
        self.computer.advance(seconds)

    def begun(self, kind: str) -> dict[str, int]:
        """How often each update was begun to be downloaded or installed."""
        begun = self.computer.updates.begun
        return {kb: count for (what, kb), count in begun.items() if what == kind}

    def report(self) -> MachineReport:
        (machine,) = report_of(self.run, plan=self.store.plan(served.RUN)).machines
        return machine

    def close(self) -> None:
        assert self.computer.refused == []
        assert self.computer.nothings == []
        self.store.close()
        self.server.close()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a maker of a place; what it has opened ends with the test."""
    monkeypatch.setenv("PATCHYARD_HOME", str(tmp_path / "home"))
    made: list[Place] = []

    def make(*offered: Update) -> Place:
        computer = served.computer(SERVER_2022, *offered, factor=200.0)
        server = served.serve(computer)
        store = open_store(f"sqlite:///{tmp_path / 'patchyard.db'}")
        inventory = served.inventory(tmp_path, server.http_port)
        run = Run(served.open_run(store), store, inventory, "here")
        here = Place(computer, server, store, run)
        made.append(here)
        run.say, run.sleep = here.hear, here.sleep
        run.clock = lambda: datetime.now(UTC) + here.slept
        run.folder.mkdir(parents=True, exist_ok=True)
        served.make_plan(run)
        return here

    yield make
    for each in made:
        each.close()


def test_what_was_downloaded_ahead_is_installed_without_another_download(place: Any) -> None:
    here: Place = place(LCU_2022, MSRT)
    here.computer.updates.offers[MSRT.id].downloaded = True
    boot, before = here.computer.boot, here.store.standings(served.RUN)

    download_on(here.run, served.NAME)

    size = round(LCU_2022.size / 10**6)
    assert here.told == [f"2 updates, at most {size} MB; 1 of them there before"]
    assert here.begun("download") == {LCU_2022.kb: 1}
    assert here.begun("install") == {}
    assert (here.computer.boot, here.computer.reboot_required()) == (boot, False)
    assert here.store.downloaded(served.RUN) == {served.NAME}
    assert here.store.standings(served.RUN) == before

    work_on(here.run, served.NAME)

    (record,) = here.store.machines(served.RUN)
    assert record.status == Status.SUCCEEDED, record.reason
    assert here.begun("download") == {LCU_2022.kb: 1}
    assert here.begun("install") == {LCU_2022.kb: 1, MSRT.kb: 1}
    first, *own = here.report().steps
    assert (first.title, first.ahead) == ("Download ahead (2 packages)", True)
    assert first.result == here.told[0]
    assert here.report().started_at == own[0].started_at


def test_one_that_cannot_be_downloaded_is_told_and_the_others_are_there(place: Any) -> None:
    here: Place = place(DEFENDER, MSRT)
    here.computer.cause(Fault.DOWNLOAD_FAILS, update=DEFENDER, hresult=0x80240034)

    download_on(here.run, served.NAME)

    (told,) = here.told
    assert told.startswith("not done: KB2267602: 0x80240034")
    assert "there: 1 update, at most" in told
    assert here.computer.updates.offers[MSRT.id].downloaded
    assert here.begun("install") == {}


def test_an_update_that_is_gone_since_is_told_and_changes_nothing(place: Any) -> None:
    here: Place = place(DEFENDER, MSRT)
    before = here.store.standings(served.RUN)
    here.computer.updates.withdraw(DEFENDER)

    download_on(here.run, served.NAME)

    assert "KB2267602: not offered any more" in here.told[0]
    assert here.begun("download") == {MSRT.kb: 1}
    assert here.store.standings(served.RUN) == before
