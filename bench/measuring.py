"""Measuring, in order: bare SSH, Patchyard's library, whole flows, Ansible. Each does its work.

The simulated machines and the Prefect server are processes of their own: what they spend is
not the controller's. Whether the work was done is asked of the machines, after each.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import playbooks
from bench.counting import Cost, counted
from bench.exchange import assessing
from bench.server import prefect_server
from bench.table import Result
from bench.yard import fleet, must_be_patched, must_not_have_guessed
from patchyard.store import open_store
from patchyard.testing.simulated import SimulatedYard

ROUNDS = 3
"""How often what changes nothing is measured: bare SSH and assessing take turns."""

OURS = ("bench", "flows", "tasks", "patchyard")
"""The packages that a controller imports."""

PLAYBOOKS = {"command": ("", True), "default": ("", False), "raw": ("_raw", True)}
"""Rows of Ansible: how the names of its playbooks end, and whether it pipelines."""


@dataclass
class Measuring:
    """One run of the benchmark: its machines lie in one folder, what was said in another."""

    folder: Path
    logs: Path
    machines: int
    slots: int
    say: Callable[[str], None] = lambda _text: None
    assess: dict[str, Cost] = field(default_factory=dict)
    patch: dict[str, Cost] = field(default_factory=dict)
    start: dict[str, Cost] = field(default_factory=dict)

    def result(self) -> Result:
        """Measure everything that can be measured here.

        Raises:
            BenchFailed: something did not do its work.
        """
        self.starting()
        self.bare_and_library()
        self.flows()
        if playbooks.available():
            for row in PLAYBOOKS:
                self.ansible(row)
        else:
            self.say("Ansible is not measured: scripts/bench sets it up")
        return self.measured()

    def measured(self) -> Result:
        """Return what has been measured so far."""
        return Result(self.machines, self.slots, self.assess, self.patch, self.start)

    def starting(self) -> None:
        """Measure what it costs to start each of our programs, compiled before."""
        _compile()
        for row in ("floor", "library", "flow"):
            command = [sys.executable, "-c", f"import bench.{row}"]
            rounds = [counted(command, environment={}, log=Path(os.devnull)) for _ in range(ROUNDS)]
            self._keep(row, self.start, rounds)

    def bare_and_library(self) -> None:
        """Measure bare SSH and assessing in turns, then patching."""
        with self._yard("library") as yard:
            environment = self._home(yard)
            turns: dict[str, list[Cost]] = {"true": [], "floor": [], "library": []}
            for number in range(ROUNDS):
                script = yard.folder / "exchange"
                script.write_bytes(assessing(yard.inventory, f"floor-{number}"))
                turns["true"].append(self._ours("floor", yard, {}))
                turns["floor"].append(self._ours("floor", yard, {}, str(script)))
                turns["library"].append(self._ours("library assess", yard, environment))
            for row, rounds in turns.items():
                self._keep(row, self.assess, rounds)
            self._keep("library", self.patch, [self._ours("library patch", yard, environment)])
            must_be_patched(yard)

    def flows(self) -> None:
        """Measure whole flows, and what the Prefect server spends on recording them."""
        with self._yard("flow") as yard:
            environment = self._home(yard)
            with prefect_server(yard.folder / "server") as server:
                environment = {**server.environment, **environment}
                for verb, kept in (("assess", self.assess), ("patch", self.patch)):
                    before = server.cpu()
                    cost = self._ours(f"flow {verb}", yard, environment)
                    self._keep("flow", kept, [cost])
                    self._keep("server", kept, [Cost(server.cpu() - before, cost.wall)])
            must_be_patched(yard)

    def ansible(self, row: str) -> None:
        """Measure the playbooks of one row."""
        ending, pipelining = PLAYBOOKS[row]
        with self._yard(row) as yard:
            seen, done = (
                playbooks.play(
                    name + ending,
                    yard,
                    slots=self.slots,
                    log=self.logs / f"{row}-{name}.log",
                    pipelining=pipelining,
                )
                for name in ("assess", "install")
            )
            must_be_patched(yard)
        self._keep(row, self.assess, [seen])
        self._keep(row, self.patch, [seen + done])

    @contextmanager
    def _yard(self, name: str) -> Iterator[SimulatedYard]:
        with fleet(self.folder / name, self.machines) as yard:
            yield yard
            must_not_have_guessed(yard)

    def _home(self, yard: SimulatedYard) -> dict[str, str]:
        """Make a home with a database, as an installation has one: made once, not measured."""
        home = yard.folder / "home"
        open_store(f"sqlite:///{home / 'patchyard.db'}").close()
        return {"PATCHYARD_HOME": str(home), "PATCHYARD_DATABASE_URL": ""}

    def _ours(
        self, words: str, yard: SimulatedYard, environment: Mapping[str, str], *more: str
    ) -> Cost:
        """Count one module of the benchmark, named with its verb, in a process of its own."""
        module, *verb = words.split()
        arguments = [*verb, str(yard.inventory), str(self.slots), *more]
        return counted(
            [sys.executable, "-m", f"bench.{module}", *arguments],
            environment=environment,
            log=self.logs / f"{'-'.join(words.split())}.log",
        )

    def _keep(self, row: str, kept: dict[str, Cost], rounds: list[Cost]) -> None:
        """Keep the mean of some rounds, and say it."""
        kept[row] = sum(rounds, Cost(0, 0)) / len(rounds)
        what = next(w for w in ("assess", "patch", "start") if getattr(self, w) is kept)
        each = ", ".join(f"{cost.cpu / self.machines * 1000:.1f}" for cost in rounds)
        self.say(f"{row}, {what}: {each} ms of CPU for each machine")


def _compile() -> None:
    """Let Python compile the modules: it does so once, whoever imports them first."""
    folders = [str(Path(__file__).resolve().parents[1] / name) for name in OURS]
    command = [sys.executable, "-m", "compileall", "-q", *folders]
    counted(command, environment={}, log=Path(os.devnull))
