"""A machine is changed only where nothing stands in the way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.inventory import Policy
from patchyard.domain.preflight import MIB, ObstacleKind, obstacles
from patchyard.domain.updates import Filesystem, LockHolder
from patchyard.testing.assessments import assessment, machine_plan, planned

PLAN = machine_plan(planned("openssl"))


def _kinds(**changes: Any) -> list[ObstacleKind]:
    return [o.kind for o in obstacles(assessment(**changes), PLAN, Policy())]


def test_a_healthy_machine_has_no_obstacle() -> None:
    assert _kinds() == []


@pytest.mark.parametrize("skew", [301.0, -301.0])
def test_a_clock_that_is_off_stands_in_the_way(skew: float) -> None:
    assert _kinds(clock_skew=skew) == [ObstacleKind.CLOCK]


def test_an_unknown_clock_is_no_obstacle() -> None:
    assert _kinds(clock_skew=None) == []


def test_a_lock_names_its_holder() -> None:
    holder = LockHolder(path="/var/lib/dpkg/lock", pid=42, command="apt-get")
    found = obstacles(assessment(lock_holders=(holder,)), PLAN, Policy())
    assert found[0].kind == ObstacleKind.LOCKED
    assert "apt-get (pid 42)" in found[0].detail


def test_a_broken_database_stands_in_the_way() -> None:
    assert _kinds(database_problems=("half-configured: foo",)) == [ObstacleKind.BROKEN_DATABASE]


def test_a_full_var_names_what_is_free_and_what_is_needed() -> None:
    systems = (
        Filesystem(mount="/", size=10**10, free=10**10, inodes=10**6, inodes_free=10**6),
        Filesystem(mount="/var", size=10**8, free=MIB, inodes=10**6, inodes_free=10**6),
    )
    found = obstacles(assessment(filesystems=systems), PLAN, Policy())
    assert [o.kind for o in found] == [ObstacleKind.DISK]
    assert found[0].detail.startswith("/var has 1 MiB free")


def test_no_inodes_left_stands_in_the_way_although_there_is_space() -> None:
    full = Filesystem(mount="/", size=10**10, free=10**10, inodes=10**6, inodes_free=3)
    assert _kinds(filesystems=(full,)) == [ObstacleKind.INODES]


def test_a_file_system_without_inodes_is_judged_by_space_alone() -> None:
    btrfs = Filesystem(mount="/", size=10**10, free=10**10, inodes=0, inodes_free=0)
    assert _kinds(filesystems=(btrfs,)) == []


def test_a_kernel_needs_room_in_boot() -> None:
    systems = (
        Filesystem(mount="/", size=10**11, free=10**11, inodes=10**6, inodes_free=10**6),
        Filesystem(mount="/boot", size=10**8, free=50 * MIB, inodes=10**6, inodes_free=10**6),
    )
    plan = machine_plan(planned("linux-image-6.1.0-31-amd64"))
    found = obstacles(assessment(filesystems=systems), plan, Policy())
    assert [o.kind for o in found] == [ObstacleKind.DISK]
    assert "/boot" in found[0].detail


def test_nothing_to_install_needs_no_space() -> None:
    full = Filesystem(mount="/", size=10**10, free=0, inodes=10**6, inodes_free=0)
    assert obstacles(assessment(filesystems=(full,)), machine_plan(), Policy()) == ()


@given(st.integers(0, 10**10), st.integers(0, 10**10))
def test_more_free_space_never_adds_an_obstacle(free: int, more: int) -> None:
    def count(size: int) -> int:
        system = Filesystem(mount="/", size=10**12, free=size, inodes=10**6, inodes_free=10**6)
        return len(obstacles(assessment(filesystems=(system,)), PLAN, Policy()))

    assert count(free + more) <= count(free)
