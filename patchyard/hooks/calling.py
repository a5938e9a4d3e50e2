"""Calling a hook, one way for each kind; and the hooks of machines.

Those are steps of the machine, recorded by whoever carries them out.
"""

from __future__ import annotations

from patchyard import operations
from patchyard.checks.base import excerpt
from patchyard.domain.actions import Call
from patchyard.domain.hooking import FAILED, TIMED_OUT, UNKNOWN
from patchyard.domain.inventory import Inventory
from patchyard.domain.record import Fault, Result
from patchyard.errors import MachineError, ScriptFailed
from patchyard.hooks.command import run_command
from patchyard.hooks.occasion import Ended, Occasion, end_of, told_of_machines, told_of_run
from patchyard.hooks.webhook import post
from patchyard.operations import Bench, Given
from patchyard.store import RunRecord, Store

UNSEEN = "it was begun before, and nobody saw how it ended"


def call(occasion: Occasion, bench: Bench | None = None, job: str = "") -> Ended:
    """Call a hook now, and say how it ended. What goes wrong with calling it is its failure.

    Raises:
        MachineError: it is a script, and the machine could not be reached.
    """
    try:
        return _called(occasion, bench, job)
    except MachineError:
        raise
    except Exception as error:  # noqa: BLE001 - no run dies of a hook, and those after it are owed
        return Ended(FAILED, excerpt(f"Patchyard itself failed here: {error!r}"))


def _called(occasion: Occasion, bench: Bench | None, job: str) -> Ended:
    hook, machine = occasion.hook, occasion.machine
    if hook.command:
        return run_command(
            [machine.fill(each) if machine else each for each in hook.command],
            occasion.text(),
            variables=occasion.variables,
            folder=occasion.folder,
            timeout=hook.timeout,
        )
    if hook.webhook is not None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": occasion.key}
        text = occasion.text()
        return post(hook.webhook, occasion.folder, text, headers=headers, timeout=hook.timeout)
    assert bench is not None  # noqa: S101 - scripts are for hooks of machines only
    return _script(occasion, bench, job)


def _script(occasion: Occasion, bench: Bench, job: str) -> Ended:
    given = Given(occasion.hook.script, occasion.text(only_machine=True), occasion.variables)
    try:
        return Ended("", end_of(operations.hook(bench, job, given, occasion.hook.timeout)))
    except ScriptFailed as error:
        late = error.exit_status == operations.TIMEOUT_STATUS
        told = f"ended with status {error.exit_status}: {end_of(error.tail)}"
        return Ended(TIMED_OUT if late else FAILED, told if error.tail else str(error))


def call_of_machine(
    bench: Bench, store: Store, inventory: Inventory, action: Call, *, again: bool
) -> Result:
    """Call the hook of a machine. `again` says that it was begun before and its end is unknown.

    Raises:
        MachineError: it is a script, and the machine could not be reached.
    """
    hook = action.hook
    attached = again and not hook.script  # a script is a job, which is attached to
    if attached and not hook.idempotent:
        return Result(fault=Fault(code=UNKNOWN, detail=UNSEEN))
    ended = call(_of_machine(bench, store, inventory, action, again=attached), bench, action.key)
    detail = beside(ended.detail, again=attached)
    return Result(
        fault=Fault(code=ended.code, detail=detail) if ended.code else None, detail=detail
    )


def _of_machine(
    bench: Bench, store: Store, inventory: Inventory, action: Call, *, again: bool
) -> Occasion:
    hook, name = action.hook, bench.machine.name
    records = store.machines(bench.run_id)
    return Occasion(
        hook=hook,
        key=f"{bench.run_id}/{hook.when}/machine/{name}/{hook.name}",
        run=told_of_run(record_of(store, bench.run_id)),
        machines=told_of_machines(inventory, records),
        wave=next((each.wave for each in records if each.machine == name), None),
        machine=bench.machine,
        status=action.status,
        reason=action.reason,
        attempt=1 + again,
        folder=inventory.folder,
    )


def record_of(store: Store, run_id: str) -> RunRecord:
    """Return the record of a run that is open."""
    found = store.run(run_id)
    assert found is not None  # noqa: S101 - the run is open
    return found


def beside(detail: str, *, again: bool) -> str:
    """Tell beside what came of a hook that it was called before, where it was."""
    return f"{detail}; called again with the same key: {UNSEEN}".lstrip("; ") if again else detail
