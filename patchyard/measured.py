"""What the machines of an inventory took before, read from the store as it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cached_property

from patchyard.domain.admission import History, history_of
from patchyard.domain.inventory import Policy
from patchyard.domain.path import RebootSetting
from patchyard.domain.plan import MachinePlan
from patchyard.domain.record import MachineRun, Step
from patchyard.store import StepRecord, Store

MEASURED = 10
"""Earlier runs whose times are looked at; twice as many as are needed to be trusted."""


class Measured:
    """The times of machines in the last runs before one. Any thread may ask."""

    def __init__(self, store: Store, inventory: str, but: str = "") -> None:
        self._store, self._inventory, self._but = store, inventory, but
        self._lock = threading.Lock()
        self._plans: dict[str, Mapping[str, MachinePlan]] = {}

    @cached_property
    def _runs(self) -> tuple[str, ...]:
        return self._store.runs_before(self._inventory, self._but, MEASURED)

    def of(self, machine: str) -> History:
        """Return what a machine took before."""
        with self._lock:
            found = self._store.timed_steps(machine, self._runs) if self._runs else {}
            starts = self._store.start_times(self._runs, machine) if self._runs else {}
            return self._history(machine, found, starts.get(machine, ()))

    def all(self) -> Mapping[str, History]:
        """Return what all machines took before that have been worked on, by name."""
        with self._lock:
            steps = self._store.all_timed_steps(self._runs) if self._runs else {}
            starts = self._store.start_times(self._runs) if self._runs else {}
            return {
                machine: self._history(machine, steps.get(machine, {}), starts.get(machine, ()))
                for machine in steps.keys() | starts.keys()
            }

    def _history(
        self,
        machine: str,
        found: Mapping[str, tuple[StepRecord, ...]],
        starts: tuple[timedelta, ...],
    ) -> History:
        runs = (self._run(run, machine, steps) for run, steps in found.items())
        return replace(history_of(runs), starts=starts)

    def _run(self, run_id: str, machine: str, steps: tuple[StepRecord, ...]) -> MachineRun:
        """Return so much of an earlier run as its times need: steps, and classes of updates."""
        plan = self._plan(run_id).get(machine, MachinePlan(machine=machine))
        return MachineRun(
            run_id, plan, Policy(), RebootSetting.IF_REQUIRED, tuple(map(_step, steps))
        )

    def _plan(self, run_id: str) -> Mapping[str, MachinePlan]:
        if run_id not in self._plans:
            plan = self._store.find_plan(run_id)
            self._plans[run_id] = {part.machine: part for part in plan.machines} if plan else {}
        return self._plans[run_id]


def _step(record: StepRecord) -> Step:
    return Step.model_validate(
        {
            "action": record.action,
            "started_at": record.started_at,
            "finished_at": record.finished_at,
            "result": record.result,
        }
    )
