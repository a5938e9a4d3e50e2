"""One machine of an open run: assessed, or worked on to its verdict, and recorded.

What a machine cannot do, and what goes wrong inside Patchyard while it is at work on one
machine, ends in that machine's record. The run does not die of one machine.
"""

from __future__ import annotations

import traceback
from dataclasses import replace

from patchyard import operations
from patchyard.domain.actions import Finish
from patchyard.domain.downloading import DOWNLOAD
from patchyard.domain.inventory import Machine
from patchyard.domain.machine import too_late_to_start
from patchyard.domain.outcome import Status
from patchyard.domain.path import RebootSetting, allowed
from patchyard.domain.procedure import NOT_REACHED
from patchyard.domain.record import MachineRun
from patchyard.domain.restore import UndoTarget
from patchyard.domain.watch import Sighting
from patchyard.errors import MachineError, PatchyardError
from patchyard.execution import carry_out, download_ahead, wind_up
from patchyard.leasing import alone, release_lease, take_lease
from patchyard.openings import room_of
from patchyard.powering import arrive_at, leave, on_for_a_look, still_on
from patchyard.runs import Run

ENDED = "ended"
"""The step under which a machine's verdict is told."""

BEFORE = "before"
"""The phase under which the assessment that a plan is made from is kept."""


def assess_machine(run: Run, name: str, *, refresh: bool) -> None:
    """Assess one machine and record what was seen, or why nothing could be seen."""
    try:
        machine = run.machine(name)
        with on_for_a_look(run, machine, lambda: _start_is_late(run, machine)) as away:
            ended = away or _look(run, machine, refresh=refresh)
            if away:
                run.store.set_machine(run.id, name, away.status, away.reason, run.clock())
    except Exception as error:  # noqa: BLE001 - the run does not die of one machine
        ended = Finish(status=Status.FAILED, reason=_internal(run, name, error))
        run.store.set_machine(run.id, name, ended.status, ended.reason, run.clock())
    run.say(name, "assess", f"{ended.status}: {ended.reason}")


def _start_is_late(run: Run, machine: Machine) -> str:
    """Say why a machine that is off is not started for a look: its start alone must fit."""
    if run.window is None:
        return ""
    return room_of(run, machine, RebootSetting.NEVER).refuses_start((), run.clock())


def _look(run: Run, machine: Machine, *, refresh: bool) -> Finish:
    """Look at a machine and record what came of it."""
    workshop = run.workshop()
    try:
        with workshop.link(machine) as link:
            seen = operations.assess(workshop.bench(machine, link), "assess", refresh=refresh)
    except MachineError as error:
        status = Status.UNREACHABLE if error.code in NOT_REACHED else Status.FAILED
        unseen = Sighting(machine=machine.name, at=run.clock(), fault=error.code, detail=str(error))
        run.store.end_unseen(run.id, unseen, status, str(error))
        return Finish(status=status, reason=str(error))
    count = len(seen.updates)
    reason = f"{count} update{'' if count == 1 else 's'} available"
    run.store.end_assessment(run.id, machine.name, BEFORE, seen, reason, run.clock())
    return Finish(status=Status.SUCCEEDED, reason=reason)


@alone
def work_on(run: Run, name: str) -> None:
    """Take one machine to its verdict and record it. One run at a time works on a machine."""
    try:
        machine = run.machine(name)
        refused = take_lease(run, machine)
        finish = refused or _powered(run, machine)
    except Exception as error:  # noqa: BLE001 - the run does not die of one machine
        finish = Finish(status=Status.FAILED, reason=_internal(run, name, error))
        finish = _wound_up(run, name, finish) if run.hooks else finish
        refused = None
    if not run.lost.is_set():  # else the record is another controller's by now, and the lease
        _end(run, name, finish, leased=refused is None)
    run.changed.set()


def _end(run: Run, name: str, finish: Finish, *, leased: bool) -> None:
    """Record a machine's verdict, tell it, and let others have the machine."""
    if not finish.status.final:  # before it is recorded: then it could be started again
        run.pending.add(name)
    run.store.set_machine(run.id, name, finish.status, finish.reason, run.clock())
    run.say(name, ENDED, f"{finish.status}: {finish.reason}")
    if leased:
        release_lease(run, name)


@alone
def download_on(run: Run, name: str) -> None:
    """Fetch what the plan has for a machine, ahead of its run: it is told, and decides nothing.

    Whatever goes wrong with it, the machine's status is not touched. One that is off is not
    started for it, and one that another run has is left to that.
    """
    try:
        told = _download(run, run.machine(name))
    except Exception as error:  # noqa: BLE001 - the run does not die of one machine
        told = f"not done: {_internal(run, name, error)}"
    run.say(name, DOWNLOAD, told)


def _download(run: Run, machine: Machine) -> str:
    if run.cancelled():
        return "not done: the run was cancelled"
    refused = take_lease(run, machine)
    if refused:
        return f"not done: {refused.reason}"
    try:
        seen = run.store.assessment(run.id, machine.name, BEFORE)
        return download_ahead(run.workshop(), machine, machine_run(run, machine), seen)
    finally:
        release_lease(run, machine.name)


def _powered(run: Run, machine: Machine) -> Finish:
    """Take a machine to its verdict; one that is off is started before, and put back after."""
    work = _in_window(run, machine)
    away = arrive_at(run, machine, lambda: too_late_to_start(work, run.clock()))
    finish = away or carry_out(run.workshop(), machine, work)
    why = "" if run.lost.is_set() else leave(run, machine, finish.status)
    return still_on(finish, why) if why else finish


def _wound_up(run: Run, name: str, finish: Finish) -> Finish:
    """Call the hooks after a machine on which Patchyard itself has failed."""
    if run.lost.is_set():
        return finish
    try:
        machine = run.machine(name)
        return wind_up(run.workshop(), machine, machine_run(run, machine), finish)
    except Exception as error:  # noqa: BLE001 - the run does not die of one machine
        told = f"{finish.reason}; its hooks after it could not be called: {error!r}"
        return Finish(status=finish.status, reason=told)


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
        hooks=run.hooks,
    )
