"""A lost link or a killed controller never breaks a machine, and costs nothing but time."""

from __future__ import annotations

import pytest

from patchyard.domain.outcome import RebootStatus, Status
from tests.real.driving import (
    Controller,
    MakeYard,
    of,
    run_patch,
    slow_install_runs,
    times_configured,
    wait_until,
)
from tests.yard import faults
from tests.yard.machine import Machine
from tests.yard.spec import MachineSpec
from tests.yard.yard import Yard

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]
SLOW = {"classifications": [], "include": ["yard-slow"]}


def test_a_controller_killed_in_mid_install_is_resumed_and_nothing_is_installed_twice(
    machine: tuple[Yard, Machine],
) -> None:
    yard, box = machine
    faults.slow_package(box, 12)
    controller = Controller(yard, **SLOW)
    wait_until("the install", lambda: slow_install_runs(box), 120)
    controller.kill()
    report = run_patch(yard, **SLOW)
    assert report.resumed
    assert of(report, "box-1").status == Status.SUCCEEDED, of(report, "box-1").reason
    assert box.packages()["yard-slow:all"] == "2.0"
    assert times_configured(box, "yard-slow") == 1
    assert len(box.read_file("/var/log/yard-slow").splitlines()) == 1


def test_sshd_stopped_in_mid_install_and_back_later_is_followed_to_the_end(
    machine: tuple[Yard, Machine],
) -> None:
    yard, box = machine
    faults.slow_package(box, 15)
    controller = Controller(yard, **SLOW)
    wait_until("the install", lambda: slow_install_runs(box), 120)
    faults.stop_sshd(box)
    # The sessions that are open are children of their own: end them too, as a dead network does.
    box.exec(["sh", "-c", "for p in $(pidof sshd); do kill $p; done; :"])
    wait_until("the end of the install", lambda: _is(box, "yard-slow:all", "2.0"), 60)
    faults.start_sshd(box)
    assert controller.wait() == 0
    report = run_patch(yard, **SLOW)
    assert of(report, "box-1").reason == "nothing to do"
    assert times_configured(box, "yard-slow") == 1


def _is(box: Machine, key: str, version: str) -> bool:
    return box.packages().get(key) == version


def test_a_reboot_that_never_returns_is_lost_and_charged_and_stops_the_run(
    make_yard: MakeYard,
) -> None:
    yard = make_yard(
        MachineSpec("gone-1", groups=("yard",), tags={"canary": "true"}),
        MachineSpec("next-1", groups=("yard",)),
        policy={"reboot_seconds": 20},
    )
    for name in ("gone-1", "next-1"):
        faults.slow_package(yard[name], 0)
    yard["gone-1"].stay_down()
    report = run_patch(
        yard, **SLOW, reboot="always", waves=["1", "rest"], max_failures=0, scope="all"
    )
    lost = of(report, "gone-1")
    assert lost.status == Status.LOST_CONTACT
    assert lost.reboot == RebootStatus.FAILED
    assert report.status == Status.FAILED
    assert report.not_reached == ("next-1",)
    assert yard["next-1"].packages()["yard-slow:all"] == "1.0"


def test_a_reboot_counts_only_when_the_boot_id_has_changed(make_yard: MakeYard) -> None:
    yard = make_yard(MachineSpec("box-1", groups=("yard",)), policy={"reboot_seconds": 15})
    box = yard["box-1"]
    faults.slow_package(box, 0)
    box.exec(["systemctl", "mask", "--runtime", "reboot.target"])
    before = box.boot_id()
    told = of(run_patch(yard, **SLOW, reboot="always"), "box-1")
    assert box.boot_id() == before
    assert told.status == Status.FAILED
    assert told.reboot == RebootStatus.FAILED
    assert "boot id" in told.reason


def test_a_reboot_that_happened_is_told_by_the_new_boot_id(machine: tuple[Yard, Machine]) -> None:
    yard, box = machine
    faults.slow_package(box, 0)
    before = box.boot_id()
    told = of(run_patch(yard, **SLOW, reboot="always"), "box-1")
    assert told.status == Status.SUCCEEDED, told.reason
    assert told.reboot == RebootStatus.COMPLETED
    assert box.boot_id() != before


def test_the_second_of_two_runs_at_one_machine_is_refused_by_name(
    machine: tuple[Yard, Machine],
) -> None:
    yard, box = machine
    faults.slow_package(box, 45)
    controller = Controller(yard, **SLOW)
    wait_until("the install", lambda: slow_install_runs(box), 120)
    report = run_patch(yard, scope="box-1", resume="never")
    told = of(report, "box-1")
    assert told.status == Status.REFUSED
    assert "run patch-" in told.reason
    assert controller.wait() == 0
    assert times_configured(box, "yard-slow") == 1
