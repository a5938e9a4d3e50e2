"""Notices of a run: when it begins, after each wave, when it begins to fail, and at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from patchyard.account import report_of
from patchyard.domain.around import Notice
from patchyard.domain.counting import counted, names
from patchyard.domain.noticing import TYPES, when
from patchyard.domain.outcome import Status
from patchyard.domain.plan import Plan
from patchyard.domain.verdict import verdict
from patchyard.maintenance_parameters import bare_key
from patchyard.notifiers import Notifier
from patchyard.runs import Run
from patchyard.store import NoticeRecord
from patchyard.telling import Matter, Teller

UNSEEN = "it was begun, and nobody saw whether it was given"


class RunNotices:
    """The notices of one open run. Each is given once, whoever takes the run up."""

    def __init__(self, run: Run, plan: Plan, ways: Mapping[str, Notifier]) -> None:
        """See what was given before: a notice that had to reach somebody and did not stops a run.

        Args:
            run: the open run.
            plan: its plan.
            ways: the ways to tell somebody, by name.
        """
        self._run, self._plan = run, plan
        self._teller = Teller(run.store, run.inventory, ways)
        self._told: set[str] = set()
        mine = f"{run.inventory.name}/{run.leg}/"
        for record in run.store.notices(run.inventory.name, _window_key(run), run.id):
            if run.notices and (not record.run_id or record.key.startswith(mine)):
                self._note(self._settled(record))

    def _settled(self, record: NoticeRecord) -> NoticeRecord:
        """Call a notice failed that a controller before this one began to give."""
        if record.state == "claimed" and record.run_id:
            self._run.store.end_notice(record.key, "failed", UNSEEN, self._run.clock())
            return replace(record, state="failed", detail=UNSEEN)
        return record

    def _note(self, record: NoticeRecord) -> None:
        if record.state == "failed" and record.stops:
            who = f"notice {record.moment} to {record.to} {record.address}".strip()
            self._run.stops[who] = f"{who}: {record.detail}"

    def started(self) -> None:
        """Tell that the run begins to change machines."""
        count = counted(sum(len(wave) for wave in self._plan.waves), "machine")
        text = f"Maintenance of {count} in {len(self._plan.waves)} waves begins now."
        self._tell("start", f"Maintenance of {count} begins: {self._name}", text)

    def wave_ended(self, wave: int, status: Status) -> None:
        """Tell that the machines of a wave have come to their ends."""
        machines = self._plan.waves[wave - 1]
        title = f"Wave {wave} of {len(self._plan.waves)} ended: {self._name}"
        text = f"Wave {wave} of {len(self._plan.waves)} ended as {status}: {names(machines)}."
        self._tell("wave", title, text, wave=wave, status=str(status), machines=machines)

    def failing(self, why: str) -> None:
        """Tell, once, that a machine has failed or that the run was halted."""
        self._tell("failure", f"Maintenance has failures: {self._name}", f"{why}.", why=why)

    def ended(self, halted: str) -> None:
        """Tell the run's end, with its verdict."""
        if not self._asked("end") and not self._asked("failure"):
            return
        report = report_of(self._run, plan=self._plan, halted_because=halted)
        told = verdict(report)
        if report.status == Status.FAILED:
            self.failing(halted or told.rstrip("."))
        title = f"Maintenance ended as {report.status}: {self._name}"
        self._tell("end", title, told, status=str(report.status), verdict=told)

    @property
    def _name(self) -> str:
        return self._run.window.key if self._run.window else self._run.id

    def _asked(self, moment: str) -> list[Notice]:
        return [notice for notice in self._run.notices if moment in notice.at]

    def _tell(
        self,
        moment: str,
        title: str,
        text: str,
        *,
        wave: int = 0,
        machines: tuple[str, ...] = (),
        **data: Any,
    ) -> None:
        place = f"{self._run.leg}/{wave}" if wave else self._run.leg
        asked = self._asked(moment)
        if not asked or f"{place}/{moment}" in self._told:
            return
        self._told.add(f"{place}/{moment}")
        everybody = tuple(name for each in self._plan.waves for name in each)
        matter = Matter(
            place=place,
            moment=moment,
            type=TYPES[moment],
            subject=self._run.id,
            title=title,
            text=f"{text}\n{self._facts()}",
            data={"run": self._run.id, "window": self._window(), **({"wave": wave} if wave else {})}
            | data,
            machines=machines or everybody,
            window=_window_key(self._run),
            run_id=self._run.id,
        )
        for notice in asked:
            self._give(notice, matter)

    def _give(self, notice: Notice, matter: Matter) -> None:
        given = self._teller.give(notice, matter, self._run.clock())
        if given is None:
            return
        to = f"{given.to} {given.address}".strip()
        detail = f": {given.detail}" if given.detail else ""
        self._run.say("", f"notice {given.moment}", f"{given.state} to {to}{detail}")
        self._note(given)

    def _facts(self) -> str:
        run, window = self._run, self._run.window
        lines = [f"Run {run.id} of {run.record.inventory}, scope {run.record.scope}."]
        if window:
            lines.append(f"Window {window.key}: {when(window.start, window.end)}.")
        return "\n".join(lines)

    def _window(self) -> dict[str, str] | None:
        window = self._run.window
        return window.model_dump(mode="json") if window else None


def _window_key(run: Run) -> str:
    return bare_key(run.window.key) if run.window else ""
