"""The demo where no real machines can be made: a real SSH server, a simulated package state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from demo.fleet import WINDOWS, Outcome, patch_fleet
from demo.windows.yard import WindowsYard
from patchyard.domain.outcome import Status
from patchyard.domain.report import RunReport
from patchyard.testing.simulated import Fault, SimulatedMachine, SimulatedYard

BROKEN, UNIT = "app-1", "nginx.service"
NAMES = ("web-1", "web-2", "db-1", "edge-1", BROKEN)
CHECKS = {"simulated": {"checks": [{"systemd_unit": {"unit": UNIT}}]}}


def run_simulated(home: Path, say: Callable[[str], None]) -> Outcome:
    """Patch the simulated yard in `home`."""
    yard = SimulatedYard(home, [_machine(n, name) for n, name in enumerate(NAMES)], groups=CHECKS)
    with yard:
        yard.cause(BROKEN, Fault.BREAKS_SERVICE, UNIT)
        before = {name: yard.packages(name) for name in NAMES}
        say(f"{len(NAMES)} simulated Linux machines answer: {', '.join(NAMES)}")
        outcome = patch_fleet(str(yard.inventory), WindowsYard(home / WINDOWS), say)
        return outcome.and_wrong(_judge(outcome.report, yard, before))


def _machine(number: int, name: str) -> SimulatedMachine:
    tags = {"tags": {"canary": True}} if number == 0 else {}
    return SimulatedMachine(
        name=name, address=f"127.21.0.{number + 1}", groups=("simulated",), settings=tags
    )


def _judge(
    report: RunReport, yard: SimulatedYard, before: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Return what is not as staged, read from the simulated machines' own state."""
    wrong = [f"a stand-in tool was asked what it does not know: {call}" for call in yard.refused()]
    for told in report.machines:
        if told.name not in before:
            continue
        packages = yard.packages(told.name)
        if told.name == BROKEN:
            if told.status != Status.ROLLED_BACK or UNIT not in told.reason:
                wrong.append(f"{told.name} is {told.status}, not rolled_back: {told.reason}")
            if packages != before[told.name]:
                wrong.append(f"{told.name} is not back on its earlier versions")
        else:
            if told.status != Status.SUCCEEDED:
                wrong.append(f"{told.name} is {told.status}: {told.reason}")
            wrong += [
                f"{told.name} has {update.name} {packages.get(update.name)}, not {update.planned}"
                for update in told.updates
                if packages.get(update.name) != update.planned
            ]
    return wrong
