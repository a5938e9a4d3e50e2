"""Leases of machines: one run at a time works on a machine, and one thread of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps

from patchyard.domain.actions import CHANGES, Call, Finish
from patchyard.domain.inventory import Machine
from patchyard.domain.outcome import Status
from patchyard.domain.record import Step
from patchyard.runs import OWNER_TTL, Run, proven_dead
from patchyard.store import HeldBy

Act = Callable[[Run, str], None]
"""What is done to a machine of a run, by its name."""


def alone(act: Act) -> Act:
    """Let one thread of a run at a time act on a machine: another waits until that has ended."""

    @wraps(act)
    def acting(run: Run, name: str) -> None:
        with run.hands.setdefault(name, threading.Lock()):
            act(run, name)

    return acting


def lease_key(machine: Machine) -> str:
    """Name the machine itself, however inventories call it: its address and the way to it."""
    via = machine.connection.proxy_command or "/".join(
        jump.machine or jump.address or "" for jump in machine.connection.jump
    )
    port = machine.connection.port or ""
    return "|".join(part for part in (f"{machine.address}:{port}", via) if part)


def take_lease(run: Run, machine: Machine) -> Finish | None:
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
    return not any(isinstance(step.action, (*CHANGES, Call)) for step in actions)


def _held(held: HeldBy) -> str:
    state = "whose controller is gone; resume that run" if held.expired else "which is at work"
    return (
        f"run {held.run_id} has this machine until {held.expires_at:%H:%M:%S} UTC, "
        f"driven by {held.owner}, {state}"
    )


def release_lease(run: Run, name: str) -> None:
    """Give a machine's lease back; nothing happens where this run does not have it."""
    key = run.at_work.pop(name, None)
    if key is not None:
        run.store.release_lease(key, run.id)
