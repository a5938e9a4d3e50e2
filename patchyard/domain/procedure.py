"""The parts that patching and undoing share: look, preflight, make effective, stop on a fault."""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime, timedelta

from patchyard.domain.actions import Action, Finish, Look, Reboot, Repair, RestartServices
from patchyard.domain.admission import EXCEEDED
from patchyard.domain.drift import still_to_install
from patchyard.domain.outcome import Status
from patchyard.domain.path import Path, PathKind, RebootSetting, choose_path
from patchyard.domain.preflight import Obstacle, ObstacleKind, obstacles
from patchyard.domain.record import MachineRun, RebootOutcome, Result, Step
from patchyard.domain.updates import Assessment

RETRY_LOCK = timedelta(seconds=10)
"""Time between two looks at a machine whose package manager is locked."""

LOOKS = 3
"""Looks at a machine that was changed, where one fails. Without one there is no verdict."""

LOOK_AGAIN = timedelta(seconds=30)
"""Time between two of them: what kept a machine from answering mostly passes soon."""

LOST = frozenset({"unreachable", "timed_out"})
"""Codes of errors after which nobody knows how the machine is."""

NOT_REACHED = LOST | {"authentication_failed", "host_key_rejected", "privilege_refused"}
"""Codes of errors that kept us from asking at all."""

Procedure = Generator[Action, Step, Finish]
"""Yields what is to be done, is handed each finished step, and returns the verdict."""


class Ended(Exception):
    """The procedure is over early; `finish` is its verdict."""

    def __init__(self, finish: Finish) -> None:
        self.finish = finish


def preflight(run: MachineRun) -> Generator[Action, Step, Assessment]:
    """Look until nothing stands in the way. Locks are waited for, a broken database is repaired."""
    first: Step | None = None
    not_before: datetime | None = None
    repaired = False
    attempt = 0
    while True:
        step = yield Look(key=f"preflight-{attempt}", refresh=True, not_before=not_before)
        seen = seen_by(run, step)
        wanted = still_to_install(run.plan, seen.packages)
        found = obstacles(seen, run.plan.model_copy(update={"updates": wanted}), run.policy)
        if not found:
            return seen
        _refuse_for_good(found)
        attempt += 1
        if _has(found, ObstacleKind.LOCKED):
            first = first or step
            not_before = _retry_at(run, first, step, found)
        elif repaired:
            raise Ended(Finish(status=Status.NEEDS_REPAIR, reason=words(found)))
        else:
            stop_if_lost((yield Repair(key="repair-0")))
            repaired, not_before = True, None


def _refuse_for_good(found: tuple[Obstacle, ...]) -> None:
    passing = (ObstacleKind.LOCKED, ObstacleKind.BROKEN_DATABASE)
    lasting = tuple(obstacle for obstacle in found if obstacle.kind not in passing)
    if lasting:
        raise Ended(Finish(status=Status.REFUSED, reason=words(lasting)))


def _retry_at(
    run: MachineRun, first: Step, step: Step, found: tuple[Obstacle, ...]
) -> datetime | None:
    seen_at = step.finished_at or step.started_at
    if seen_at - first.started_at >= timedelta(seconds=run.policy.lock_seconds):
        reason = f"{words(found)}; waited {run.policy.lock_seconds} s"
        raise Ended(Finish(status=Status.REFUSED, reason=reason))
    return seen_at + RETRY_LOCK


def look_repaired(run: MachineRun, key: str) -> Generator[Action, Step, Assessment]:
    """Look, and where a transaction left the package database in pieces, mend it and look again."""
    seen = yield from look(run, key)
    if not seen.database_problems:
        return seen
    stop_if_lost((yield Repair(key=f"repair-{key}")))
    seen = yield from look(run, f"{key}-repaired")
    if seen.database_problems:
        reason = "the package database is broken: " + "; ".join(seen.database_problems)
        raise Ended(Finish(status=Status.NEEDS_REPAIR, reason=reason))
    return seen


class NoRoom(Exception):
    """A reboot does not fit into the run's window."""


def reboot_now(
    run: MachineRun, key: str, seen: Assessment, reason: str
) -> Generator[Action, Step, Assessment]:
    """Reboot, and look at what came back; a machine that does not come back ends here.

    Raises:
        NoRoom: it does not fit into what is left of the window, so it was not begun.
    """
    step = yield Reboot(key=key, boot_id=seen.boot_id, reason=reason)
    if (late := exceeded(step)) is not None:
        raise NoRoom(f"{late}; {reason}")
    _judge_reboot(result_of(step))
    return (yield from look(run, f"{key}ed"))


def exceeded(step: Step) -> str | None:
    """Say why a step did not fit into the window; None where it did."""
    fault = result_of(step).fault
    return fault.detail if fault is not None and fault.code == EXCEEDED else None


def take_effect(
    run: MachineRun, prefix: str, before: Assessment, after: Assessment, *, changed: bool
) -> Generator[Action, Step, tuple[Path, Assessment]]:
    """Take the path with the least impact. Answers what is still owed, and the last look."""
    rebooted, late = False, ""
    path = choose_path(after, run.reboot, changed=changed, hotpatched=run.hotpatched)
    if path.kind == PathKind.REBOOT:
        try:
            after = yield from reboot_now(run, f"{prefix}reboot", after, path.reason)
        except NoRoom as error:
            late = str(error)
            path = choose_path(after, RebootSetting.NEVER, changed=changed)
        else:
            rebooted = True
            path = choose_path(after, run.reboot, changed=changed, rebooted=True)
    services = tuple(dict.fromkeys([*path.services, *_stopped(before, after, changed=changed)]))
    if services:
        yield RestartServices(key=f"{prefix}restart", services=services, reason=path.reason)
        after = yield from look(run, f"{prefix}restarted")
        hot = run.hotpatched and not rebooted
        path = choose_path(after, run.reboot, changed=changed, rebooted=rebooted, hotpatched=hot)
        if path.kind == PathKind.REBOOT:
            path = Path(kind=PathKind.REBOOT_OWED, reason=path.reason)
    return (Path(kind=PathKind.REBOOT_OWED, reason=late) if late else path), after


def _stopped(before: Assessment, after: Assessment, *, changed: bool) -> tuple[str, ...]:
    """Services that ran before the change and do not run now (failure-modes 2.16)."""
    if not changed:
        return ()
    running = set(after.running_services)
    return tuple(name for name in before.running_services if name not in running)


def _judge_reboot(result: Result) -> None:
    if result.fault is not None:
        raise Ended(Finish(status=Status.LOST_CONTACT, reason=result.fault.detail))
    if result.reboot == RebootOutcome.NOT_BACK:
        raise Ended(Finish(status=Status.LOST_CONTACT, reason=result.detail))
    if result.reboot != RebootOutcome.REBOOTED:
        raise Ended(Finish(status=Status.FAILED, reason=result.detail))


def look(
    run: MachineRun, key: str, *, refresh: bool = False
) -> Generator[Action, Step, Assessment]:
    """Look at a machine that was changed. A look that fails is repeated before it is an end."""
    step = yield Look(key=key, refresh=refresh)
    for again in range(1, LOOKS):
        fault = result_of(step).fault
        if fault is None or fault.code in NOT_REACHED:
            break
        not_before = (step.finished_at or step.started_at) + LOOK_AGAIN
        step = yield Look(key=f"{key}-again-{again}", refresh=refresh, not_before=not_before)
    return seen_by(run, step)


def seen_by(run: MachineRun, step: Step) -> Assessment:
    """Return what a look saw; a look that failed ends the machine's run with its reason."""
    stop_on_fault(run, step)
    seen = run.assessments.get(step.action.key)
    if seen is None:
        lost = result_of(step).fault
        reason = lost.detail if lost else "what the look saw is not recorded"
        raise Ended(Finish(status=Status.FAILED, reason=reason))
    return seen


def result_of(step: Step) -> Result:
    """Return a step's result; an empty one where nothing came of it."""
    return step.result or Result()


def stop_if_lost(step: Step) -> None:
    """End where a change was lost sight of. Any other fault is no end: the next look tells.

    An answer that could not be read, say, leaves a machine that was changed: it must be looked
    at, verified, and undone where that made it worse.
    """
    fault = result_of(step).fault
    if fault is not None and fault.code in LOST:
        raise Ended(Finish(status=Status.LOST_CONTACT, reason=fault.detail))


def stop_on_fault(run: MachineRun, step: Step) -> None:
    """End where an act could not be followed. An orphaned job is not an end: the look tells."""
    fault = result_of(step).fault
    if fault is None or fault.code == "orphaned":
        return
    status = Status.FAILED
    if fault.code in NOT_REACHED:
        status = Status.LOST_CONTACT if run.changed else Status.UNREACHABLE
    elif run.changed:
        reason = f"it was changed, and how it is now could not be seen: {fault.detail}"
        raise Ended(Finish(status=Status.NEEDS_REPAIR, reason=reason))
    raise Ended(Finish(status=status, reason=fault.detail))


def _has(found: tuple[Obstacle, ...], kind: ObstacleKind) -> bool:
    return any(obstacle.kind == kind for obstacle in found)


def words(found: tuple[Obstacle, ...]) -> str:
    """Tell obstacles in one line."""
    return "; ".join(obstacle.detail for obstacle in found)
