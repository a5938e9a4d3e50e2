"""Downloading ahead with the real apt: exactly the plan is fetched, and dpkg knows nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Timer

import pytest

from patchyard import operations
from patchyard.domain.actions import Download, Install
from patchyard.domain.restore import PackageVersion
from patchyard.domain.transaction import InstallProblem, Transaction
from patchyard.link import Link
from patchyard.managers import manager_for
from patchyard.operations import Bench
from patchyard.providers import load_inventory
from patchyard.systems import system_for
from patchyard.transports import open_transport
from tests.real.driving import wait_until
from tests.yard import box, faults
from tests.yard.debs import FOLDER, Deb, Repository
from tests.yard.machine import Machine
from tests.yard.mirror import Mirror, mirror_of
from tests.yard.spec import MachineSpec
from tests.yard.yard import Yard

SIZES = {
    "yard-one": 3_000_000,
    "yard-two": 3_000_000,
    "yard-other": 2000,
    "yard-large": 8 * 2**20,
    "yard-slow": 2000,
    "yard-dead": 2000,
}
ARCHIVES = "/var/cache/apt/archives"
STATE = (
    "dpkg-query -W -f '${Package} ${Architecture} ${Version} ${Status}\\n'; apt-mark showauto; "
    "echo; apt-mark showmanual; cat /var/lib/dpkg/status /var/lib/apt/extended_states "
    "/var/log/dpkg.log | sha256sum; ls -lR --time-style=full-iso /etc | sha256sum; "
    "systemctl show nginx -P MainPID"
)
"""All that an install would change."""


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """One machine for the module, with a /var of its own."""
    reason = box.probe()
    assert reason is None, reason
    spec = MachineSpec("box-1", groups=("yard",), var_size="220M")
    groups = {"yard": {"policy": {"lock_seconds": 30}}}
    with Yard(tmp_path_factory.mktemp("yard"), [spec], groups=groups) as made:
        yield made


@pytest.fixture
def machine(yard: Yard) -> Machine:
    return yard["box-1"]


@pytest.fixture(scope="module")
def serving(yard: Yard) -> Iterator[Mirror]:
    """Its mirror, which offers 2.0 of all packages; 1.0 of each is there, as if come for others."""
    with mirror_of(yard["box-1"]) as mirror:
        repository, machine = Repository(mirror.machine), mirror.machine
        repository.offer(*(deb(name, version) for name in SIZES for version in ("1.0", "2.0")))
        old = [f"/{FOLDER}/{deb(name, '1.0').file_name}" for name in SIZES]
        machine.exec(["dpkg", "--force-unsafe-io", "-i", *old])
        machine.exec(["apt-mark", "auto", *SIZES])
        mirror.use()
        yield mirror


@pytest.fixture
def mirror(serving: Mirror) -> Mirror:
    """The mirror, which nobody has asked for anything."""
    serving.asked.clear()
    return serving


def deb(name: str, version: str) -> Deb:
    """A package with a configuration file that changes, and in 2.0 a file of its size."""
    colour = "red" if version == "1.0" else "blue"
    files = {} if version == "1.0" else {f"/usr/share/{name}": "x" * SIZES[name]}
    return Deb(name, version, files, conffiles={f"/etc/{name}.conf": f"colour = {colour}\n"})


def package(name: str, version: str = "2.0") -> PackageVersion:
    return PackageVersion(name=name, architecture="all", version=version)


@contextmanager
def bench_of(yard: Yard, run_id: str) -> Iterator[Bench]:
    inventory = load_inventory(yard.folder)
    machine = inventory.machines[0]
    with Link(lambda: open_transport(machine, inventory)) as link:
        yield Bench(
            machine, system_for(machine), manager_for(machine), link, run_id, "seed",
            clock=lambda: datetime.now(UTC), sleep=time.sleep,
        )  # fmt: skip


def soon(seconds: float = 60) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def download(yard: Yard, run_id: str, *packages: PackageVersion) -> Transaction:
    with bench_of(yard, run_id) as bench:
        return operations.download(bench, Download(key="download", packages=packages), soon())


def install(yard: Yard, run_id: str, *packages: PackageVersion) -> Transaction:
    with bench_of(yard, run_id) as bench:
        return operations.install(bench, Install(key="install-0-0", packages=packages), soon())


def state(machine: Machine) -> str:
    return machine.exec(["sh", "-c", STATE])


def archives(machine: Machine) -> list[str]:
    """The yard's own archives in apt's cache, whole or in part."""
    found = machine.exec(["sh", "-c", f"cd {ARCHIVES}; ls -d yard-* partial/yard-* 2>/dev/null; :"])
    return found.split()


def test_exactly_the_plan_is_fetched_once_and_the_install_needs_no_mirror(
    yard: Yard, machine: Machine, mirror: Mirror
) -> None:
    one, two, there = package("yard-one"), package("yard-two"), package("yard-other", "1.0")
    before = state(machine)

    first = download(yard, "r1", one, there)
    assert (first.exit_status, first.detail) == (0, "1 update, 3 MB")
    assert archives(machine) == ["yard-one_2.0_all.deb"]
    more = download(yard, "r2", one, two)
    assert more.detail == "2 updates, 3 MB; 1 of them there before"
    assert sorted(mirror.asked) == ["yard-one_2.0_all.deb", "yard-two_2.0_all.deb"]
    assert state(machine) == before

    mirror.asked.clear()
    machine.write_file("/etc/yard-one.conf", "colour = green\n")
    done = install(yard, "r2", one, two)
    assert done.problem == InstallProblem.NONE, done.detail
    assert mirror.asked == []
    assert {machine.packages()[f"{name}:all"] for name in ("yard-one", "yard-two")} == {"2.0"}
    assert "green" in machine.read_file("/etc/yard-one.conf")


def test_where_all_is_installed_nothing_is_asked_for_and_marks_stay(
    yard: Yard, machine: Machine, mirror: Mirror
) -> None:
    before = state(machine)
    with faults.held_dpkg_lock(machine):
        there = package("yard-other", "1.0")
        assert download(yard, "r3", there).detail == "nothing to download"
    assert state(machine) == before
    assert mirror.asked == []
    assert "yard-other" in machine.exec(["apt-mark", "showauto"]).split()


def test_without_room_nothing_is_fetched_and_the_reserve_is_that_of_a_preflight(
    yard: Yard, machine: Machine, mirror: Mirror
) -> None:
    faults.fill_var(machine, leave_kb=105 * 1024)
    try:
        found = download(yard, "r6", package("yard-large"))
    finally:
        faults.free_var(machine)
    assert found.problem == InstallProblem.DISK_FULL
    assert found.detail.endswith("MiB free, the download needs 108")
    assert mirror.asked == []
    assert not any("yard-large" in name for name in archives(machine))


def test_an_install_waits_for_a_download_that_is_still_at_work(
    yard: Yard, machine: Machine, mirror: Mirror
) -> None:
    mirror.open.clear()
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(download, yard, "r7", package("yard-slow"))
        wait_until("the download", lambda: mirror.asked != [], 30)
        assert machine.packages()["yard-slow:all"] == "1.0"
        Timer(1, mirror.open.set).start()
        done = install(yard, "r7", package("yard-slow"))
        assert done.problem == InstallProblem.NONE, done.detail
        assert ahead.result().detail.startswith("1 update, ")
    assert mirror.asked == ["yard-slow_2.0_all.deb"]
    assert machine.packages()["yard-slow:all"] == "2.0"


def test_a_dead_mirror_is_an_ordinary_failure(yard: Yard, machine: Machine, mirror: Mirror) -> None:
    before = state(machine)
    mirror.shutdown()
    mirror.server_close()
    found = download(yard, "r4", package("yard-dead"))
    assert (found.problem, found.culprits) == (InstallProblem.FETCH_FAILED, ("yard-dead",))
    assert "127.0.0.1" in found.detail
    assert state(machine) == before
