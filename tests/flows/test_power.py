"""Machines that are off: started, patched and put back by the flow, or skipped by name."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.assess import assess
from flows.patch import patch
from flows.resume import resume
from flows.server import recording_server
from patchyard.domain.outcome import Status
from patchyard.domain.report import MachineReport, RunReport
from patchyard.domain.verdict import verdict
from patchyard.parameters import ResumeParameters
from patchyard.settings import settings
from patchyard.store import StepRecord, Store, open_store
from patchyard.testing.simulated import Fault, SimulatedMachine, SimulatedYard, machines
from tests.flows.windows import GROUPS, inventory_of

Power = Mapping[str, Any]
AT_THE_THIRD_TIME = (
    "date >>../stops; [ $(wc -l <../stops) -gt 2 ] && exec ../base/power stop {name}; exit 1"
)
Make = Callable[..., SimulatedYard]
"""Makes a yard with a machine for each pair of policy and power command that differs."""


@pytest.fixture
def make(tmp_path: Path, prefect_server: str) -> Iterator[Make]:
    """Return a maker of yards; a machine's power is its own tool unless a command is given."""
    assert prefect_server
    with ExitStack() as stack:

        def made(*policies: str, own: Mapping[int, Power] = {}, **policy: Any) -> SimulatedYard:
            checks = [{"systemd_unit": {"unit": "nginx.service"}}]
            groups = {"simulated": {**GROUPS["simulated"], "checks": checks}}
            tool = str(tmp_path / "yard/base/power")
            usual = {verb: [tool, verb, "{name}"] for verb in ("state", "start", "stop")}
            fleet = [
                SimulatedMachine(
                    name=machine.name,
                    address=machine.address,
                    groups=machine.groups,
                    settings={
                        "power": {"command": {**usual, **own.get(number, {})}},
                        "policy": {"when_off": when_off, "reboot_seconds": 15, **policy},
                    },
                )
                for number, (machine, when_off) in enumerate(
                    zip(machines(len(policies)), policies, strict=True)
                )
            ]
            yard = SimulatedYard(tmp_path / "yard", fleet, groups=groups, reboot_seconds=0.3)
            return stack.enter_context(yard)

        yield made


def patched(yard: SimulatedYard, **more: Any) -> RunReport:
    given = {"waves": ["rest"], "resume": "never", "max_failure_percent": 100, **more}
    report: RunReport = patch(inventory=str(inventory_of(yard)), **{"dry_run": False, **given})
    return report


def of(report: RunReport) -> list[MachineReport]:
    return sorted(report.machines, key=lambda machine: machine.name)


def off(yard: SimulatedYard) -> list[bool]:
    return [yard.is_off(machine.name) for machine in yard.machines]


@contextmanager
def memory() -> Iterator[Store]:
    with open_store(settings().database_url) as store:
        yield store


def test_machines_that_are_off_are_started_patched_and_put_back_or_skipped_by_name(
    make: Make,
) -> None:
    unknown = {"state": ["false"]}
    yard = make("start", "skip", "start", "skip", own={3: unknown})
    names = [machine.name for machine in yard.machines]
    before = {name: yard.packages(name) for name in names}
    for name in names[:2]:
        yard.turn_off(name)

    looked = assess(inventory=str(inventory_of(yard)))
    assert [machine.status for machine in of(looked)] == [
        *[Status.SKIPPED] * 2,
        *[Status.SUCCEEDED] * 2,
    ]
    assert off(yard) == [True, True, False, False]
    assert of(looked)[0].reason == "it is off, and only a run that changes machines starts it"
    assert patched(yard, dry_run=True).counts[Status.SKIPPED] == 2
    assert off(yard) == [True, True, False, False]

    report = patched(yard)

    started, skipped, on, tried = of(report)
    assert report.status == Status.SUCCEEDED, verdict(report)
    assert [m.status for m in (started, on, tried)] == [Status.SUCCEEDED] * 3
    assert (skipped.status, skipped.reason) == (
        Status.SKIPPED,
        "it is off, and its policy is when_off: skip",
    )
    assert f"1 skipped ({skipped.name})" in verdict(report)
    assert skipped not in report.attention
    assert off(yard) == [True, True, False, False]
    changed = [yard.packages(name) != before[name] for name in names]
    assert changed == [True, False, True, True]
    assert "it was off; started for this run, and off again at" in started.findings[0]
    assert not any("it was off" in finding for finding in on.findings)
    with memory() as store:
        (start,) = store.power_starts(report.run_id)
        assert start.off_at is not None
        kinds = [event.kind for event in store.availability(started.name, report.inventory)]
    # Once to be looked at and once to be patched.
    assert kinds == ["up", "down", "up", "down"]


def test_a_machine_that_went_bad_or_cannot_be_started_or_stopped_is_told_as_such(
    make: Make,
) -> None:
    broken = {"start": ["sh", "-c", "echo no such node >&2; exit 1"]}
    own = {1: broken, 2: {"stop": ["false"]}, 3: {"stop": ["sh", "-c", AT_THE_THIRD_TIME]}}
    yard = make(*["start"] * 4, own=own)
    bad, dead, stays, late = (machine.name for machine in yard.machines)
    yard.cause(bad, Fault.BREAKS_SERVICE)
    for name in (bad, dead, stays, late):
        yard.turn_off(name)

    report = patched(yard, max_failures=3)

    went_bad, not_started, left_on, off_late = of(report)
    assert went_bad.status == Status.ROLLED_BACK
    assert not_started.status == Status.UNREACHABLE
    assert not_started.reason == (
        "it is off, and could not be started: sh ended with 1: no such node"
    )
    assert left_on.status == Status.COMPLETED_WITH_WARNINGS
    told = "it is still on: it could not be put back off: false ended with 1"
    assert told in left_on.reason
    assert "left on: it could not be put back off" in left_on.findings[0]
    assert off_late.status == Status.COMPLETED_WITH_WARNINGS
    assert "it was put back off at the end only: " in off_late.reason
    assert off(yard) == [True, True, False, True]


def test_what_a_killed_controller_has_started_is_put_back_by_resume(
    make: Make, tmp_path: Path
) -> None:
    yard = make("start", "skip")
    one = yard.machines[0].name
    yard.turn_off(one)
    yard.cause(one, Fault.SLOW_INSTALL, "4")
    folder = str(inventory_of(yard))
    given = {"inventory": folder, "dry_run": False, "waves": ["rest"], "resume": "never"}
    code = f"from flows.patch import patch\npatch(**{given!r})\n"
    with (tmp_path / "killed.log").open("w") as log:
        controller = subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log)
    try:
        run_id = wait_for_install(one, Path(folder).name, controller)
    finally:
        controller.send_signal(signal.SIGKILL)
        controller.wait()
    assert off(yard) == [False, False]

    with recording_server():
        (report,) = resume(ResumeParameters(run_id=run_id))

    assert [machine.status for machine in of(report)] == [Status.SUCCEEDED] * 2
    assert report.resumed
    assert off(yard) == [True, False]
    with memory() as store:
        installs = [step.key for step in store.steps(run_id, one) if is_install(step)]
    assert installs == ["install-0-0"]


def is_install(step: StepRecord) -> bool:
    return bool(step.action["kind"] == "install")


def wait_for_install(machine: str, inventory: str, controller: subprocess.Popen[bytes]) -> str:
    """Wait until an install is at work on a machine. Answers the run's id."""
    deadline = time.monotonic() + 120
    with memory() as store:
        while time.monotonic() < deadline:
            assert controller.poll() is None, "the controller has ended"
            for run in store.find_unfinished("patch", inventory):
                steps = store.steps(run.id, machine)
                if any(is_install(step) and step.open for step in steps):
                    return run.id
            time.sleep(0.1)
    raise AssertionError("no install was begun")
