"""What a look at a Windows computer tells, through the real pywinrm and a real socket."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from patchyard.domain.actions import Install, Reboot
from patchyard.domain.outcome import Status
from patchyard.domain.path import RebootSetting
from patchyard.domain.selection import Selection
from patchyard.domain.updates import BUILD, Assessment, Update
from patchyard.domain.value import Known
from patchyard.errors import ScriptFailed
from patchyard.systems.windows import SYSTEM
from patchyard.testing.windows.host.catalogue import (
    DEFENDER,
    DOTNET,
    HOTPATCH_2022,
    LCU_2022,
    MSRT,
)
from patchyard.testing.windows.host.catalogue import Update as Offered
from patchyard.testing.windows.host.profiles import AZURE_2022, SERVER_2022, Profile
from tests.systems.windows_runs import EVERYTHING, Yard

POLICY = "SOFTWARE\\Policies\\Microsoft\\Windows\\WindowsUpdate"
IN_AUGUST = datetime(2026, 8, 20, tzinfo=UTC)
ONLY_HOT = Selection(classifications=EVERYTHING, hotpatch_only=True)


def in_month(month: int, profile: Profile, *offered: Offered) -> Yard:
    """Let it be some month, for the controller and for the computer."""
    return Yard(profile, *offered, start=IN_AUGUST.replace(month=month))


def only(seen: Assessment) -> Update:
    (found,) = seen.updates
    return found


def told(seen: Assessment, word: str) -> str:
    """Return the one finding that holds a word."""
    (found,) = [finding for finding in seen.findings if word in finding]
    return found


class TestOffers:
    def test_none(self) -> None:
        seen = Yard().look()
        assert (seen.updates, seen.complete) == ((), Known.YES)
        # What the drift watch knows a computer by: its MachineGuid. WinRM shows no host key.
        assert (UUID(seen.machine_id).version, seen.host_key) == (5, "")

    def test_one_without_a_severity(self) -> None:
        seen = only(Yard(SERVER_2022, DOTNET).look())
        assert (seen.name, seen.candidate, seen.severity) == ("KB5121017", "1", "Unspecified")

    def test_one_that_tells_what_it_fixes(self) -> None:
        seen = only(Yard(SERVER_2022, replace(LCU_2022, cves=("CVE-2026-7",))).look())
        assert (seen.advisories, seen.cves) == ((seen.name,), ("CVE-2026-7",))
        untold = only(Yard(SERVER_2022, LCU_2022).look())
        assert (untold.advisories, untold.cves) == ((untold.name,), None)

    def test_many(self) -> None:
        seen = Yard(SERVER_2022, LCU_2022, DOTNET, DEFENDER, MSRT).look()
        assert {u.name: u.severity for u in seen.updates} == {
            "KB5120242": "Critical",
            "KB5121017": "Unspecified",
            "KB2267602": "Unspecified",
            "KB890830": "Unspecified",
        }


def test_a_computer_with_wsus_alone_is_asked_there_and_says_so() -> None:
    yard = Yard(SERVER_2022, LCU_2022)
    registry = yard.computer.registry
    registry.set(POLICY, "WUServer", "http://wsus.corp.test:8530")
    registry.set(f"{POLICY}\\AU", "UseWUServer", 1)
    registry.set(POLICY, "DoNotConnectToWindowsUpdateInternetLocations", 1)
    seen = yard.look()
    assert [source.name for source in seen.sources] == ["WSUS http://wsus.corp.test:8530"]
    assert only(seen).origin == seen.sources[0].name


def test_without_the_task_the_agent_refuses_and_that_is_an_error() -> None:
    """A search as the user who has logged in, as it was done before everything was a task."""
    yard = Yard(SERVER_2022, LCU_2022)
    with yard.bench() as bench:
        script = SYSTEM.script("windows_update/assess", "n", {"refresh": True})
        done = bench.link.run(
            script.text, timeout=timedelta(seconds=60), parameters=script.parameters
        )
        answer = SYSTEM.read(done.stdout, "n")
        assert answer["offered"].stderr.startswith("0x80070005")
        with pytest.raises(ScriptFailed, match="0x80070005"):
            bench.manager.parse_assessment(answer, "win-1", bench.clock())
    assert only(yard.look()).name == "KB5120242"


class TestHotpatches:
    def test_in_a_month_of_hotpatches_one_is_installed_and_proven(self) -> None:
        yard = in_month(8, AZURE_2022, HOTPATCH_2022)
        before = yard.computer.boot
        assert yard.look().updates[0].hotpatch
        finish = yard.run(ONLY_HOT)
        assert finish.status == Status.SUCCEEDED, finish.reason
        assert yard.computer.boot == before
        assert yard.last.packages[BUILD] == HOTPATCH_2022.build
        assert told(yard.last, "hotpatch active").startswith("hotpatch active: yes")

    def test_in_the_month_of_a_baseline_the_whole_update_is_expected_and_reboots(self) -> None:
        yard = in_month(10, AZURE_2022, LCU_2022)
        seen = yard.look()
        assert "baseline required" in only(seen).detail
        assert not any("is expected" in finding for finding in seen.findings)
        finish = yard.run()
        assert finish.status == Status.SUCCEEDED, finish.reason
        assert len(yard.actions(Reboot)) == 1

    def test_an_unplanned_baseline_is_known_from_the_table(self) -> None:
        """September 2026 on Server 2022: a hotpatch is then not what is expected."""
        seen = in_month(9, AZURE_2022, HOTPATCH_2022).look()
        assert "the table has a unplanned baseline for 2026-09" in told(seen, "is expected")
        assert only(seen).hotpatch

    def test_a_computer_off_its_baseline_is_offered_the_whole_and_that_is_no_failure(self) -> None:
        yard = in_month(8, replace(AZURE_2022, revision=5000), LCU_2022)
        seen = yard.look()
        assert "baseline required" in only(seen).detail
        assert "which needs a reboot" in told(seen, "a hotpatch is expected")
        assert told(seen, "hotpatch active").startswith("hotpatch active: unknown")
        yard.run(ONLY_HOT)
        assert (yard.actions(Install), yard.actions(Reboot)) == ([], [])

    def test_without_running_vbs_it_is_not_eligible(self) -> None:
        yard = in_month(8, AZURE_2022, HOTPATCH_2022)
        yard.computer.vbs = 1
        seen = yard.look()
        assert "enabled, not running" in told(seen, "hotpatch eligible: no")

    def test_what_else_needs_a_restart_leaves_the_hotpatch_unproven(self) -> None:
        yard = in_month(8, AZURE_2022, HOTPATCH_2022, DOTNET)
        finish = yard.run(reboot=RebootSetting.NEVER)
        assert finish.status == Status.COMPLETED_WITH_WARNINGS, finish.reason
        assert "installed_reboot_pending" in finish.reason
        assert yard.actions(Reboot) == []
        assert yard.last.reboot_required == Known.YES


class TestDoubts:
    """Each condition of a hotpatch's proof, missed once: it is then called pending."""

    def judged(self, yard: Yard) -> str:
        finish = yard.run(ONLY_HOT, reboot=RebootSetting.NEVER)
        assert finish.status == Status.COMPLETED_WITH_WARNINGS, finish.reason
        assert "installed_reboot_pending" in finish.reason
        return finish.reason

    def test_another_build(self) -> None:
        wrong = replace(HOTPATCH_2022, build="20348.5430")
        assert "the build is 20348.5430, not 20348.5440" in self.judged(
            in_month(8, AZURE_2022, wrong)
        )

    def test_a_reboot_that_the_agent_asks_for(self) -> None:
        asks = replace(HOTPATCH_2022, reboot=True)
        assert "a reboot is owed" in self.judged(in_month(8, AZURE_2022, asks))

    def test_a_strong_reason_in_the_registry(self) -> None:
        yard = in_month(8, AZURE_2022, HOTPATCH_2022)

        def heard(_machine: str, step: str, said: str) -> None:
            if (step, said) == ("installed-0", "started"):
                yard.computer.owe_reboot()

        yard.workshop = replace(yard.workshop, say=heard)
        assert "a reboot is owed" in self.judged(yard)

    def test_a_boot_that_somebody_else_caused(self) -> None:
        yard = in_month(8, AZURE_2022, HOTPATCH_2022)

        def heard(_machine: str, step: str, said: str) -> None:
            if (step, said) == ("verify", "started"):
                yard.computer.restart()
                yard.computer.advance(600)

        yard.workshop = replace(yard.workshop, say=heard)
        assert "rebooted by something else" in self.judged(yard)

    def test_a_build_that_nobody_knows(self) -> None:
        strange = replace(HOTPATCH_2022, kb="5999999", title="2026-08 Hotpatch (KB5999999)")
        assert "the build after KB5999999 is not known" in self.judged(
            in_month(8, AZURE_2022, strange)
        )
