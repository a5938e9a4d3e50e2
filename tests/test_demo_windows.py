"""The demo's Windows computers: what its judge sees, and that they last between two runs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from demo.windows.computers import CUMULATIVE, HOTPATCH, LEGACY, STAGED
from demo.windows.judge import judge_windows, told_by
from demo.windows.yard import Facts, WindowsYard
from patchyard.domain.outcome import Status
from patchyard.domain.report import MachineReport, RunReport
from patchyard.providers import load_inventory
from patchyard.testing.reports import sample_machine, sample_report

HOT, FULL, UNDONE = "win-web-1", "win-sql-1", "win-app-1"


def fresh(name: str) -> dict[str, Any]:
    return {
        "boots": 1,
        "boot_time": 5.0,
        "build": STAGED[0].before,
        "installed": [],
        "hidden": [],
        "reboot_pending": False,
        "services": {LEGACY: "Running"} if name == UNDONE else {},
        "not_simulated": [],
    }


BEFORE: Facts = {name: fresh(name) for name in (HOT, FULL, UNDONE)}
AFTER: Facts = {
    HOT: {**fresh(HOT), "build": HOTPATCH.build, "installed": [f"KB{HOTPATCH.kb}"]},
    FULL: {
        **fresh(FULL),
        "build": CUMULATIVE.build,
        "installed": [f"KB{CUMULATIVE.kb}"],
        "boots": 2,
        "boot_time": 9.0,
    },
    UNDONE: {**fresh(UNDONE), "hidden": [f"KB{CUMULATIVE.kb}"], "boots": 3, "boot_time": 9.0},
}


def told(name: str, status: Status = Status.SUCCEEDED, **fields: Any) -> MachineReport:
    return sample_machine(name, status).model_copy(update={"name": name, **fields})


def report(**changed: MachineReport) -> RunReport:
    machines = {
        HOT: told(HOT, path="hotpatch"),
        FULL: told(FULL, path="reboot"),
        UNDONE: told(UNDONE, Status.ROLLED_BACK, reason=f"windows_services: {LEGACY} failed"),
    }
    found = {**machines, **{m.name: m for m in changed.values()}}
    return sample_report().model_copy(update={"machines": tuple(found.values())})


def judged(name: str = HOT, run: RunReport | None = None, **changed: Any) -> list[str]:
    after = deepcopy(AFTER)
    after[name].update(changed)
    return judge_windows(run or report(), BEFORE, after)


def test_what_was_staged_is_found_right() -> None:
    assert judged() == []


def test_a_second_run_finds_nothing_to_do() -> None:
    idle = {
        "a": told(HOT, path="none"),
        "b": told(FULL, path="none"),
        "c": told(UNDONE, Status.COMPLETED_WITH_WARNINGS),
    }
    assert judge_windows(report(**idle), AFTER, AFTER) == []
    later = deepcopy(AFTER)
    later[UNDONE]["boots"] += 1
    assert judge_windows(report(**idle), AFTER, later) == [f"{UNDONE} was rebooted for nothing"]


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        (HOT, {"boots": 2}, "was rebooted 1 times"),
        (HOT, {"boot_time": 6.0}, "another boot time"),
        (HOT, {"build": STAGED[0].before}, "is on build"),
        (HOT, {"installed": []}, "is on build"),
        (FULL, {"boots": 1}, "was rebooted 0 times"),
        (FULL, {"boots": 3}, "was rebooted 2 times"),
        (FULL, {"reboot_pending": True}, "waits for a reboot"),
        (FULL, {"not_simulated": ["Get-X"]}, "does not know: Get-X"),
        (UNDONE, {"build": CUMULATIVE.build}, "not back on"),
        (UNDONE, {"hidden": []}, f"would be offered KB{CUMULATIVE.kb} again"),
        (UNDONE, {"services": {LEGACY: "Stopped"}}, f"does not run {LEGACY}"),
    ],
)
def test_what_did_not_come_about_is_told(name: str, changed: dict[str, Any], said: str) -> None:
    (line,) = judged(name, **changed)
    assert line.startswith(f"{name} ")
    assert said in line


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (told(HOT, path="reboot"), "took the path reboot, not hotpatch"),
        (told(HOT, Status.FAILED, path="hotpatch"), "is Failed"),
        (told(UNDONE), "not rolled_back"),
        (told(UNDONE, Status.ROLLED_BACK, reason="something else"), "not rolled_back because of"),
    ],
)
def test_a_report_that_says_otherwise_is_told(machine: MachineReport, said: str) -> None:
    (line,) = judged(run=report(a=machine))
    assert said in line


def test_a_machine_that_is_in_no_report_is_told() -> None:
    run = sample_report().model_copy(update={"machines": ()})
    assert judged(run=run) == [f"{name} is in no report" for name in (HOT, FULL, UNDONE)]


def test_what_the_computers_tell_is_put_into_words() -> None:
    assert list(told_by(BEFORE, AFTER)) == [
        f"{HOT}: same boot time, build {STAGED[0].before} -> {HOTPATCH.build}",
        f"{FULL}: rebooted, build {STAGED[0].before} -> {CUMULATIVE.build}",
        f"{UNDONE}: rebooted, build {STAGED[0].before} as before, KB{CUMULATIVE.kb} hidden there",
    ]


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[WindowsYard]:
    made = WindowsYard(tmp_path / "windows")
    yield made
    made.down()


def test_the_computers_outlive_their_process_and_end_when_told_to(
    yard: WindowsYard, tmp_path: Path
) -> None:
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    yard.up(inventory)
    first = yard.pid
    machines = load_inventory(str(inventory)).machines
    assert [(m.name, m.connection.winrm.scheme) for m in machines] == [
        (HOT, "https"),
        (FULL, "https"),
        (UNDONE, "http"),
    ]
    yard.up(inventory)
    assert yard.pid == first
    os.kill(first, signal.SIGTERM)
    deadline = time.monotonic() + 20
    while yard.pid:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yard.up(inventory)
    # Taken up again from their files: they have been off, and have booted.
    assert {facts["boots"] for facts in yard.facts().values()} == {2}
    assert yard.down()
    assert not yard.pid
    assert not yard.folder.exists()
    assert not yard.down()
