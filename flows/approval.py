"""Asking a person: the run is paused in Prefect with a form, and goes on with the answer.

It is a pause, not a suspension: the run keeps its heartbeat, so nobody takes it up meanwhile, a
run without a deployment can ask too, and where the worker ends `resume` asks again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from datetime import datetime, timedelta
from functools import partial
from math import ceil
from typing import Literal
from uuid import UUID

import httpx
from prefect import pause_flow_run, resume_flow_run
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.exceptions import FlowPauseTimeout, PrefectException
from prefect.input import RunInput
from prefect.states import Running
from pydantic import Field, ValidationError

from flows.recorded import flow_run_id
from flows.window import Window
from patchyard.approving import asked_about, keep_answer, question
from patchyard.domain.admission import EXCEEDED
from patchyard.domain.approval import Answered, Decision, wrong_with
from patchyard.domain.plan import Plan
from patchyard.runs import Run

PATIENCE = timedelta(hours=24)
"""How long an answer is waited for where the run has no window."""

POLL_SECONDS = 2


NOBODY = {"decision": "reject", "approver": "nobody", "plan": "cancelled"}
"""What the form is filled in with where the run is cancelled. It is no answer, and is not kept."""


class ApprovalForm(RunInput):
    """What a person fills in. Nothing is prefilled: a field that is would become optional."""

    decision: Literal["approve", "reject"] = Field(
        title="Decision",
        description="approve lets the plan begin, reject ends the run.",
        json_schema_extra={"position": 0},
    )
    approver: str = Field(
        title="Your name",
        description="Who answers. It is kept as evidence; Prefect itself does not prove it.",
        min_length=1,
        max_length=200,
        json_schema_extra={"position": 1},
    )
    plan: str = Field(
        title="Plan",
        description="The first characters of the plan's hash that you were shown, 8 or more.",
        min_length=8,
        max_length=64,
        json_schema_extra={"position": 2},
    )
    machines: list[str] = Field(
        [],
        title="Only these machines",
        description="Names, to narrow what you approve; all that are asked about where empty.",
        json_schema_extra={"position": 3},
    )
    note: str = Field(
        "",
        title="Note",
        description="Why; it is kept beside your name.",
        max_length=2000,
        json_schema_extra={"position": 4},
    )


def ask_approval(run: Run, window: Window, plan: Plan, number: int, by: list[str]) -> str:
    """Wait for a person's answer to a wave, or to the whole plan, and keep it.

    Answers why the run ends here; nothing where it goes on.
    """
    wave, names = asked_about(run, plan, number)
    until = run.window.end if run.window else run.clock() + PATIENCE
    wrong = ""
    while True:
        asked_at = run.clock()
        try:
            given = _pause(run, window, question(run, plan, wave, names, wrong), until)
        except ValidationError as error:
            wrong = str(error.errors(include_url=False, include_input=False)[0]["msg"])
            continue
        if run.cancelled():
            return "cancelled"
        if given is None:
            return _lapsed(run)
        who, machines = given.approver.strip(), tuple(given.machines)
        wrong = wrong_with(plan, names, tuple(by), given.plan, machines, who)
        if not wrong:
            break
        window.say("", "approval", f"an answer of {who or 'nobody'} was not taken: {wrong}")
    yes = given.decision == "approve"
    answer = Answered(
        plan_hash=plan.hash,
        wave=wave,
        decision=Decision.APPROVED if yes else Decision.REJECTED,
        approver=who,
        asked_at=asked_at,
        answered_at=run.clock(),
        note=given.note,
        machines=machines,
    )
    keep_answer(run, answer)
    window.say("", "approval", f"{answer.decision} by {who}")
    return "" if yes else f"rejected by {who}{f': {given.note}' if given.note else ''}"


def _pause(run: Run, window: Window, told: str, until: datetime) -> ApprovalForm | None:
    """Show a question until a time. Answers what was filled in; None where nobody did."""
    left = ceil((until - run.clock()).total_seconds())
    if left <= 0:
        return None
    window.say("", "approval", f"waits for a person until {until:%Y-%m-%d %H:%M} UTC")
    emit_event(
        "patchyard.approval.asked",
        resource={"prefect.resource.id": f"patchyard.run.{run.id}"},
        payload={"run": run.id, "question": told, "until": until.isoformat()},
    )
    form = ApprovalForm.with_initial_data(description=told)
    with _woken(run):
        try:
            return pause_flow_run(wait_for_input=form, timeout=left, poll_interval=POLL_SECONDS)
        except FlowPauseTimeout:
            _end_the_pause()
            return None


@contextmanager
def _woken(run: Run) -> Iterator[None]:
    """Let a run that waits for a person go on when it is cancelled: then nobody has answered."""
    over, asked = threading.Event(), UUID(flow_run_id())
    # The server that the run is recorded on is known in the context of this thread only.
    watching = partial(copy_context().run, _watch, run, over, asked)
    watch = threading.Thread(target=watching, name="cancel watch", daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()


def _watch(run: Run, over: threading.Event, flow_run: UUID) -> None:
    while not over.wait(POLL_SECONDS):
        if run.cancelled():
            # It may not be paused yet, or somebody may answer at this instant: it is tried again.
            with suppress(PrefectException, httpx.HTTPError, RuntimeError):
                resume_flow_run(flow_run, run_input=NOBODY)


def _end_the_pause() -> None:
    """Make a run whose question has lapsed one that goes on, so that it can tell its own end.

    Left in a pause that is over, the server takes no state of it but a failure without a report.
    """
    with get_client(sync_client=True) as client:
        run = UUID(flow_run_id())
        state = client.read_flow_run(run).state
        if state is not None and (state.is_paused() or state.is_failed()):
            client.set_flow_run_state(run, Running(), force=True)


def _lapsed(run: Run) -> str:
    if run.window:
        return f"{EXCEEDED}: nobody had approved the plan when the window was over"
    return f"nobody approved the plan within {PATIENCE.total_seconds() / 3600:.0f} hours"
