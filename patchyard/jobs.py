"""Detached jobs: work on a machine under an id, that outlives the link and the controller.

A job is started once, however often it is asked for: its directory on the machine is the guard,
and making it is atomic. Whoever asks for an id that was started before is attached to that job.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from patchyard._job_calls import (
    Job,
    JobBusy,
    JobOrphaned,
    JobState,
    Kind,
    Runner,
    State,
    new_token,
)
from patchyard.errors import MachineError, ScriptFailed, TimedOut, Unreachable
from patchyard.link import Link, pauses
from patchyard.systems.base import POLL_WAIT, System

__all__ = [
    "Finished",
    "Job",
    "JobBusy",
    "JobOrphaned",
    "JobState",
    "Kind",
    "Runner",
    "State",
    "run_job",
    "wait_for",
]

BUSY = "75"
PATIENCE = timedelta(seconds=60)
"""How long a machine is tried that was not reached at all; nothing has been started there."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A job that has ended by itself."""

    exit_status: int
    output: str
    started_here: bool

    @property
    def attached(self) -> bool:
        """True where the job had been started by somebody before."""
        return not self.started_here


def run_job(  # noqa: PLR0913 - what is waited for, and how; the last four have defaults
    link: Link,
    job: Job,
    *,
    system: System,
    deadline: datetime,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
    on_progress: Callable[[str], None] = lambda _line: None,
    cancelled: Callable[[], bool] = lambda: False,
    poll_wait: timedelta = POLL_WAIT,
    patience: timedelta = PATIENCE,
) -> Finished:
    """Start a job or attach to it, and follow it to its end, through lost links.

    A machine that is not reached at all is given up after `patience`. Once it may have been
    asked to start, it is followed until the deadline. Once `cancelled` says so, a change is asked
    to begin nothing further, where its system can do that, and followed to its end all the same.

    Raises:
        JobOrphaned: the job ended without a status.
        JobBusy: another change is at work; the message names it.
        TimedOut: no end by the deadline; the job goes on, and can be attached to.
        MachineError: the link failed in a way that waiting does not mend.
    """
    _reach(link, until=min(deadline, clock() + patience), clock=clock, sleep=sleep)
    following = _Following(
        link, job, system, deadline, clock, sleep, on_progress, cancelled, poll_wait
    )
    return following.run()


def _reach(
    link: Link,
    *,
    until: datetime,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> None:
    pause = pauses()
    while True:
        try:
            link.open()
        except Unreachable:
            wait = pause()
            if clock() + timedelta(seconds=wait) >= until:
                raise
        else:
            return
        sleep(wait)


def wait_for(
    link: Link,
    job_id: str,
    *,
    system: System,
    deadline: datetime,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> None:
    """Wait until a change that somebody has started is over, however it ends, or the deadline.

    Raises:
        MachineError: the link failed in a way that waiting does not mend.
    """
    pause = pauses()
    while clock() < deadline:
        try:
            if system.poll(link, job_id, "change").state != State.RUNNING:
                return
        except Unreachable:
            sleep(pause())


@dataclass
class _Following:
    link: Link
    job: Job
    system: System
    deadline: datetime
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    on_progress: Callable[[str], None]
    cancelled: Callable[[], bool]
    poll_wait: timedelta
    token: str = field(default_factory=new_token)
    last_progress: str = ""
    trouble: str = "it is still running"
    told_to_end: bool = False

    def run(self) -> Finished:
        starting = True
        pause = pauses()
        while True:
            try:
                seen = self._start() if starting else self._poll()
                self._cancel(seen)
            except Unreachable as error:
                # It may have been started: look before starting, although that would be harmless.
                starting, self.trouble = False, str(error)
                self._rest(pause())
                continue
            finished = self._judge(seen)
            if finished:
                return finished
            if seen.state == State.ABSENT:
                self._rest(pause())
            else:
                pause = pauses()
                self._rest(0)
            starting = seen.state == State.ABSENT

    def _start(self) -> JobState:
        return self.system.start(self.link, self.job, wait=self._wait(), token=self.token)

    def _poll(self) -> JobState:
        return self.system.poll(
            self.link, self.job.id, self.job.kind, wait=self._wait(), token=self.token
        )

    def _cancel(self, seen: JobState) -> None:
        """Pass a cancel on, once; a job that ends by itself meanwhile needs none."""
        cancel = self.system.cancel
        if cancel is None or self.told_to_end or self.job.kind != "change":
            return
        if seen.state == State.RUNNING and self.cancelled():
            cancel(self.link, self.job.id)
            self.told_to_end = True

    def _wait(self) -> timedelta:
        left = self.deadline - self.clock()
        return max(timedelta(0), min(self.poll_wait, left))

    def _judge(self, seen: JobState) -> Finished | None:
        if seen.progress and seen.progress != self.last_progress:
            self.last_progress = seen.progress
            self.on_progress(seen.progress)
        if seen.state == State.FINISHED and seen.exit_status is not None:
            return Finished(seen.exit_status, seen.output, seen.started_here)
        if seen.state == State.ORPHANED:
            raise JobOrphaned(
                f"job {self.job.id} ended without a status: the machine went down in the "
                f"middle of it, or it was killed; last output: {seen.output[-300:].strip()!r}"
            )
        if seen.state == State.REFUSED:
            raise _refusal(self.job.id, seen.detail)
        self.trouble = f"it is {'not there' if seen.state == State.ABSENT else 'still running'}"
        return None

    def _rest(self, seconds: float) -> None:
        left = (self.deadline - self.clock()).total_seconds()
        if left <= 0:
            raise TimedOut(
                f"job {self.job.id} has not ended by its deadline ({self.trouble}); "
                "it is not stopped, and can be attached to"
            )
        if seconds:
            self.sleep(min(seconds, left))


def _refusal(job_id: str, detail: str) -> MachineError:
    number, _, reason = detail.partition(" ")
    if number == BUSY:
        return JobBusy(
            f"job {job_id} was not started: job {reason.strip()} is changing the machine; "
            "wait for its end",
            holder=reason.strip(),
        )
    return ScriptFailed(f"job {job_id} was not started: {reason.strip()}", tail=reason.strip())
