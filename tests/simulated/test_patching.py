"""The shipped scripts, run on simulated machines through the real transport and real jobs."""

from __future__ import annotations

from patchyard import operations
from patchyard.domain.actions import Install, Keep, Reboot, Undo
from patchyard.domain.record import RebootOutcome
from patchyard.domain.restore import PackageVersion
from patchyard.domain.transaction import InstallProblem
from patchyard.domain.updates import Assessment, Classification, Standing
from patchyard.domain.value import Known
from patchyard.operations import Bench
from tests.simulated.conftest import Workplace, soon

FOLDER = "/var/lib/patchyard/restore/test"


def wanted(seen: Assessment) -> tuple[PackageVersion, ...]:
    return tuple(
        PackageVersion(name=u.name, architecture=u.architecture, version=u.candidate)
        for u in seen.updates
    )


def present(seen: Assessment) -> tuple[PackageVersion, ...]:
    return tuple(
        PackageVersion(name=u.name, architecture=u.architecture, version=u.installed)
        for u in seen.updates
        if u.installed
    )


def patch(bench: Bench) -> Assessment:
    """Install everything a machine could have; return what it was before."""
    before = operations.assess(bench, "before", refresh=True)
    kept = operations.keep(bench, Keep(key="keep", folder=FOLDER, packages=present(before)), soon())
    assert not [item for item in kept.kept if item.problem]
    done = operations.install(bench, Install(key="install", packages=wanted(before)), soon())
    assert done.problem == InstallProblem.NONE, done.detail
    return before


class TestAssess:
    def test_every_pending_update_is_seen_as_the_catalogue_has_it(
        self, workplace: Workplace
    ) -> None:
        with workplace.bench("sim-0001") as bench:
            seen = operations.assess(bench, "look", refresh=True)
        names = {update.name: update for update in seen.updates}
        assert len(names) == 22
        assert names["libssl3"].installed == "3.0.20-1~deb12u2"
        assert names["libssl3"].candidate == "3.0.22-1~deb12u2"
        assert names["libssl3"].classification == Classification.SECURITY
        assert names["tzdata"].classification == Classification.OTHER
        assert [name.partition(":")[0] for name in names["apt"].requires] == ["libapt-pkg6.0"]
        assert {update.standing for update in seen.updates} == {Standing.INSTALLABLE}
        assert {update.restorable for update in seen.updates} == {Known.YES}

    def test_the_assessment_is_complete_and_nothing_is_in_the_way(
        self, workplace: Workplace
    ) -> None:
        with workplace.bench("sim-0002") as bench:
            seen = operations.assess(bench, "look", refresh=True)
        assert seen.complete == Known.YES, seen.incomplete_because
        assert seen.boot_id == workplace.yard.boot_id("sim-0002")
        assert seen.reboot_required == Known.NO
        assert seen.running_services == ("cron.service", "nginx.service", "ssh.service")
        assert not seen.outdated_services
        assert not seen.lock_holders
        assert not seen.database_problems
        assert seen.filesystem("/boot") is not None

    def test_a_kernel_comes_as_a_new_package(self, workplace: Workplace) -> None:
        with workplace.bench("sim-0004") as bench:
            seen = operations.assess(bench, "look", refresh=True)
        names = {update.name: update for update in seen.updates}
        assert names["linux-image-amd64"].standing == Standing.NEEDS_NEW
        assert names["linux-image-6.1.0-56-amd64"].installed == ""
        assert seen.kernel.running == "6.1.0-50-amd64"

    def test_no_call_was_refused(self, workplace: Workplace) -> None:
        with workplace.bench("sim-0003") as bench:
            operations.assess(bench, "look", refresh=True)
        assert [line for line in workplace.yard.refused() if line.startswith("sim-0003")] == []


class TestInstall:
    def test_the_machine_has_the_planned_versions_afterwards(self, workplace: Workplace) -> None:
        with workplace.bench("sim-0005") as bench:
            before = patch(bench)
            after = operations.assess(bench, "after", refresh=False)
        real = workplace.yard.packages("sim-0005")
        assert {u.name: real[u.name] for u in before.updates} == {
            u.name: u.candidate for u in before.updates
        }
        assert not after.updates

    def test_services_on_replaced_libraries_show_and_a_restart_clears_them(
        self, workplace: Workplace
    ) -> None:
        with workplace.bench("sim-0006") as bench:
            patch(bench)
            seen = operations.assess(bench, "after", refresh=False)
            names = tuple(service.name for service in seen.outdated_services)
            assert names == ("ssh.service",)
            assert operations.restart(bench, "restart", names) == ""
            assert not operations.assess(bench, "last", refresh=False).outdated_services

    def test_one_package_brings_along_what_it_needs_and_the_guard_sees_it(
        self, workplace: Workplace
    ) -> None:
        only = PackageVersion(name="apt", architecture="amd64", version="2.6.2")
        with workplace.bench("sim-0007") as bench:
            done = operations.install(bench, Install(key="one", packages=(only,)), soon())
        assert done.problem == InstallProblem.UNMET_DEPENDENCIES
        assert "libapt-pkg6.0" in done.detail
        assert workplace.yard.packages("sim-0007")["apt"] == "2.6.1"

    def test_a_version_that_no_archive_has_is_not_available(self, workplace: Workplace) -> None:
        other = PackageVersion(name="libssl3", architecture="amd64", version="9.9")
        with workplace.bench("sim-0007") as bench:
            done = operations.install(bench, Install(key="none", packages=(other,)), soon())
        assert done.problem == InstallProblem.NOT_AVAILABLE
        assert done.culprits == ("libssl3",)

    def test_marks_are_as_before(self, workplace: Workplace) -> None:
        show = "apt-mark showauto; echo; apt-mark showmanual"
        before = workplace.run("sim-0001", show).stdout
        with workplace.bench("sim-0001") as bench:
            patch(bench)
        assert workplace.run("sim-0001", show).stdout == before


class TestReboot:
    def test_a_new_kernel_runs_after_a_reboot_with_a_new_boot_id(
        self, workplace: Workplace
    ) -> None:
        with workplace.bench("sim-0008") as bench:
            patch(bench)
            have = workplace.yard.packages("sim-0008")
            assert have["linux-image-6.1.0-56-amd64"] == have["linux-image-amd64"]
            owed = operations.assess(bench, "owed", refresh=False)
            assert owed.reboot_required == Known.YES
            asked = Reboot(key="reboot", boot_id=owed.boot_id, reason="kernel")
            done = operations.reboot(bench, asked, soon())
            assert done.reboot == RebootOutcome.REBOOTED
            seen = operations.assess(bench, "back", refresh=False)
        assert seen.boot_id != owed.boot_id
        assert seen.kernel.running == "6.1.0-56-amd64"
        assert seen.reboot_required == Known.NO


class TestUndo:
    def test_the_exact_package_list_is_back(self, workplace: Workplace) -> None:
        was = workplace.yard.packages("sim-0004")
        with workplace.bench("sim-0004") as bench:
            before = patch(bench)
            assert workplace.yard.packages("sim-0004") != was
            back = Undo(
                key="undo",
                folder=FOLDER,
                packages=present(before),
                remove=tuple(u.key for u in before.updates if not u.installed),
            )
            done = operations.undo(bench, back, soon())
            after = operations.assess(bench, "after", refresh=False)
        assert done.problem == InstallProblem.NONE, done.detail
        assert workplace.yard.packages("sim-0004") == was
        assert after.packages == before.packages
        assert after.updates == before.updates
