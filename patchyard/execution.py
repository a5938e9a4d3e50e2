"""Carrying out one machine's run: ask what comes next, record it, do it, record what came of it.

The record is written before the act. Whoever runs the loop next, after a crash of this one,
reads the same record, is told the same act, and attaches to what was begun.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from patchyard import operations
from patchyard.domain.actions import (
    Action,
    Ask,
    Call,
    Download,
    Finish,
    Install,
    Keep,
    Look,
    Reboot,
    Repair,
    RestartServices,
    Undo,
    Verify,
    Wait,
)
from patchyard.domain.downloading import download_of, open_download, recorded_download
from patchyard.domain.health import Answer
from patchyard.domain.hooking import call_after, ended_early, stopping
from patchyard.domain.inventory import Inventory, Machine
from patchyard.domain.machine import next_step
from patchyard.domain.outcome import Status
from patchyard.domain.record import Fault, MachineRun, RebootOutcome, Result, Step
from patchyard.domain.updates import Assessment
from patchyard.downloading import fetch
from patchyard.errors import MachineError
from patchyard.hooks.calling import call_of_machine
from patchyard.jobs import JobOrphaned
from patchyard.link import Link
from patchyard.managers import manager_for
from patchyard.operations import Bench
from patchyard.questions import ask, settle
from patchyard.store import Store
from patchyard.systems import system_for
from patchyard.transports import open_transport

SOON = timedelta(seconds=60)
"""An act that is attached to after its deadline is still given this long to be read."""

ASK_LIMIT = timedelta(seconds=60)
"""How long the answers to all health questions of a machine may take."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What carrying out needs from outside: memory, clock, and who is told."""

    store: Store
    inventory: Inventory
    run_id: str
    seed: str
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    cancelled: Callable[[], bool] = lambda: False
    lost: Callable[[], bool] = lambda: False
    say: Callable[[str, str, str], None] = lambda _machine, _step, _text: None
    stop: Callable[[str, str], None] = lambda _machine, _why: None

    def bench(self, machine: Machine, link: Link) -> Bench:
        """Return the bench for one machine, over an open link."""
        return Bench(
            machine=machine,
            system=system_for(machine),
            manager=manager_for(machine),
            link=link,
            run_id=self.run_id,
            seed=self.seed,
            clock=self.clock,
            sleep=self.sleep,
            # Jobs on machines belong to the run, and it to whoever has it now.
            cancelled=lambda: self.cancelled() and not self.lost(),
        )

    def link(self, machine: Machine) -> Link:
        """Return a link to a machine; it connects when it is first used."""
        return Link(lambda: open_transport(machine, self.inventory))


def recorded(workshop: Workshop, run: MachineRun) -> MachineRun:
    """Return `run` with the steps and assessments that the store has of it."""
    machine = run.plan.machine
    steps = tuple(
        Step.model_validate(
            {
                "action": record.action,
                "started_at": record.started_at,
                "finished_at": record.finished_at,
                "result": record.result,
            }
        )
        for record in workshop.store.steps(run.run_id, machine)
    )
    seen: dict[str, Assessment] = {}
    for step in steps:
        if isinstance(step.action, Look) and step.finished_at is not None:
            found = workshop.store.assessment(run.run_id, machine, step.action.key)
            if found is not None:
                seen[step.action.key] = found
    return replace(run, steps=steps, assessments=seen)


def carry_out(workshop: Workshop, machine: Machine, run: MachineRun) -> Finish:
    """Take one machine from where its record ends to its verdict.

    Machine trouble is in the verdict, never raised. Cancelling ends a machine that nothing
    was done to; one that was changed is taken to its end. Where another controller has the run by
    now, nothing further is done here, for it is done there.
    """
    run = recorded(workshop, run)
    with workshop.link(machine) as link:
        bench = workshop.bench(machine, link)
        while True:
            step: Action | Wait | Finish
            if workshop.lost():
                return Finish(status=Status.UNKNOWN, reason="another controller has the run")
            if workshop.cancelled() and not run.changed and not run.open:
                step = call_after(run, ended_early())
            else:
                step = next_step(run, workshop.clock())
            match step:
                case Finish():
                    return step
                case Wait():
                    _wait(workshop, step)
                case _:
                    # A download that is still at work is waited for, and then it is asked anew.
                    run = _do(workshop, bench, run, open_download(run) or step)


def download_ahead(
    workshop: Workshop, machine: Machine, run: MachineRun, planned_from: Assessment | None
) -> str:
    """Fetch a machine's updates ahead of its run. Answers what came of it, in words.

    One that a killed controller had begun is attached to; one that has ended is not begun again.

    Args:
        workshop: what carrying out needs.
        machine: the machine.
        run: what the run does to it.
        planned_from: the look that its plan was made from, which tells the room that it has.
    """
    run = recorded(workshop, run)
    done = recorded_download(run)
    if any(step is not done for step in run.steps):
        return "not done: work on it has begun"
    if done is None or done.finished_at is None:
        known = {"planned_from": planned_from} if planned_from else {}
        action = done.action if done else download_of(run.plan)
        with workshop.link(machine) as link:
            bench = workshop.bench(machine, link)
            done = recorded_download(_do(workshop, bench, replace(run, assessments=known), action))
    assert done is not None  # noqa: S101 - it is the step that was done
    assert done.result is not None  # noqa: S101 - and it has ended
    return f"not done: {done.result.told}" if done.result.failed else done.result.told


def wind_up(workshop: Workshop, machine: Machine, run: MachineRun, finish: Finish) -> Finish:
    """Call the hooks after a machine on which Patchyard itself has failed, and answer its end.

    The step that it failed in has no end of its own: it gets one, which says so.
    """
    run = recorded(workshop, run)
    step = call_after(run, finish)
    if isinstance(step, Finish):
        return step
    told = Result(fault=Fault(code="internal", detail=finish.reason)).model_dump(mode="json")
    for record in workshop.store.steps(run.run_id, machine.name):
        if record.open:
            at = workshop.clock()
            workshop.store.finish_step(run.run_id, machine.name, record.seq, told, at)
    with workshop.link(machine) as link:
        bench = workshop.bench(machine, link)
        while not isinstance(step, Finish):
            run = _do(workshop, bench, run, step)
            step = call_after(run, finish)
    return step


def _wait(workshop: Workshop, wait: Wait) -> None:
    """Wait in short turns, so that cancelling is seen soon."""
    left = (wait.until - workshop.clock()).total_seconds()
    workshop.sleep(max(0.0, min(left, 1.0)))


def _do(workshop: Workshop, bench: Bench, run: MachineRun, action: Action) -> MachineRun:
    name = bench.machine.name
    begun = workshop.store.begin_step(
        run.run_id, name, action.key, action.model_dump(mode="json"), workshop.clock()
    )
    workshop.say(name, action.key, "started")
    assessment, result = _attempt(bench, run, action, begun.started_at, workshop)
    finished, told = workshop.clock(), result.model_dump(mode="json")
    if assessment is None:
        workshop.store.finish_step(run.run_id, name, begun.seq, told, finished)
    else:
        workshop.store.end_look(
            run.run_id, name, begun.seq, action.key, assessment, result=told, at=finished
        )
    step = Step(action=action, started_at=begun.started_at, finished_at=finished, result=result)
    steps = (*(s for s in run.steps if s.action.key != action.key), step)
    for why in stopping([step]):
        workshop.stop(name, f"{name}: {why}")
    seen = {**run.assessments, action.key: assessment} if assessment else run.assessments
    return replace(run, steps=steps, assessments=seen)


def _attempt(
    bench: Bench, run: MachineRun, action: Action, started: datetime, workshop: Workshop
) -> tuple[Assessment | None, Result]:
    """Do one act. What the machine cannot do becomes a fault in the result."""
    try:
        if isinstance(action, Look):
            return operations.assess(bench, action.key, refresh=action.refresh), Result()
        return None, _act(bench, run, action, started, workshop)
    except JobOrphaned as error:
        return None, Result(fault=Fault(code="orphaned", detail=str(error)))
    except MachineError as error:
        return None, Result(fault=Fault(code=error.code, detail=str(error)))


def _act(  # noqa: C901, PLR0911 - one line for each act
    bench: Bench, run: MachineRun, action: Action, started: datetime, workshop: Workshop
) -> Result:
    deadline = _deadline(bench, action, started)
    match action:
        case Ask():
            return Result(answers=_ask(bench))
        case Keep():
            return Result(restore_point=operations.keep(bench, action, deadline))
        case Repair():
            return Result(transaction=operations.repair(bench, action.key, deadline))
        case Download():
            return fetch(bench, run, action, deadline)
        case Install():
            return Result(transaction=operations.install(bench, action, deadline))
        case Undo():
            return Result(transaction=operations.undo(bench, action, deadline))
        case RestartServices():
            return Result(detail=operations.restart(bench, action.key, action.services))
        case Reboot():
            return _reboot(bench, action, deadline, workshop)
        case Verify():
            return _verify(bench, run)
        case Call():
            again = any(step.action.key == action.key for step in run.steps)
            return call_of_machine(bench, workshop.store, workshop.inventory, action, again=again)
        case _:
            raise AssertionError(action)


def _deadline(bench: Bench, action: Action, started: datetime) -> datetime:
    policy = bench.machine.policy
    seconds = policy.reboot_seconds if isinstance(action, Reboot) else policy.install_seconds
    return max(started + timedelta(seconds=seconds), bench.clock() + SOON)


def _ask(bench: Bench) -> tuple[Answer, ...]:
    return ask(bench.link, bench.machine, nonce=bench.nonce(bench.job_id("ask")), timeout=ASK_LIMIT)


def _reboot(bench: Bench, action: Reboot, deadline: datetime, workshop: Workshop) -> Result:
    name = bench.machine.name
    workshop.store.record_availability(
        name, workshop.run_id, "down", "planned reboot", bench.clock(), action.reason
    )
    result = operations.reboot(bench, action, deadline)
    if result.reboot == RebootOutcome.REBOOTED:
        workshop.store.record_availability(
            name, workshop.run_id, "up", "planned reboot", bench.clock(), result.detail
        )
    return result


def _verify(bench: Bench, run: MachineRun) -> Result:
    before = next(
        step.result.answers
        for step in run.steps
        if isinstance(step.action, Ask) and step.result is not None
    )
    policy = bench.machine.policy
    verdict = settle(
        lambda: _ask(bench),
        before,
        stable=timedelta(seconds=policy.stable_seconds),
        limit=timedelta(seconds=policy.check_seconds),
        clock=bench.clock,
        sleep=bench.sleep,
    )
    detail = "; ".join(verdict.reasons)
    return Result(healthy=verdict.healthy, differences=verdict.differences, detail=detail)
