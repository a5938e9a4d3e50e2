"""Whole runs of a simulated Windows computer: installing, rebooting, going back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from patchyard.domain.actions import Install, Keep, Reboot, Undo
from patchyard.domain.inventory import CheckSpec
from patchyard.domain.outcome import Status
from patchyard.domain.path import RebootSetting
from patchyard.domain.selection import Selection
from patchyard.domain.updates import BUILD, Standing
from patchyard.testing.windows.host.catalogue import (
    DEFENDER,
    DOTNET,
    HOTPATCH_2022,
    LCU_2022,
    MSRT,
    SSU,
)
from patchyard.testing.windows.host.faults import Fault
from patchyard.testing.windows.host.pending import INTERFACE, LOGON_CHECKED
from patchyard.testing.windows.host.profiles import AZURE_2022, SERVER_2022
from tests.systems.windows_runs import EVERYTHING, SERVICES, Yard

MIB = 2**20
NOT_5499 = CheckSpec(
    kind="powershell",
    options={
        "expression": "(Get-ItemProperty -LiteralPath "
        "'HKLM:\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion').UBR -ne 5499"
    },
)
"""Something of the operator's own, which does not get on with the newest build."""

slow = pytest.mark.slow


def test_updates_are_installed_and_a_reboot_makes_them_effective() -> None:
    yard = Yard(SERVER_2022, LCU_2022, DOTNET, DEFENDER)
    finish = yard.run()
    assert finish.status == Status.SUCCEEDED, finish.reason
    assert [a.key for a in yard.actions(Reboot)] == ["reboot"]
    assert yard.last.packages[BUILD] == LCU_2022.build
    assert {key.partition(":")[0] for key in yard.last.packages} >= {"KB5120242", "KB5121017"}
    assert yard.last.updates == ()


@slow
def test_only_what_was_planned_is_installed() -> None:
    yard = Yard(SERVER_2022, LCU_2022, DEFENDER)
    finish = yard.run(Selection(classifications=frozenset(), include=("KB2267602",)))
    assert finish.status == Status.SUCCEEDED, finish.reason
    assert [u.name for u in yard.last.updates] == ["KB5120242"]
    assert yard.actions(Reboot) == []


@slow
def test_one_that_must_be_alone_is_installed_first_and_alone() -> None:
    yard = Yard(SERVER_2022, LCU_2022, SSU)
    assert yard.run().status == Status.SUCCEEDED
    batches = [[p.name for p in a.packages] for a in yard.actions(Install)]
    assert batches == [["KB5118800"], ["KB5120242"]]


@slow
def test_license_terms_are_accepted_of_what_is_planned_alone() -> None:
    yard = Yard(SERVER_2022, MSRT)
    yard.run(Selection())
    assert not yard.computer.updates.offers[MSRT.id].eula_accepted
    yard = Yard(SERVER_2022, MSRT)
    assert yard.run().status == Status.SUCCEEDED
    assert yard.computer.updates.offers[MSRT.id].eula_accepted


@slow
def test_a_reboot_that_is_owed_comes_first() -> None:
    yard = Yard(SERVER_2022, DEFENDER)
    yard.computer.owe_reboot()
    assert yard.run().status == Status.SUCCEEDED
    assert yard.done.index("early-reboot") < yard.done.index("install-0-0")


@slow
def test_a_reboot_that_is_owed_and_forbidden_is_a_refusal() -> None:
    yard = Yard(SERVER_2022, DEFENDER)
    yard.computer.owe_reboot()
    assert yard.run(reboot=RebootSetting.NEVER).status == Status.REFUSED
    assert yard.actions(Install) == []


@slow
def test_a_damaged_component_store_is_repaired_before_anything_is_installed() -> None:
    yard = Yard(SERVER_2022, LCU_2022)
    yard.computer.cause(Fault.STORE_CORRUPT)
    assert yard.run().status == Status.SUCCEEDED
    assert yard.done.index("repair-0") < yard.done.index("install-0-0")


@slow
def test_one_update_that_fails_is_told_with_its_code_and_the_others_are_installed() -> None:
    yard = Yard(SERVER_2022, LCU_2022, DOTNET)
    yard.computer.cause(Fault.INSTALL_FAILS, update=DOTNET, hresult=0x80070643)
    finish = yard.run()
    assert finish.status == Status.FAILED
    assert "KB5121017" in finish.reason
    assert "0x80070643" in finish.reason
    assert yard.last.packages[BUILD] == LCU_2022.build


@slow
def test_an_update_that_the_reboot_takes_back_is_not_put_on_again() -> None:
    yard = Yard(SERVER_2022, LCU_2022)
    yard.computer.cause(Fault.ROLLS_BACK, update=LCU_2022)
    finish = yard.run()
    assert finish.status == Status.FAILED
    assert "taken back by the machine itself" in finish.reason
    assert len(yard.actions(Install)) == 1


@slow
def test_windows_that_services_itself_is_left_in_peace_before_it_is_rebooted() -> None:
    yard = Yard(SERVER_2022, LCU_2022)
    ended: list[float] = []

    def at_work(_machine: str, step: str, told: str) -> None:
        if (step, told) == ("reboot", "started"):
            registry, clock = yard.computer.registry, yard.computer.clock
            registry.set(INTERFACE, "ServicingInProgress", 2)

            def end() -> None:
                ended.append(clock.time())
                registry.set(INTERFACE, "ServicingInProgress", 0)

            clock.after(100, end)

    yard.workshop = replace(yard.workshop, say=at_work)
    assert yard.run().status == Status.SUCCEEDED
    assert ended
    assert yard.computer.boot_time > ended[0]


@slow
def test_a_machine_that_refuses_to_reboot_is_told_at_once() -> None:
    yard = Yard(SERVER_2022, LCU_2022)
    yard.computer.cause(Fault.REBOOT_REFUSED, code=5)
    finish = yard.run()
    assert finish.status == Status.FAILED
    assert "shutdown.exe ended with 5" in finish.reason
    assert yard.slept < timedelta(minutes=30)
    assert yard.computer.registry.exists(LOGON_CHECKED)


@slow
def test_a_full_disk_refuses_the_run_before_it_begins() -> None:
    yard = Yard(SERVER_2022, LCU_2022)
    yard.computer.cause(Fault.DISK_FULL, bytes=200 * MIB)
    finish = yard.run()
    assert finish.status == Status.REFUSED
    assert "C: has 200 MiB free" in finish.reason


class TestHotpatch:
    def test_a_hotpatch_takes_effect_without_a_reboot(self) -> None:
        yard = Yard(AZURE_2022, HOTPATCH_2022)
        finish = yard.run(Selection(classifications=EVERYTHING, hotpatch_only=True))
        assert finish.status == Status.SUCCEEDED, finish.reason
        assert yard.actions(Reboot) == []
        assert yard.last.boot_id == yard.memory.seen["preflight-0"].boot_id
        assert yard.last.packages[BUILD] == HOTPATCH_2022.build

    @slow
    def test_nothing_else_is_installed_where_only_hotpatches_are_wanted(self) -> None:
        yard = Yard(AZURE_2022, HOTPATCH_2022, DOTNET)
        yard.run(Selection(classifications=EVERYTHING, hotpatch_only=True))
        assert [u.name for u in yard.last.updates] == ["KB5121017"]
        assert yard.actions(Reboot) == []


class TestUndo:
    def test_what_made_the_machine_worse_is_removed_and_hidden(self) -> None:
        yard = Yard(SERVER_2022, LCU_2022, DOTNET)
        yard.machine = yard.machine.model_copy(update={"checks": (SERVICES, NOT_5499)})
        finish = yard.run()
        assert finish.status == Status.ROLLED_BACK, finish.reason
        (undo,) = yard.actions(Undo)
        assert {k.partition(":")[0] for k in undo.remove} == {"KB5120242", "KB5121017"}
        assert yard.last.packages == yard.memory.seen["preflight-0"].packages
        assert {u.standing for u in yard.last.updates} == {Standing.HELD}

    @slow
    def test_a_service_that_stays_down_is_started_again(self) -> None:
        yard = Yard(SERVER_2022, LCU_2022)
        yard.computer.cause(Fault.SERVICE_STAYS_DOWN, service="W3SVC")
        assert yard.run().status == Status.SUCCEEDED
        assert "restart" in yard.done

    def test_where_undo_is_required_what_cannot_go_back_is_not_installed(self) -> None:
        yard = Yard(SERVER_2022, LCU_2022, SSU)
        finish = yard.run(undo="required")
        assert finish.status == Status.REFUSED
        assert "a servicing stack can never be removed" in finish.reason
        (keep,) = yard.actions(Keep)
        assert {p.name for p in keep.coming} == {"KB5120242", "KB5118800"}
        assert yard.actions(Install) == []


def test_a_run_that_was_cut_off_goes_on_where_it_was() -> None:
    yard = Yard(SERVER_2022, DEFENDER)

    class CutOff(Exception):
        pass

    def cut(_machine: str, step: str, _text: str) -> None:
        if step == "verify":
            raise CutOff

    whole = yard.workshop
    yard.workshop = replace(whole, say=cut)
    with pytest.raises(CutOff):
        yard.run()
    yard.workshop = whole
    installed_at = yard.memory.records["install-0-0"].finished_at
    finish = yard.go_on()
    assert finish.status == Status.SUCCEEDED, finish.reason
    assert yard.memory.records["install-0-0"].finished_at == installed_at
