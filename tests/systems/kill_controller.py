"""A controller that kills itself with SIGKILL at the point of its run that it was told.

The points lie around each write of the record, and around what is asked of the machine.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from patchyard import execution
from patchyard.domain.inventory import CheckSpec, Inventory, Machine
from patchyard.domain.outcome import Status
from patchyard.domain.selection import Selection
from patchyard.domain.updates import Assessment
from patchyard.errors import Unreachable
from patchyard.fleet import work_on
from patchyard.runs import Run
from patchyard.store import StepRecord, Store, open_store
from patchyard.transports import open_transport
from patchyard.transports.base import Completed, Parameters
from patchyard.transports.winrm import WinrmTransport
from tests.systems import served

FACTOR = 30.0
"""How many seconds pass in one of ours, on the computer and on the controller's clock."""


REBOOT = re.compile(r"\breboot\b")

Point = tuple[str, str]
"""A step by its key, and where in it."""


class Points:
    """The points that a controller passes, each told once; at one of them it is killed."""

    def __init__(self, path: Path, deadly: Point | None) -> None:
        self._log = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self._deadly = deadly
        self._passed: set[tuple[str, str]] = set()
        self.step = ""
        self.answers = 0
        self.begun = False

    def at(self, point: str, step: str = "") -> None:
        here = (step or self.step, point)
        if not here[0] or here in self._passed:
            return
        self._passed.add(here)
        os.write(self._log, (json.dumps(here) + "\n").encode())
        if here == self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    def lost(self) -> None:
        """The link is lost. That is a point where it must come to that."""
        if REBOOT.search(self.step):
            self.at("link lost")


class Watched(Store):
    """The store; around each of its writes is a point."""

    def __init__(self, store: Store, points: Points) -> None:
        super().__init__(store._database)
        self.points = points

    def begin_step(
        self, run_id: str, machine: str, key: str, action: Mapping[str, Any], at: datetime
    ) -> StepRecord:
        self.points.at("before it is recorded", key)
        begun = super().begin_step(run_id, machine, key, action, at)
        self.points.step, self.points.answers, self.points.begun = key, 0, True
        self.points.at("recorded")
        return begun

    def end_look(
        self,
        run_id: str,
        machine: str,
        seq: int,
        key: str,
        assessment: Assessment,
        *,
        result: Mapping[str, Any],
        at: datetime,
    ) -> None:
        self.points.at("done")
        super().end_look(run_id, machine, seq, key, assessment, result=result, at=at)
        self.points.at("seen and kept")
        self.points.step = ""

    def finish_step(
        self, run_id: str, machine: str, seq: int, result: Mapping[str, Any], at: datetime
    ) -> None:
        self.points.at("done")
        super().finish_step(run_id, machine, seq, result, at)
        self.points.step = ""

    def set_machine(
        self, run_id: str, machine: str, status: Status, reason: str, at: datetime
    ) -> None:
        if self.points.begun:
            self.points.at("before it is recorded", "the verdict")
        super().set_machine(run_id, machine, status, reason, at)


class WatchedLink:
    """A link; around what is asked over it are points, too."""

    LONG = re.compile(r"\b(install|reboot)\b")
    """What is in the keys of steps that always need more than one answer."""

    def __init__(self, link: WinrmTransport, points: Points) -> None:
        self._link = link
        self._points = points
        client = link._client
        receive = client.receive

        def receiving(until: float, shell: str, command: str) -> Any:
            points.at("sent whole, not answered")
            return receive(until, shell, command)

        client.receive = receiving  # type: ignore[method-assign]

    def run(
        self, script: str, /, *, timeout: timedelta, parameters: Parameters | None = None
    ) -> Completed:
        points = self._points
        try:
            done = self._link.run(script, timeout=timeout, parameters=parameters)
        except Unreachable:
            points.lost()
            raise
        points.answers += 1
        if points.answers == 1:
            points.at("answered once")
        elif points.answers == 2 and self.LONG.search(points.step):
            points.at("answered twice")
        return done

    def close(self) -> None:
        self._link.close()


@dataclass(frozen=True)
class Asked:
    """What is asked of the computer."""

    selection: Selection = served.EVERYTHING
    checks: tuple[CheckSpec, ...] = (served.SERVICES,)


def control(folder: Path, facts: Mapping[str, Any], asked: Asked, points: Points) -> None:
    """Take the run to its end, from wherever its record is."""
    inventory = served.inventory(folder, facts["port"], asked.checks)

    def opened(machine: Machine, inventory: Inventory) -> WatchedLink:
        try:
            link = open_transport(machine, inventory)
        except Unreachable:
            points.lost()
            raise
        assert isinstance(link, WinrmTransport)
        return WatchedLink(link, points)

    execution.open_transport = opened  # type: ignore[attr-defined]
    store = Watched(open_store(f"sqlite:///{folder / 'patchyard.db'}"), points)

    def clock() -> datetime:
        passed = (time.monotonic() - facts["origin"]) * FACTOR
        return datetime.fromtimestamp(facts["start"] + passed, UTC)

    run = Run(
        record=store.run(served.RUN) or served.open_run(store),
        store=store,
        inventory=inventory,
        owner=f"controller {os.getpid()}",
        clock=clock,
        sleep=lambda seconds: time.sleep(seconds / FACTOR),
    )
    run.folder.mkdir(parents=True, exist_ok=True)
    if store.find_plan(run.id) is None:
        served.make_plan(run, asked.selection)
    work_on(run, served.NAME)
