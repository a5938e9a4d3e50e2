"""What people see in Prefect while a run is at work: progress, tables, the report, log lines.

Prefect is the window, the store is the record. One progress artifact a run, one table for the
assessment and one for each wave, one Markdown report; log lines until a run has had its share.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.events import emit_event
from prefect.exceptions import TerminationSignal

from flows.recorded import GOOD, cancel_asked
from flows.showing import Showing
from patchyard.account import assessment_rows, wave_rows
from patchyard.domain.outcome import Status
from patchyard.domain.plan import Plan
from patchyard.domain.report import RunReport
from patchyard.domain.rollout import Step, WaitForRuns
from patchyard.domain.verdict import verdict
from patchyard.fleet import ENDED
from patchyard.reporting import render_markdown, write_report
from patchyard.runs import Run
from patchyard.untrusted import visible

LOG_LINES = 2000
"""Log lines a run may send to the server, which spends some 2 ms on each. All are in its folder."""

STEP_LINES = 300
"""Lines after which single steps of machines are no more sent, so that verdicts still are."""

EVENTS = 100
"""Events a run may send. They share one queue with the states of task runs."""

PROGRESS_SECONDS = 5.0
"""Time between two updates of the progress artifact, which cost 25 ms each."""

HURRY = timedelta(seconds=5)
"""How long is waited for what is still to be shown where the run is left in a hurry."""


class Window:
    """The window of one run. Entering it takes over the run's log lines."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._log = get_run_logger()
        self._lock = threading.Lock()
        self._lines = 0
        self._full: set[str] = set()
        self._events = 0
        self._total = 0
        self._artifact: UUID | None = None
        self._shown_at = 0.0
        self._waves_shown: set[int] = set()
        self._plan: Plan | None = None
        self._waits_for = ""
        self._showing = Showing(partial(self.say, "", "prefect"))

    def __enter__(self) -> Self:
        self._run.say = self.say
        self.say("", "run", "resumed" if self._run.resumed else "begun")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._showing.close()
            return
        self._run.stop.set()
        if isinstance(error, TerminationSignal) and cancel_asked():
            self._run.cancel()
            self.say("", "run", "cancelled: nothing new is begun; resume ends what was begun")
        else:
            self.say("", "run", f"left: {error!r}; its record stays, and it can be resumed")
        self._showing.close(HURRY)

    def say(self, machine: str, step: str, text: str) -> None:
        """Log one line with run, machine and step: to the run's folder, and at first to Prefect."""
        told = " ".join(text.split())
        line = visible(" | ".join(part for part in (self._run.id, machine, step, told) if part))
        what, most = ("steps", STEP_LINES) if machine and step != ENDED else ("lines", LOG_LINES)
        kept = self._run.folder / "run.log"
        with self._lock:
            with kept.open("a") as log:
                log.write(f"{self._run.clock().isoformat()} {line}\n")
            room, told_before = self._lines < most, what in self._full
            self._lines += room
            self._full |= set() if room else {what}
        if room:
            self._log.log(logging.INFO, line)
        elif not told_before:
            self._log.warning("further %s of machines are in %s only", what, kept)
        if step == ENDED:
            self._tell(machine, text)

    def _tell(self, machine: str, text: str) -> None:
        """Emit an event for a machine whose verdict needs a person."""
        status = text.partition(":")[0]
        good = {*GOOD, Status.CANCELLED, Status.SKIPPED}
        if status in good or self._events >= EVENTS:
            return
        self._events += 1
        emit_event(
            f"patchyard.machine.{status}",
            resource={"prefect.resource.id": f"patchyard.machine.{machine}"},
            payload={"run": self._run.id, "reason": text},
        )

    def begin(self, phase: str, total: int) -> None:
        """Begin showing the progress of a phase over so many machines."""
        self._total = max(1, total)
        self._showing.show(partial(self._bar, f"{self._run.id}: {phase} {total} machines"))
        self._shown_at = 0.0
        self.say("", phase, f"{total} machine{'' if total == 1 else 's'}")

    def _bar(self, description: str, percent: float = 0.0) -> None:
        """Make the progress artifact, or move it."""
        if self._artifact is not None:
            update_progress_artifact(self._artifact, progress=percent, description=description)
            return
        made = create_progress_artifact(
            progress=percent, key=self._key("progress"), description=description
        )
        self._artifact = made if isinstance(made, UUID) else None

    def progress(self) -> None:
        """Show how far the phase is, and the table of every wave that has ended."""
        if time.monotonic() - self._shown_at < PROGRESS_SECONDS:
            return
        self._shown_at = time.monotonic()
        final, at_work = self._run.store.count_machines(self._run.id)
        if self._showing.idle:
            told = f"{self._run.id}: {final} of {self._total} done, {at_work} at work"
            percent = min(100.0, 100.0 * final / self._total)
            self._showing.show(partial(self._bar, told, percent))
        self._show_ended_waves()

    def prepares(self) -> None:
        """Tell until when the run only prepares, where it does."""
        opens = self._run.window.start if self._run.window and self._run.preparing else None
        if opens is not None:
            self.say("", "window", f"opens at {opens:%Y-%m-%d %H:%M} UTC; begun to prepare")

    def waits(self, step: Step) -> None:
        """Tell which other run is waited for, once for as long as it is the same."""
        if isinstance(step, WaitForRuns) and step.reason != self._waits_for:
            self._waits_for = step.reason
            self.say("", "waits", f"for another run: {step.reason}")

    def assessed(self) -> None:
        """Show the table of the assessment."""
        self._table(
            "assessment", assessment_rows(self._run), "What the machines have and could have"
        )

    def planned(self, plan: Plan) -> None:
        """Show what was frozen."""
        self._plan = plan
        count = sum(len(machine.updates) for machine in plan.machines)
        sizes = ", ".join(str(len(wave)) for wave in plan.waves) or "none"
        self.say("", "plan", f"{plan.hash[:12]}: {count} updates, waves of {sizes}")

    def publish(self, report: RunReport) -> RunReport:
        """Write the report's files, show the report, and answer it with the files' paths."""
        self._show_ended_waves(everything=True)
        files = write_report(report, self._run.folder)
        report = report.model_copy(update={"files": {k: str(v) for k, v in files.items()}})
        text, told = render_markdown(report), verdict(report)
        key = self._key("report")
        self._showing.show(partial(create_markdown_artifact, text, key=key, description=told))
        if self._total:
            self._showing.show(partial(self._bar, told, 100.0))
        self.say("", "report", verdict(report))
        return report

    def _show_ended_waves(self, *, everything: bool = False) -> None:
        for number, _wave in enumerate(self._plan.waves if self._plan else (), start=1):
            rows = wave_rows(self._run, number)
            ended = all(Status(row["status"]).final for row in rows)
            begun = any(row["status"] != Status.NOT_STARTED for row in rows)
            if number not in self._waves_shown and begun and (ended or everything):
                self._waves_shown.add(number)
                self._table(f"wave-{number}", rows, f"Wave {number} of run {self._run.id}")

    def _table(self, name: str, rows: list[dict[str, Any]], description: str) -> None:
        key = self._key(name)
        self._showing.show(partial(create_table_artifact, rows, key=key, description=description))

    def _key(self, name: str) -> str:
        """Artifact keys are lower-case letters, digits and dashes; one key keeps its versions."""
        plain = "".join(c if c.isalnum() else "-" for c in self._run.record.inventory.lower())
        return f"{plain.strip('-')}-{self._run.record.kind}-{name}"
