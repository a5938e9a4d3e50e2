"""Patchyard's own work without Prefect: the same functions that the flows call.

python -m bench.library assess|patch INVENTORY SLOTS
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

from patchyard.account import close, report_of
from patchyard.domain.outcome import Status
from patchyard.domain.rollout import Done, Halt, Start, next_step
from patchyard.fleet import assess_machine, work_on
from patchyard.parameters import AssessParameters, PatchParameters
from patchyard.planner import RecordedRollout, plan_run, select_machines
from patchyard.reporting import write_report
from patchyard.runs import Run, begin

TURN = timedelta(seconds=1)
"""As in the flows: the longest time between two questions to the rollout."""


def assess(inventory: str, slots: int) -> None:
    """Assess every machine and record what was seen."""
    parameters = AssessParameters(inventory=inventory, slots=slots)
    with begin(
        "assess",
        inventory=inventory,
        scope=parameters.scope,
        parameters=parameters.model_dump(mode="json"),
        flow_run_id="",
    ) as run:
        _assess_all(run, slots)
        _insist(close(run, report_of(run, plan=None)).status, "assess")


def patch(inventory: str, slots: int) -> None:
    """Assess, freeze a plan, install it, restart or reboot, verify, and write the report."""
    parameters = PatchParameters.model_validate(
        {
            "inventory": inventory,
            "slots": slots,
            "dry_run": False,
            "classifications": ["Critical", "Security", "Other"],
            "waves": ["rest"],
            "resume": "never",
        }
    )
    with begin(
        "patch",
        inventory=inventory,
        scope=parameters.scope,
        parameters=parameters.model_dump(mode="json"),
        flow_run_id="",
    ) as run:
        _assess_all(run, slots)
        plan = plan_run(run, parameters)
        halted = _roll_out(run, parameters)
        report = report_of(run, plan=plan, halted_because=halted)
        write_report(report, run.folder)
        _insist(close(run, report).status, "patch")


def _assess_all(run: Run, slots: int) -> None:
    names = select_machines(run)
    with ThreadPoolExecutor(slots) as pool:
        for done in [pool.submit(assess_machine, run, name, refresh=True) for name in names]:
            done.result()


def _roll_out(run: Run, parameters: PatchParameters) -> str:
    """Interpret the rollout as the flow does, with plain threads in place of task runs."""
    rollout = RecordedRollout(run, run.store.plan(run.id), parameters)
    with ThreadPoolExecutor(parameters.slots) as pool:
        while True:
            step = next_step(rollout.now(), run.clock())
            match step:
                case Start():
                    for name in step.machines if rollout.start(step.machines) else ():
                        pool.submit(work_on, run, name)
                case Halt():
                    return step.reason
                case Done():
                    return ""
                case _:
                    run.pause(TURN)


def _insist(status: Status, verb: str) -> None:
    if status != Status.SUCCEEDED:
        raise SystemExit(f"{verb} ended as {status}")


def main() -> None:
    """Do what the arguments say."""
    verb, inventory, slots = sys.argv[1:4]
    known: dict[str, Callable[[], None]] = {
        "assess": partial(assess, inventory, int(slots)),
        "patch": partial(patch, inventory, int(slots)),
    }
    # One heartbeat thread may be about to write when the interpreter ends: wait for all of them.
    known[verb]()
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()


if __name__ == "__main__":
    main()
