"""The power of a run's machines: one that is off is started, and put back off when that is over.

That a machine is started is recorded before it is, so that no crash of the controller forgets to
put it back: whoever takes the run up again finds it owed. A machine is on only while it is looked
at or worked on, so that no more are than the run has slots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from datetime import timedelta

from patchyard import operations
from patchyard.domain.actions import Finish
from patchyard.domain.inventory import Machine
from patchyard.domain.outcome import Status
from patchyard.domain.power import Arrival, PowerState, arrive, keeps_on
from patchyard.errors import MachineError, PowerFailed, PowerTimedOut
from patchyard.leasing import release_lease, take_lease
from patchyard.power import PowerSwitch, open_switch
from patchyard.runs import Run
from patchyard.store import PowerStart

POLL_SECONDS = 2.0
"""Time between two looks whether a machine is off."""

STILL_ON = "it is still on"
NOT_OURS = "its start failed, and it was on all the same: somebody else may have started it"
STARTED, OFF_AGAIN = "started for a run", "put back off"


@contextmanager
def on_for_a_look(
    run: Run, machine: Machine, too_late: Callable[[], str] = lambda: ""
) -> Iterator[Finish | None]:
    """Have a machine on while it is looked at. Yields its end where it is not to be looked at.

    Looks take no lease; one that starts the machine does, for nobody else may turn it off or
    begin work on it meanwhile.
    """
    try:
        yield arrive_at(run, machine, too_late)
    finally:
        leave(run, machine, Status.SUCCEEDED)
        release_lease(run, machine.name)


def arrive_at(
    run: Run, machine: Machine, too_late: Callable[[], str] = lambda: ""
) -> Finish | None:
    """Start a machine that is off, as its policy says. Answers its end where it stays off.

    `too_late` says why one that nothing was begun on is not started any more, if so.
    """
    if machine.power is None:
        return None
    owed = _owed(run, machine.name)
    begun = any(not step.ahead for step in run.store.steps(run.id, machine.name))
    choice, why = arrive(
        _state(run, machine),
        machine.policy.when_off,
        started_before=owed,
        begun=begun,
        may_start=_may_start(run),
    )
    if choice == Arrival.SKIP:
        return Finish(status=Status.SKIPPED, reason=why)
    if choice == Arrival.GO_ON and not owed:
        return None
    refused = _not_to_be_started(run, too_late) if choice == Arrival.START and not begun else None
    if refused := refused or _lease(run, machine):
        return refused
    absent = _have_it_on(run, machine, start=choice == Arrival.START)
    # What has been begun is judged from its record, by whoever takes the machine to its end.
    return None if begun else absent


def _not_to_be_started(run: Run, too_late: Callable[[], str]) -> Finish | None:
    """Say why a machine that nothing was begun on is left off; None where it may be started."""
    if run.cancelled():
        return Finish(status=Status.CANCELLED, reason="cancelled before it was started")
    why = too_late()
    return Finish(status=Status.NOT_STARTED, reason=why) if why else None


def _may_start(run: Run) -> bool:
    """An assessment and a dry run change nothing, and no run does before its window opens."""
    changes = run.record.kind != "assess" and not run.record.parameters.get("dry_run")
    return changes and not run.preparing


def _owed(run: Run, name: str) -> bool:
    return any(each.machine == name for each in _debts(run))


def _debts(run: Run) -> list[PowerStart]:
    return [each for each in run.store.power_starts(run.id) if each.off_at is None]


def _switch(run: Run, machine: Machine) -> PowerSwitch:
    switch = open_switch(machine, run.inventory)
    if switch is None:
        raise PowerFailed(f"the inventory does not say how {machine.name} is started and stopped")
    return switch


def _state(run: Run, machine: Machine) -> PowerState:
    """Ask whether a machine is on. Where that cannot be told it is unknown, and said so."""
    try:
        return _switch(run, machine).state()
    except PowerFailed as error:
        run.say(machine.name, "power", f"whether it is on is unknown: {error}")
        return PowerState.UNKNOWN


def _lease(run: Run, machine: Machine) -> Finish | None:
    """Take the machine's lease where this run does not have it. Answers the refusal."""
    return None if machine.name in run.at_work else take_lease(run, machine)


def _have_it_on(run: Run, machine: Machine, *, start: bool) -> Finish | None:
    """Start a machine, or only wait for one that was started before a crash of this run."""
    if start and (failed := _order_start(run, machine)):
        return _not_there(run, failed)
    if why := _wait_until_there(run, machine):
        limit = machine.policy.reboot_seconds
        return _not_there(run, f"it was off and was started; it was not there in {limit} s: {why}")
    run.store.record_availability(machine.name, run.id, "up", STARTED, run.clock())
    return None


def _order_start(run: Run, machine: Machine) -> str:
    """Order a machine to start, after it is recorded. Answers why that failed."""
    run.store.record_start(run.id, machine.name, run.clock())
    run.say(machine.name, "power", "it is off, and is started")
    try:
        _switch(run, machine).start()
    except PowerFailed as error:
        if _state(run, machine) != PowerState.ON:
            return f"it is off, and could not be started: {error}"
        if not isinstance(error, PowerTimedOut):
            run.store.record_left_on(run.id, machine.name, NOT_OURS)
    return ""


def _not_there(run: Run, why: str) -> Finish:
    if run.cancelled():
        return Finish(status=Status.CANCELLED, reason="cancelled while it was being started")
    return Finish(status=Status.UNREACHABLE, reason=why)


def _wait_until_there(run: Run, machine: Machine) -> str:
    """Wait until a machine has started. Answers why it has not; empty where it has."""
    workshop = run.workshop()
    deadline = run.clock() + timedelta(seconds=machine.policy.reboot_seconds)
    try:
        with workshop.link(machine) as link:
            return operations.come_up(workshop.bench(machine, link), deadline)
    except MachineError as error:
        return str(error)


def leave(run: Run, machine: Machine, status: Status) -> str:
    """Put a machine that this run started back off. Answers why it is still on; empty if not so.

    A controller that has lost its run leaves all to the one that has it, who may be at work there.

    Args:
        run: the open run.
        machine: the machine.
        status: how it went for the machine in this run.
    """
    debt = next((each for each in _debts(run) if each.machine == machine.name), None)
    if machine.power is None or debt is None or run.lost.is_set():
        return ""
    theirs = debt.left_on == NOT_OURS and _state(run, machine) != PowerState.OFF
    why = NOT_OURS if theirs else ""
    why = why or keeps_on(status, unfinished=_unfinished(run, machine))
    if not why and (refused := _lease(run, machine)):
        why = refused.reason
    why = why or _put_back(run, machine)
    if why:
        run.store.record_left_on(run.id, machine.name, why)
        run.say(machine.name, "power", f"it is left on: {why}")
    return why


def _unfinished(run: Run, machine: Machine) -> bool:
    return any(step.open for step in run.store.steps(run.id, machine.name))


def _put_back(run: Run, machine: Machine) -> str:
    try:
        switch = _switch(run, machine)
        if switch.state() != PowerState.OFF:
            run.say(machine.name, "power", "it is put back off")
            switch.stop()
            _wait_until_off(run, machine)
    except PowerFailed as error:
        return f"it could not be put back off: {error}"
    at = run.clock()
    run.store.record_off(run.id, machine.name, at)
    run.store.record_availability(machine.name, run.id, "down", OFF_AGAIN, at)
    return ""


def _wait_until_off(run: Run, machine: Machine) -> None:
    """Wait until a machine is off.

    Raises:
        PowerFailed: it is not in time, or whether it is cannot be told.
    """
    limit = machine.policy.reboot_seconds
    deadline = run.clock() + timedelta(seconds=limit)
    while (state := _state(run, machine)) != PowerState.OFF:
        if run.clock() >= deadline:
            raise PowerFailed(f"{limit} s after it was told to stop its power is {state}")
        run.sleep(POLL_SECONDS)


def put_all_back(run: Run) -> None:
    """Put back off whatever this run started and still owes, before it ends.

    Nothing is owed in a run that went well: each machine was put back when work on it was over.
    A run that is taken up again after a crash finds here what its first controller left on.
    """
    debts = [each.machine for each in _debts(run)]
    if not debts or run.lost.is_set():
        return
    records = {record.machine: record for record in run.store.machines(run.id)}
    with ThreadPoolExecutor(min(run.slots, len(debts))) as pool:
        # Each in a context of its own, as this one: log lines find their way by it.
        futures = [pool.submit(copy_context().run, _settle, run, name) for name in debts]
    for name, future in zip(debts, futures, strict=True):
        record, why = records[name], future.result()
        ended = Finish(status=record.status, reason=record.reason)
        told = still_on(ended, why) if why else off_late(ended)
        if told != ended:
            run.store.set_machine(run.id, name, told.status, told.reason, run.clock())


def _settle(run: Run, name: str) -> str:
    machine = run.inventory.machine(name)
    if machine is None or machine.power is None:
        why = "the inventory does not say any more how it is stopped"
        run.store.record_left_on(run.id, name, why)
        return why
    try:
        return leave(run, machine, run.store.standings(run.id)[name].status)
    except Exception as error:  # noqa: BLE001 - the run does not die of one machine
        why = f"it could not be put back off: {error!r}"
        run.store.record_left_on(run.id, name, why)
        return why
    finally:
        release_lease(run, name)


def still_on(finish: Finish, why: str) -> Finish:
    """Return the verdict of a machine that should be off again and is not."""
    good = finish.status == Status.SUCCEEDED
    status = Status.COMPLETED_WITH_WARNINGS if good else finish.status
    told = f"{STILL_ON}: {why}"
    reason = finish.reason if told in finish.reason else f"{finish.reason}; {told}".strip("; ")
    return Finish(status=status, reason=reason)


def off_late(finish: Finish) -> Finish:
    """Return the verdict of a machine that could be put back only at the end of the run."""
    reason = finish.reason.replace(STILL_ON, "it was put back off at the end only")
    return Finish(status=finish.status, reason=reason)


def off_again(run: Run) -> frozenset[str]:
    """Return the machines that a run has started and put back off."""
    if not any(machine.power for machine in run.inventory.machines):
        return frozenset()
    starts = run.store.power_starts(run.id)
    return frozenset(each.machine for each in starts if each.off_at is not None)


def power_findings(run: Run) -> dict[str, str]:
    """Tell what was done to the power of machines, by name."""
    return {each.machine: _told(each) for each in run.store.power_starts(run.id)}


def _told(start: PowerStart) -> str:
    if start.off_at is not None:
        return f"it was off; started for this run, and off again at {start.off_at:%H:%M:%S} UTC"
    return f"it was off; started for this run, and left on: {start.left_on or 'not put back yet'}"
