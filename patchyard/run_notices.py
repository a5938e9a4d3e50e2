"""Notices of a run: when it begins, after each wave, when it begins to fail, and at its end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from patchyard.account import report_of
from patchyard.domain.around import MOMENTS, Notice
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

UNTRIED = "it was never given"

SENDING = timedelta(minutes=10)
"""So long a dispatcher may be at giving a notice: of one that takes longer the end is unknown."""


_WORDS = {"emergency": "Emergency maintenance", "rollback": "Rollback"}


class RunNotices:
    """The notices of one open run. Each is given once, whoever takes the run up."""

    def __init__(
        self,
        run: Run,
        plan: Plan,
        ways: Mapping[str, Notifier],
        forgiven: Collection[str] = (),
    ) -> None:
        """See what was given before: a notice that had to reach somebody and did not stops a run.

        Args:
            run: the open run.
            plan: its plan.
            ways: the ways to tell somebody, by name.
            forgiven: notices that no longer stop the run.
        """
        self._run, self._plan, self._forgiven = run, plan, forgiven
        self._teller = Teller(run.store, run.inventory, ways)
        self._told: set[str] = set()
        if run.notices:
            self._see()

    def _see(self) -> tuple[NoticeRecord, ...]:
        """Note which notices have failed. Answers those before the window, of each the last one."""
        run = self._run
        records = run.store.notices(run.inventory.name, _window_key(run), run.id)
        before = {(r.moment, r.to, r.address): r for r in records if not r.run_id}
        mine = f"{run.inventory.name}/{run.leg}/"
        for record in (*before.values(), *(r for r in records if r.key.startswith(mine))):
            self._note(self._settled(record))
        return tuple(before.values())

    def _settled(self, record: NoticeRecord) -> NoticeRecord:
        """Call a notice failed that a dead controller or dispatcher began to give."""
        now = self._run.clock()
        if record.state != "claimed" or not (record.run_id or now - record.claimed_at > SENDING):
            return record
        if record.run_id:
            self._run.store.end_notice(record.key, "failed", UNSEEN, now)
        return replace(record, state="failed", detail=UNSEEN)

    def _note(self, record: NoticeRecord) -> None:
        if record.state == "failed" and record.stops:
            self._stop(record.moment, record.to, record.address, record.detail)

    def _stop(self, moment: str, to: str, address: str, why: str) -> None:
        who = f"notice {moment} to {to} {address}".strip()
        if who not in self._forgiven:
            self._run.stops[who] = f"{who}: {why}"

    def _note_untried(self, before: Iterable[NoticeRecord]) -> None:
        """Note the notices before the window that had to reach somebody, and nobody has given."""
        if self._run.window is None or self._run.record.kind != "patch":
            return
        tried = {(record.to, record.address) for record in before}
        for notice in self._run.notices:
            early = [moment for moment in notice.at if moment not in MOMENTS]
            must = notice.on_failure == "stop" and (notice.to, notice.address) not in tried
            if early and must:
                self._stop(early[0], notice.to, notice.address, UNTRIED)

    def started(self) -> None:
        """Tell that the run begins to change machines, where whoever must know of it does."""
        if self._run.notices:
            self._note_untried(self._see())
        if self._run.stops:
            return
        count = counted(sum(len(wave) for wave in self._plan.waves), "machine")
        text = f"{self._what} of {count} in {counted(len(self._plan.waves), 'wave')} begins now."
        self._tell("start", f"{self._what} of {count} begins: {self._name}", text)

    def wave_ended(self, wave: int, status: Status) -> None:
        """Tell that the machines of a wave have come to their ends."""
        machines = self._plan.waves[wave - 1]
        title = f"Wave {wave} of {len(self._plan.waves)} ended: {self._name}"
        text = f"Wave {wave} of {len(self._plan.waves)} ended as {status}: {names(machines)}."
        self._tell("wave", title, text, wave=wave, status=str(status), machines=machines)

    def failing(self, why: str) -> None:
        """Tell, once, that a machine has failed or that the run was halted."""
        self._tell("failure", f"{self._what} has failures: {self._name}", f"{why}.", why=why)

    def ended(self, halted: str) -> None:
        """Tell the run's end, with its verdict."""
        if not self._asked("end") and not self._asked("failure"):
            return
        report = report_of(self._run, plan=self._plan, halted_because=halted)
        told = verdict(report)
        if report.status == Status.FAILED:
            self.failing(halted or told.rstrip("."))
        title = f"{self._what} ended as {report.status}: {self._name}"
        self._tell("end", title, told, status=str(report.status), verdict=told)

    @property
    def _what(self) -> str:
        return _WORDS.get(self._run.record.kind, "Maintenance")

    @property
    def _name(self) -> str:
        """What people know it by: its window, where it has one that was announced."""
        window = self._run.window if self._run.record.kind == "patch" else None
        return window.key if window else self._run.id

    def _asked(self, moment: str) -> list[Notice]:
        """Return who is to be told; of two notices to one, first that which must be given."""
        asked = (notice for notice in self._run.notices if moment in notice.at)
        return sorted(asked, key=lambda notice: notice.on_failure != "stop")

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
            data={**self._ids(), **({"wave": wave} if wave else {}), **data},
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

    def _ids(self) -> dict[str, Any]:
        record, window = self._run.record, self._run.window
        told = window.model_dump(mode="json") if window else None
        ids = {"run": record.id, "kind": record.kind, "takes_back": record.takes_back}
        return {**ids, "window": told}


def _window_key(run: Run) -> str:
    return bare_key(run.window.key) if run.window else ""
