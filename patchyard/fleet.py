"""One machine of an open run: assessed, or worked on to its verdict, and recorded.

What a machine cannot do, and what goes wrong inside Patchyard while it is at work on one
machine, ends in that machine's record. The run does not die of one machine.
"""

from __future__ import annotations

import traceback
from dataclasses import replace

from patchyard import operations
from patchyard.domain.actions import CHANGES, Finish
from patchyard.domain.inventory import Machine
from patchyard.domain.outcome import Status
from patchyard.domain.path import RebootSetting, allowed
from patchyard.domain.procedure import NOT_REACHED
from patchyard.domain.record import MachineRun, Step
from patchyard.domain.restore import UndoTarget
from patchyard.domain.watch import Sighting
from patchyard.errors import MachineError, PatchyardError
from patchyard.execution import carry_out
from patchyard.openings import room_of
from patchyard.runs import OWNER_TTL, Run, proven_dead
from patchyard.store import HeldBy

ENDED = "ended"
"""The step under which a machine's verdict is told."""

BEFORE = "before"
"""The phase under which the assessment that a plan is made from is kept."""


def assess_machine(run: Run, name: str, *, refresh: bool) -> None:
    """Assess one machine and record what was seen, or why nothing could be seen."""
    try:
        machine = run.machine(name)
        workshop = run.workshop()
        with workshop.link(machine) as link:
            seen = operations.assess(workshop.bench(machine, link), "assess", refresh=refresh)
        count = len(seen.updates)
        status, reason = Status.SUCCEEDED, f"{count} update{'' if count == 1 else 's'} available"
        run.store.end_assessment(run.id, name, BEFORE, seen, reason, run.clock())
    except MachineError as error:
        reached = error.code not in NOT_REACHED
        status, reason = (Status.FAILED if reached else Status.UNREACHABLE), str(error)
        unseen = Sighting(machine=name, at=run.clock(), fault=error.code, detail=reason)
        run.store.end_unseen(run.id, unseen, status, reason)
    except Exception as error:  # noqa: BLE001 - the run does not die of one machine
        status, reason = Status.FAILED, _internal(run, name, error)
        run.store.set_machine(run.id, name, status, reason, run.clock())
    run.say(name, "assess", f"{status}: {reason}")


def work_on(run: Run, name: str) -> None:
    """Take one machine to its verdict and record it. One run at a time works on a machine."""
    try:
        machine = run.machine(name)
        refused = _lease(run, machine)
        finish = refused or carry_out(run.workshop(), machine, _in_window(run, machine))
    except Exception as error:  # noqa: BLE001 - the run does not die of one machine
        finish = Finish(status=Status.FAILED, reason=_internal(run, name, error))
        refused = None
    if not finish.status.final:  # before it is recorded: then it could be started again
        run.pending.add(name)
    run.store.set_machine(run.id, name, finish.status, finish.reason, run.clock())
    run.say(name, ENDED, f"{finish.status}: {finish.reason}")
    if refused is None:
        _release(run, name)
    run.changed.set()


def _internal(run: Run, name: str, error: Exception) -> str:
    with (run.folder / "errors.log").open("a") as log:
        log.write(f"{run.clock().isoformat()} {name}\n{traceback.format_exc()}\n")
    words = str(error) if isinstance(error, PatchyardError) else repr(error)
    return f"Patchyard itself failed here: {words}; its trace is in {run.folder / 'errors.log'}"


def _in_window(run: Run, machine: Machine) -> MachineRun:
    """Return what is to be done to one machine, and what is left of the run's window for it."""
    work = machine_run(run, machine)
    return work if run.window is None else replace(work, room=room_of(run, machine, work.reboot))


def machine_run(run: Run, machine: Machine) -> MachineRun:
    """Return what is to be done to one machine, without its record."""
    plan = run.store.plan(run.id).machine(machine.name)
    asked = str(run.record.parameters.get("reboot", RebootSetting.IF_REQUIRED))
    targets = run.record.parameters.get("undo_targets", {})
    target = targets.get(machine.name)
    setting = allowed(
        RebootSetting(machine.policy.reboot or asked),
        (update.hotpatch for update in plan.updates),
        only_hotpatches=bool(run.record.parameters.get("hotpatch_only")),
    )
    return MachineRun(
        run_id=run.id,
        plan=plan,
        policy=machine.policy,
        reboot=setting,
        undo=UndoTarget.model_validate(target) if target else None,
    )


# --- leases ---------------------------------------------------------------------------------


def lease_key(machine: Machine) -> str:
    """Name the machine itself, however inventories call it: its address and the way to it."""
    via = machine.connection.proxy_command or "/".join(
        jump.machine or jump.address or "" for jump in machine.connection.jump
    )
    port = machine.connection.port or ""
    return "|".join(part for part in (f"{machine.address}:{port}", via) if part)


def _lease(run: Run, machine: Machine) -> Finish | None:
    """Take the machine's lease. Answers the refusal where another run has it."""
    key = lease_key(machine)
    got = run.store.acquire_lease(key, run.id, run.owner, run.clock(), OWNER_TTL)
    if isinstance(got, HeldBy) and _may_take_over(run, machine, got):
        got = run.store.take_over_lease(key, run.id, run.owner, run.clock(), OWNER_TTL, held=got)
        run.say(machine.name, "lease", "taken over from a run that ended")
    if isinstance(got, HeldBy):
        return Finish(status=Status.REFUSED, reason=_held(got))
    run.at_work[machine.name] = key
    return None


def _may_take_over(run: Run, machine: Machine, held: HeldBy) -> bool:
    """A lease is free when its run has ended, or its owner is gone and changed nothing here.

    An owner that is gone in the middle of a change leaves a job on the machine: that run is to
    be resumed, which attaches to the job.
    """
    other = run.store.run(held.run_id)
    if other is None or other.status.final:
        return True
    if not (held.expired or proven_dead(held.owner)):
        return False
    steps = run.store.steps(held.run_id, machine.name)
    actions = [Step.model_validate({"action": s.action, "started_at": s.started_at}) for s in steps]
    return not any(isinstance(step.action, CHANGES) for step in actions)


def _held(held: HeldBy) -> str:
    state = "whose controller is gone; resume that run" if held.expired else "which is at work"
    return (
        f"run {held.run_id} has this machine until {held.expires_at:%H:%M:%S} UTC, "
        f"driven by {held.owner}, {state}"
    )


def _release(run: Run, name: str) -> None:
    key = run.at_work.pop(name, None)
    if key is not None:
        run.store.release_lease(key, run.id)
