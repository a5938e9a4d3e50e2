"""Reboots of a Windows computer, and what comes after them, through pywinrm and a real socket."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from patchyard._coming_back import APART, MOST
from patchyard.domain.actions import Install, Reboot, Undo
from patchyard.domain.inventory import CheckSpec
from patchyard.domain.outcome import Status
from patchyard.domain.record import RebootOutcome
from patchyard.domain.updates import BUILD
from patchyard.errors import AuthenticationFailed
from patchyard.operations import reboot
from patchyard.testing.windows.host.catalogue import DEFENDER, DOTNET, LCU_2022, SSU
from patchyard.testing.windows.host.faults import Fault
from patchyard.testing.windows.host.pending import LOGON_CHECKED
from patchyard.testing.windows.host.profiles import SERVER_2022
from patchyard.testing.windows.winrm import Fault as LinkFault
from patchyard.testing.windows.winrm import faults
from tests.systems.windows_runs import SERVICES, Yard, quick

slow = pytest.mark.slow
NOT_5499 = CheckSpec(
    kind="powershell",
    options={
        "expression": "(Get-ItemProperty -LiteralPath "
        "'HKLM:\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion').UBR -ne 5499"
    },
)


def when(yard: Yard, step: str, act: object) -> None:
    """Do something once, when a step begins."""
    left = [act]

    def heard(_machine: str, key: str, said: str) -> None:
        if (key, said) == (step, "started") and left:
            left.pop()()  # type: ignore[operator]

    yard.workshop = replace(yard.workshop, say=heard)


@slow
def test_what_waits_for_another_update_comes_in_a_second_round() -> None:
    """.NET that cannot be installed while the cumulative update waits for its reboot."""
    yard = Yard(SERVER_2022, LCU_2022, DOTNET)
    yard.computer.reboot_between = True
    finish = yard.run()
    assert finish.status == Status.SUCCEEDED, finish.reason
    assert len(yard.actions(Install)) == 2
    assert "round-1-reboot" in yard.done
    assert len(yard.installed_by_us) == 2


@slow
def test_a_computer_that_somebody_else_reboots_in_mid_install_is_brought_to_its_end() -> None:
    yard = Yard(SERVER_2022, LCU_2022, DEFENDER)
    yard.computer.updates.offer(replace(quick(LCU_2022), minutes=2))
    when(yard, "install-0-0", lambda: yard.computer.restart(after=60))
    finish = yard.run()
    assert finish.status == Status.SUCCEEDED, finish.reason
    assert yard.last.packages[BUILD] == LCU_2022.build
    assert len(yard.installed_by_us) == len(set(yard.installed_by_us)) == 2


@slow
def test_a_computer_that_does_not_come_back_is_lost_and_charged() -> None:
    yard = Yard(SERVER_2022, LCU_2022)
    yard.computer.cause(Fault.NEVER_BACK)
    policy = yard.machine.policy.model_copy(update={"reboot_seconds": 900})
    yard.machine = yard.machine.model_copy(update={"policy": policy})
    finish = yard.run()
    assert finish.status == Status.LOST_CONTACT
    assert "not back from its reboot after 900 s" in finish.reason
    assert finish.status.charged
    assert timedelta(minutes=13) < yard.slept < timedelta(minutes=20)


@slow
@pytest.mark.parametrize("fault", [Fault.SLOW_READY, Fault.SERVICING_AFTER_BOOT])
def test_a_boot_counts_when_configuring_is_over(fault: Fault) -> None:
    yard = Yard(SERVER_2022, LCU_2022)
    yard.computer.cause(fault, seconds=150)
    at: list[float] = []
    when(yard, "rebooted", lambda: at.append(yard.computer.clock.time()))
    finish = yard.run()
    assert finish.status == Status.SUCCEEDED, finish.reason
    assert at[0] - yard.computer.boot_time >= 150
    assert yard.computer.registry.exists(LOGON_CHECKED)


class TestRefusedAfterTheReboot:
    """The authority that checks passwords may be up later than WinRM."""

    def rebooted(self, yard: Yard, refused: int) -> RebootOutcome | None:
        """Reboot, with so many log-ins refused once the computer is up again."""
        before = yard.look()
        boot, armed = yard.computer.boot, [refused]

        def sleep(seconds: float) -> None:
            yard.sleep(seconds)
            if yard.computer.boot != boot and yard.computer.power == "up" and armed:
                yard.server.faults.add(
                    LinkFault.STATUS, faults.AUTHENTICATE, status=401, times=armed.pop()
                )

        yard.workshop = replace(yard.workshop, sleep=sleep)
        with yard.bench() as bench:
            action = Reboot(key="reboot", boot_id=before.boot_id, reason="test")
            deadline = bench.clock() + timedelta(hours=1)
            return reboot(bench, action, deadline).reboot

    def test_it_is_waited_for_a_few_times_and_minutes_apart(self) -> None:
        yard = Yard()
        assert self.rebooted(yard, MOST - 1) == RebootOutcome.REBOOTED
        assert yard.slept >= (MOST - 1) * APART
        assert yard.server.faults.left == 0

    def test_then_it_is_told_as_what_it_is(self) -> None:
        yard = Yard()
        with pytest.raises(AuthenticationFailed, match=f"refused {MOST} times after the reboot"):
            self.rebooted(yard, 99)
        assert yard.server.faults.left == 99 - MOST


@slow
def test_a_service_that_does_not_start_after_the_reboot_is_a_regression() -> None:
    yard = Yard(SERVER_2022, LCU_2022)

    def broken() -> None:
        yard.computer.services.get("W3SVC").refuses = True

    when(yard, "reboot", broken)
    finish = yard.run()
    assert "windows_services: W3SVC" in finish.reason
    assert yard.actions(Undo)


@slow
def test_a_package_that_is_permanent_needs_a_person() -> None:
    yard = Yard(SERVER_2022, LCU_2022)
    yard.machine = yard.machine.model_copy(update={"checks": (SERVICES, NOT_5499)})

    def permanent() -> None:
        for package in yard.computer.store.of_update(LCU_2022.id):
            package.permanent = True

    when(yard, "verify", permanent)
    finish = yard.run()
    assert finish.status == Status.NEEDS_REPAIR, finish.reason
    assert yard.last.packages[BUILD] == LCU_2022.build
    last = yard.memory.records["undo-0"].result["transaction"]["detail"]
    assert "0x800F0825" in last


@slow
def test_the_servicing_stack_of_what_is_undone_stays() -> None:
    yard = Yard(SERVER_2022, LCU_2022)
    yard.machine = yard.machine.model_copy(update={"checks": (SERVICES, NOT_5499)})
    finish = yard.run()
    assert finish.status == Status.ROLLED_BACK, finish.reason
    there = [package.name for package in yard.computer.store.packages]
    assert quick(LCU_2022).servicing_package in there
    assert quick(LCU_2022).package not in there
    assert SSU.servicing_package == ""
