"""Fetching a machine's updates ahead of its run: within its room, and no longer than wanted.

Nothing on the machine is changed by it but what lies in the package manager's own cache. So, other
than with an install, a cancelled run does not stay with it to its end.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from patchyard import operations
from patchyard.domain.actions import Download
from patchyard.domain.downloading import NOTHING
from patchyard.domain.preflight import room_to_download
from patchyard.domain.record import Fault, MachineRun, Result
from patchyard.errors import TimedOut
from patchyard.operations import Bench

TURN = timedelta(minutes=2)
"""So often is a cancel looked for; longer than a machine that is not reached is tried."""

LEFT = Fault(code="cancelled", detail="the run was cancelled; the machine was left at it")


def fetch(bench: Bench, run: MachineRun, action: Download, deadline: datetime) -> Result:
    """Fetch what is wanted, where there is room for it and for installing it afterwards.

    Raises:
        MachineError: the machine could not do it, or could not be followed.
    """
    if not action.packages:
        return Result(detail=NOTHING)
    lacking = _lacking(run)
    if lacking:
        return Result(fault=Fault(code="no_room", detail=lacking))
    return _followed(bench, action, deadline)


def _lacking(run: MachineRun) -> str:
    """Say what room is missing by the look that the plan was made from; empty where it is not."""
    looks = run.assessments.values()
    found = [each for seen in looks for each in room_to_download(seen, run.plan)]
    return "; ".join(f"{each.detail} with its download before" for each in found)


def _followed(bench: Bench, action: Download, deadline: datetime) -> Result:
    while True:
        until = min(deadline, bench.clock() + TURN)
        try:
            done = operations.download(bench, action, until)
        except TimedOut:
            if bench.clock() < until or until >= deadline:
                raise
            if bench.cancelled():
                return Result(fault=LEFT)
        else:
            return Result(transaction=done, detail=done.detail)
