"""Hooks of runs and waves: recorded before they are called, and never called after they ended."""

from __future__ import annotations

from patchyard.domain.around import Hook, OnFailure
from patchyard.domain.hooking import UNKNOWN
from patchyard.domain.outcome import Status
from patchyard.hooks.calling import UNSEEN, beside, call, record_of
from patchyard.hooks.occasion import Ended, Occasion, told_of_machines, told_of_run
from patchyard.runs import Run
from patchyard.store import HookCall

ENTERED = ""
"""The name of what is recorded where a run or a wave begins; no hook has it."""


def call_of_run(
    run: Run, when: str, wave: int = 0, status: Status | None = None, reason: str = ""
) -> None:
    """Call the hooks before or after a run, or one of its waves, that have not been called yet.

    A controller that has lost the run meanwhile leaves them to the other.
    """
    of = "wave" if wave else "run"
    for hook in run.hooks:
        if (hook.when, hook.of) == (when, of) and not run.lost.is_set():
            _call_of_run(run, hook, wave, status, reason)


def _call_of_run(run: Run, hook: Hook, wave: int, status: Status | None, reason: str) -> None:
    stops = hook.on_failure == OnFailure.STOP
    known = run.store.begin_hook(
        HookCall(
            run.id, run.record.reopened, hook.when, wave, hook.name, 1, run.clock(), stops=stops
        )
    )
    if known.finished_at is not None:
        return
    again = known.attempts > 1
    run.say("", f"hook {hook.name}", f"begun again: {UNSEEN}" if again else "begun")
    if again and not hook.idempotent:
        ended = Ended(UNKNOWN, UNSEEN)
    else:
        ended = call(_of_run(run, hook, known, status, reason))
    detail = beside(ended.detail, again=again and ended.code != UNKNOWN)
    done = run.store.end_hook(known, ended.code, detail, run.clock())
    run.say("", f"hook {hook.name}", f"{ended.code or 'done'}: {detail}")
    note_stop(run, done)


def _of_run(run: Run, hook: Hook, known: HookCall, status: Status | None, reason: str) -> Occasion:
    of = f"wave/{known.wave}" if known.wave else "run"
    return Occasion(
        hook=hook,
        key=f"{run.leg}/{hook.when}/{of}/{hook.name}",
        run=told_of_run(record_of(run.store, run.id)),
        machines=told_of_machines(run.inventory, run.store.machines(run.id)),
        wave=known.wave or None,
        status=status,
        reason=reason,
        attempt=known.attempts,
        folder=run.inventory.folder,
    )


def note_stop(run: Run, done: HookCall) -> None:
    """Note that a run may not go on, where a hook that failed says so."""
    if done.failed and done.stops:
        run.stops[done.name] = f"hook {done.name}: {done.detail}"


def enter(run: Run, wave: int) -> None:
    """Record that a run, or a wave, has begun: what comes after it is then called, whatever comes.

    It is a call of no hook: it tells the same where there are hooks after it only.
    """
    if run.hooks or run.notices:
        leg, at = run.record.reopened, run.clock()
        begun = HookCall(run.id, leg, "before", wave, ENTERED, 1, at, at)
        run.store.begin_hook(begun)


def calls_of(run: Run) -> tuple[HookCall, ...]:
    """Return what was called since the run was begun, or went on after it had ended."""
    return tuple(call for call in run.store.hooks(run.id) if call.leg == run.record.reopened)


def settle(run: Run) -> None:
    """Call the end of hooks unknown that a dead controller had begun, and that are past now."""
    for each in calls_of(run):
        if each.finished_at is None and each.when == "before":
            run.store.end_hook(each, UNKNOWN, UNSEEN, run.clock())
