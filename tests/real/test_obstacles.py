"""What stands in the way is named; nothing is touched, or it is repaired once."""

from __future__ import annotations

import pytest

from patchyard.domain.outcome import InstallationState, Status
from patchyard.domain.plan import WhyNot
from patchyard.domain.updates import Compliance
from tests.real.driving import MakeYard, of, run_patch
from tests.yard import faults
from tests.yard.machine import Machine
from tests.yard.spec import MachineSpec, Reach
from tests.yard.yard import Yard

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]
SLOW = {"classifications": [], "include": ["yard-slow"]}


def test_a_lock_held_by_another_process_is_waited_for_and_its_holder_named(
    make_yard: MakeYard,
) -> None:
    yard = make_yard(MachineSpec("box-1", groups=("yard",)), policy={"lock_seconds": 5})
    box = yard["box-1"]
    faults.slow_package(box, 0)
    with faults.held_dpkg_lock(box) as pid:
        told = of(run_patch(yard, **SLOW), "box-1")
        assert told.status == Status.REFUSED
        assert f"pid {pid}" in told.reason
        assert "lock-frontend" in told.reason
        assert box.packages()["yard-slow:all"] == "1.0"
    assert of(run_patch(yard, **SLOW), "box-1").status == Status.SUCCEEDED


def test_a_package_left_half_configured_is_repaired_and_patching_goes_on(
    machine: tuple[Yard, Machine],
) -> None:
    yard, box = machine
    faults.slow_package(box, 0)
    faults.half_configure(box)
    assert box.exec(["dpkg", "--audit"]).strip()
    told = of(run_patch(yard, **SLOW), "box-1")
    assert told.status == Status.SUCCEEDED, told.reason
    assert any(step.key == "repair-0" for step in told.steps)
    assert box.exec(["dpkg", "--audit"]).strip() == ""
    assert box.packages()["yard-slow:all"] == "2.0"


def test_a_full_var_is_refused_and_nothing_is_touched(make_yard: MakeYard) -> None:
    yard = make_yard(MachineSpec("box-1", groups=("yard",), var_size="400M"))
    box = yard["box-1"]
    faults.slow_package(box, 0)
    faults.fill_var(box, leave_kb=512)
    before, log = box.packages(), box.read_file("/var/log/dpkg.log")
    told = of(run_patch(yard, **SLOW), "box-1")
    assert told.status == Status.REFUSED
    assert "/var has" in told.reason
    assert "the lists are not refreshed: " in str(told.model_dump()), told
    assert box.packages() == before
    assert box.read_file("/var/log/dpkg.log") == log


def test_a_machine_with_a_dead_security_source_is_unknown_and_never_compliant(
    machine: tuple[Yard, Machine],
) -> None:
    yard, box = machine
    faults.break_security_source(box)
    box.exec(["sh", "-c", "rm -rf /var/lib/apt/lists/*security*"])
    report = run_patch(yard)
    told = of(report, "box-1")
    assert told.compliance_after == Compliance.UNKNOWN
    assert told.status != Status.SUCCEEDED
    assert report.status != Status.SUCCEEDED


def test_a_changed_configuration_file_asks_nobody_and_is_kept(
    machine: tuple[Yard, Machine],
) -> None:
    yard, box = machine
    faults.conffile_prompt(box)
    told = of(run_patch(yard, classifications=[], include=["yard-conf"]), "box-1")
    assert told.status == Status.SUCCEEDED, told.reason
    assert box.packages()["yard-conf:all"] == "2.0"
    assert "colour = green" in box.read_file("/etc/yard-conf.conf")
    assert any("yard-conf.conf.dpkg-dist" in finding for finding in told.findings)


def test_a_held_package_stays_and_the_ledger_says_so(machine: tuple[Yard, Machine]) -> None:
    yard, box = machine
    faults.slow_package(box, 0)
    faults.hold_package(box, "yard-slow")
    told = of(run_patch(yard, **SLOW), "box-1")
    assert box.packages()["yard-slow:all"] == "1.0"
    left = {item.name: item.why for item in told.left_out}
    assert left["yard-slow"] == WhyNot.HELD


def test_a_wrong_host_key_is_named_and_nothing_is_sent(machine: tuple[Yard, Machine]) -> None:
    yard, box = machine
    faults.change_host_key(box)
    told = of(run_patch(yard), "box-1")
    assert told.status == Status.UNREACHABLE
    assert "host key" in told.reason


def test_a_wrong_password_is_tried_exactly_once(make_yard: MakeYard) -> None:
    yard = make_yard(MachineSpec("box-1", reach=Reach.PASSWORD_SUDO, groups=("yard",)))
    for secret in yard.folder.glob("keys/*password*"):
        secret.write_text("certainly-not-this-one")
    told = of(run_patch(yard), "box-1")
    assert told.status == Status.UNREACHABLE
    log = yard["box-1"].exec(["journalctl", "-u", "ssh", "--no-pager", "-o", "cat"])
    assert log.count("Failed password") == 1


def test_one_bad_package_does_not_block_the_others(machine: tuple[Yard, Machine]) -> None:
    yard, box = machine
    faults.slow_package(box, 0)
    faults.failing_package(box)
    report = run_patch(yard, classifications=[], include=["yard-*"])
    told = of(report, "box-1")
    states = {update.name: update.state for update in told.updates}
    assert states["yard-slow"] == InstallationState.INSTALLED
    assert box.packages()["yard-slow:all"] == "2.0"
    assert told.status in {Status.FAILED, Status.NEEDS_REPAIR}
