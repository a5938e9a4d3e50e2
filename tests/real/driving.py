"""Real machines for one test each, and the product run on them as a person would run it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from patchyard.domain.report import MachineReport, RunReport
from patchyard.settings import settings
from patchyard.store import Store, open_store
from tests.yard import box
from tests.yard.machine import Machine
from tests.yard.spec import MachineSpec
from tests.yard.yard import Yard

QUICK = {
    "reboot_seconds": 60,
    "lock_seconds": 30,
    "check_seconds": 20,
    "stable_seconds": 1,
    "install_seconds": 300,
}
"""Limits of the tests' machines: as a person would set them for machines that boot in seconds."""

MakeYard = Callable[..., Yard]


@pytest.fixture
def make_yard(tmp_path: Path) -> Iterator[MakeYard]:
    """Return a maker of yards: specs, and a policy for all of their machines."""
    reason = box.probe()
    assert reason is None, reason
    with ExitStack() as stack:

        def make(*specs: MachineSpec, **policy: Any) -> Yard:
            groups = {"yard": {"policy": {**QUICK, **policy.pop("policy", {})}, **policy}}
            yard = Yard(tmp_path / "yard", specs, groups=groups)
            return stack.enter_context(yard)

        yield make


@pytest.fixture
def machine(make_yard: MakeYard) -> tuple[Yard, Machine]:
    """A yard with one ordinary machine."""
    yard = make_yard(MachineSpec("box-1", groups=("yard",)))
    return yard, yard["box-1"]


@pytest.fixture
def store() -> Store:
    """The store of the test session's runs."""
    return open_store(settings().database_url)


def run_patch(yard: Yard, **parameters: Any) -> RunReport:
    """Patch a yard in this process, through the flow."""
    from flows.patch import patch  # noqa: PLC0415 - Prefect is imported after its settings are made

    report = patch(**_given(yard, parameters))
    assert isinstance(report, RunReport)
    return report


def _given(yard: Yard, parameters: dict[str, Any]) -> dict[str, Any]:
    given = {"inventory": str(yard.folder), "dry_run": False, "max_failure_percent": 100}
    return {**given, **parameters}


class Controller:
    """A controller of its own: a process that patches a yard, and can be killed."""

    def __init__(self, yard: Yard, **parameters: Any) -> None:
        script = "import json,sys; from flows.patch import patch; patch(**json.loads(sys.argv[1]))"
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, json.dumps(_given(yard, parameters))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=30)

    def wait(self, seconds: float = 180) -> int:
        """Wait for its end."""
        self.process.communicate(timeout=seconds)
        return self.process.returncode


def wait_until(what: str, true: Callable[[], bool], seconds: float = 90) -> None:
    """Wait for something to become true; fail with its name."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come about in {seconds} s"
        time.sleep(0.2)


def of(report: RunReport, name: str) -> MachineReport:
    """Return one machine's report."""
    return next(machine for machine in report.machines if machine.name == name)


def slow_install_runs(machine: Machine) -> bool:
    """Say whether the slow package's script is at work in the machine now."""
    said = machine.exec(["sh", "-c", "cat /var/log/yard-slow 2>/dev/null; :"])
    return bool(said.strip())


def times_configured(machine: Machine, package: str) -> int:
    """Count in dpkg's own log how often a version 2.0 of a package was unpacked."""
    log = machine.read_file("/var/log/dpkg.log")
    return sum(f" upgrade {package}:" in line and " 2.0" in line for line in log.splitlines())
