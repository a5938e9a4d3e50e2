"""Jobs on Windows, one round trip at a time: scheduled tasks of SYSTEM, each with its own folder.

The scripts tell facts; what they mean is decided here. The folder of a job holds `payload.ps1`,
`params.json`, `status.json`, `result.json` and `log.txt` (windows.md 1.3).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from patchyard._job_calls import ANSWER, Job, JobState, Kind, Runner, State, new_token
from patchyard._windows_answers import read
from patchyard.errors import MalformedOutput, PrivilegeRefused, ScriptFailed, Unreachable
from patchyard.templates import render
from patchyard.transcript import Section, Transcript

POLL_WAIT = timedelta(seconds=5)

LAUNCH = timedelta(seconds=60)
"""How long a job may take to show itself. One that was never launched by then never will be."""

STARTING = timedelta(seconds=40)
"""Time for an answer beyond that of a poll: the task is registered, and its process is waited for.
"""

TASK_QUEUED, TASK_READY, TASK_RUNNING = 2, 3, 4
"""States of a scheduled task (TASK_STATE of taskschd.h)."""

NEVER_RUN = 0x41303
"""LastTaskResult of a task that has not yet run (SCHED_S_TASK_HAS_NOT_RUN)."""

ACCESS_DENIED = "0x80070005"

LIMITS: Mapping[Kind, str] = {"read": "PT1H", "change": "PT0S"}
"""After how long the task scheduler ends a job. A change is never ended (design, rule 4)."""


def start(
    runner: Runner, job: Job, *, wait: timedelta = POLL_WAIT, token: str | None = None
) -> JobState:
    """Start a job, or attach to it, and wait a little for its end.

    `token` tells starters apart: the same one asks again for what it may have started itself.

    Raises:
        PrivilegeRefused: the account is no administrator.
        ScriptFailed: the machine could not start the job.
        MachineError: the link failed; the job may have been started.
    """
    question = _Question(job.id, job.kind, wait, token or new_token())
    files = {
        "job.ps1": render("windows/job.ps1.j2"),
        "payload.ps1": job.script,
        "params.json": json.dumps({**(job.parameters or {}), "job": question.identity()}),
    }
    return question.ask(
        runner,
        "windows/job_start.ps1.j2",
        STARTING,
        files=[{"name": n, "text": t, "sha256": _sum(t)} for n, t in files.items()],
        loader=render("windows/job_loader.ps1.j2"),
        time_limit=LIMITS[job.kind],
        stale_seconds=LAUNCH.total_seconds(),
    )


def poll(
    runner: Runner,
    job_id: str,
    kind: Kind,
    *,
    wait: timedelta = POLL_WAIT,
    token: str | None = None,
) -> JobState:
    """Wait a little for the end of a job, and say how it stands. Starts nothing.

    Raises:
        MachineError: the link failed, or the account may not see the job.
    """
    question = _Question(job_id, kind, wait, token or new_token())
    return question.ask(runner, "windows/job_poll.ps1.j2", timedelta(0))


def cancel(runner: Runner, job_id: str) -> bool:
    """Ask a job to begin nothing further; what it has begun goes on. False where there is none.

    Raises:
        MachineError: the link failed, or the account may not see the job.
    """
    question = _Question(job_id, "change", timedelta(0), new_token())
    transcript = question.put(runner, "windows/job_cancel.ps1.j2", timedelta(0), {})
    return json.loads(_required(transcript["cancel"], job_id)) is True


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Question:
    job_id: str
    kind: Kind
    wait: timedelta
    token: str
    nonce: str = field(default_factory=new_token)

    def identity(self) -> dict[str, str]:
        """Return what a job is told about itself."""
        return {"id": self.job_id, "kind": self.kind, "token": self.token}

    def ask(self, runner: Runner, template: str, more: timedelta, **values: object) -> JobState:
        transcript = self.put(runner, template, more, values)
        launch = transcript.get("launch")
        if launch is not None:
            _required(launch, self.job_id)
        facts = json.loads(_required(transcript["job"], self.job_id))
        if not isinstance(facts, dict):
            raise MalformedOutput(f"no facts about job {self.job_id}")
        return _state(facts, self.token)

    def put(
        self, runner: Runner, template: str, more: timedelta, values: Mapping[str, object]
    ) -> Transcript:
        parameters = {
            **self.identity(),
            "nonce": self.nonce,
            "job": None,
            "wait_seconds": self.wait.total_seconds(),
            **values,
        }
        done = runner.run(
            render(template), timeout=self.wait + ANSWER + more, parameters=parameters
        )
        try:
            return read(done.stdout, self.nonce)
        except (MalformedOutput, Unreachable) as error:
            if not done.stderr.strip():
                raise
            said = " ".join(done.stderr.split())[-300:]
            raise MalformedOutput(
                f"no answer about job {self.job_id} (status {done.exit_status}): {said}"
            ) from error


def _required(section: Section, job_id: str) -> str:
    """Return what a section says; tell apart who may not from what went wrong."""
    if section.status == 0:
        return section.stdout
    if section.stderr.startswith(ACCESS_DENIED):
        raise PrivilegeRefused(
            f"job {job_id}: the account may not start tasks as SYSTEM; it must be a member of "
            "Administrators on the machine, with its full token"
        )
    raise ScriptFailed(
        f"job {job_id} could not be started or asked after: {section.stderr}",
        exit_status=1,
        tail=section.stderr,
    )


def _state(facts: Mapping[str, Any], token: str) -> JobState:
    status = facts.get("status") or {}
    result = facts.get("result")
    mine = facts.get("starter") == token
    progress = _progress(status)
    if isinstance(result, str):
        code = int(status.get("exit") or 0)
        return JobState(State.FINISHED, code, result, progress, started_here=mine)
    refused = facts.get("refused") or {}
    if not facts.get("there"):
        if refused.get("token") == token:
            return JobState(State.REFUSED, detail=f"{refused['code']} {refused['reason']}")
        return JobState(State.ABSENT)
    state = _unfinished(facts, status)
    return JobState(state, output=str(facts.get("log") or ""), progress=progress, started_here=mine)


def _unfinished(facts: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    """Say how it stands with a job that has a folder and no result.

    One that was given up between its folder and its launch has begun nothing: it is absent.
    """
    task = facts.get("task") or {}
    young = float(facts.get("age") or 0) < LAUNCH.total_seconds()
    waiting = task.get("state") == TASK_READY and task.get("last_result") == NEVER_RUN
    if not status and (not task or waiting):
        return State.RUNNING if young else State.ABSENT
    if facts.get("alive") or task.get("state") in {TASK_QUEUED, TASK_RUNNING}:
        return State.RUNNING
    return State.RUNNING if not status and young else State.ORPHANED


def _progress(status: Mapping[str, Any]) -> str:
    """Tell how far a job is: `install 40 %: KB5120242`."""
    phase, percent, detail = (status.get(name) for name in ("phase", "percent", "detail"))
    share = f" {percent} %" if isinstance(percent, int) and percent else ""
    return f"{phase or ''}{share}{f': {detail}' if detail else ''}".strip()
