"""What can be wrong with a simulated machine, as Patchyard sees it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest

from patchyard import operations
from patchyard.domain.actions import Install, Reboot
from patchyard.domain.record import RebootOutcome
from patchyard.domain.restore import PackageVersion
from patchyard.domain.transaction import InstallProblem
from patchyard.domain.value import Known
from patchyard.errors import AuthenticationFailed, Unreachable
from patchyard.testing.simulated import Fault, SimulatedMachine
from tests.simulated.conftest import Workplace, now, soon

Fresh = Callable[..., AbstractContextManager[Workplace]]

EXPAT = PackageVersion(name="libexpat1", architecture="amd64", version="2.5.0-1+deb12u5")
ONE = SimulatedMachine("one", "127.20.9.1")


def test_a_held_lock_is_seen_with_its_holder_and_ends_an_install(fresh: Fresh) -> None:
    patient = SimulatedMachine("one", "127.20.9.1", settings={"policy": {"lock_seconds": 0}})
    with fresh(patient) as place, place.bench("one") as bench:
        place.yard.cause("one", Fault.LOCKED)
        seen = operations.assess(bench, "look", refresh=False)
        assert [holder.pid for holder in seen.lock_holders] == [os.getpid()]
        assert seen.lock_holders[0].command == "unattended-upgr"
        done = operations.install(bench, Install(key="in", packages=(EXPAT,)), soon())
        assert done.problem == InstallProblem.LOCKED
        place.yard.heal("one", Fault.LOCKED)
        assert not operations.assess(bench, "again", refresh=False).lock_holders


def test_a_broken_database_is_seen_and_repaired(fresh: Fresh) -> None:
    with fresh(ONE) as place, place.bench("one") as bench:
        place.yard.cause("one", Fault.BROKEN_DATABASE)
        seen = operations.assess(bench, "look", refresh=True)
        assert any("libexpat1" in problem for problem in seen.database_problems)
        done = operations.install(bench, Install(key="in", packages=(EXPAT,)), soon())
        assert done.problem == InstallProblem.BROKEN_DATABASE
        assert operations.repair(bench, "repair", soon()).problem == InstallProblem.NONE
        assert not operations.assess(bench, "after", refresh=True).database_problems


def test_a_full_disk_is_seen(fresh: Fresh) -> None:
    with fresh(ONE) as place, place.bench("one") as bench:
        place.yard.cause("one", Fault.DISK_FULL)
        holder = operations.assess(bench, "look", refresh=True).filesystem("/var/lib")
        assert holder is not None
        assert (holder.mount, holder.free) == ("/var", 0)
        done = operations.install(bench, Install(key="in", packages=(EXPAT,)), soon())
        assert done.problem == InstallProblem.DISK_FULL


def test_a_dead_security_repository_leaves_the_assessment_incomplete(fresh: Fresh) -> None:
    with fresh(ONE) as place, place.bench("one") as bench:
        place.yard.cause("one", Fault.DEAD_SECURITY)
        seen = operations.assess(bench, "look", refresh=True)
        assert seen.complete == Known.NO
        assert any("bookworm-security" in reason for reason in seen.incomplete_because)


def test_a_service_fails_with_the_new_version_and_runs_with_the_old(fresh: Fresh) -> None:
    new = [
        PackageVersion(name=name, architecture=kind, version="1.22.1-9+deb12u11")
        for name, kind in (("nginx", "amd64"), ("nginx-common", "all"), ("nginx-light", "all"))
    ]
    with fresh(ONE) as place, place.bench("one") as bench:
        place.yard.cause("one", Fault.BREAKS_SERVICE, "nginx.service")
        assert operations.restart(bench, "before", ("nginx.service",)) == ""
        done = operations.install(bench, Install(key="in", packages=tuple(new)), soon())
        assert done.problem == InstallProblem.NONE, done.detail
        assert place.yard.services("one")["nginx.service"] == "failed"
        assert operations.restart(bench, "after", ("nginx.service",)) != ""
        old = " ".join(f"{p.name}=1.22.1-9+deb12u9" for p in new)
        place.run("one", f"apt-get -y -q install --allow-downgrades {old}")
        assert place.yard.services("one")["nginx.service"] == "running"


def test_a_machine_that_never_comes_back_refuses_connections(fresh: Fresh) -> None:
    with fresh(ONE) as place, place.bench("one") as bench:
        place.yard.cause("one", Fault.NEVER_BACK)
        asked = Reboot(key="re", boot_id=place.yard.boot_id("one"), reason="test")
        done = operations.reboot(bench, asked, now() + timedelta(seconds=5))
        assert done.reboot == RebootOutcome.NOT_BACK
        with pytest.raises(Unreachable):
            place.run("one", "true")


def test_a_rebooting_machine_refuses_connections_and_forgets_its_runtime_files(
    fresh: Fresh,
) -> None:
    with fresh(ONE, reboot_seconds=1.0) as place:
        before = place.yard.boot_id("one")
        place.run("one", 'touch "$PATCHYARD_ROOT/run/mark"; systemd-run --unit=x sleep 60')
        place.run("one", "systemctl reboot")
        time.sleep(0.3)
        with pytest.raises(Unreachable):
            place.run("one", "true")
        time.sleep(1.2)
        said = place.run("one", 'ls "$PATCHYARD_ROOT/run"; systemctl is-active x').stdout
        assert said == "systemd\ninactive\n"
        assert place.yard.boot_id("one") != before


def test_a_dropped_link_is_lost_once_and_the_job_is_attached_to(fresh: Fresh) -> None:
    with fresh(ONE) as place:
        place.yard.cause("one", Fault.DROPS_LINK, "10")
        with pytest.raises(Unreachable):
            place.run("one", "echo 0123456789ABCDEF; sleep 1")
        place.yard.cause("one", Fault.DROPS_LINK, "10")
        with place.bench("one") as bench:
            done = operations.install(bench, Install(key="in", packages=(EXPAT,)), soon())
        assert done.problem == InstallProblem.NONE
        assert place.yard.packages("one")["libexpat1"] == EXPAT.version


def test_a_password_is_asked_for_and_checked(fresh: Fresh) -> None:
    right = SimulatedMachine("one", "127.20.9.1", password="open", sudo_password="root")
    with fresh(right) as place:
        assert place.run("one", "root echo hello").stdout == "hello\n"
        secret = place.yard.inventory / "keys/one.login"
        secret.write_text("wrong")
        with pytest.raises(AuthenticationFailed):
            place.run("one", "true")
