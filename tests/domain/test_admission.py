from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.actions import Install, Reboot, Undo
from patchyard.domain.admission import (
    ENOUGH,
    EXCEEDED,
    History,
    Published,
    Sample,
    Work,
    admit,
    admit_reboot,
    history_of,
    needed,
    percentile,
)
from patchyard.domain.inventory import OsFamily, Policy
from patchyard.domain.path import RebootSetting
from patchyard.domain.record import Fault, MachineRun, RebootOutcome, Result, Step
from patchyard.domain.restore import PackageVersion
from patchyard.domain.updates import Classification
from patchyard.testing.assessments import NOON, machine_plan, planned
from tests.domain.strategies import unhurried

MINUTE = timedelta(minutes=1)
SECURITY = frozenset({Classification.SECURITY})
NOTHING = History()


def work(count: int, family: OsFamily = OsFamily.DEBIAN, **more: Any) -> Work:
    return Work(family, Counter({Classification.SECURITY: count}), **more)


def minutes(time: timedelta) -> float:
    return time / MINUTE


@pytest.mark.parametrize(
    ("count", "family", "expected"),
    [
        (1, OsFamily.DEBIAN, 5),
        (3, OsFamily.DEBIAN, 15),
        (10, OsFamily.DEBIAN, 29),
        (10, OsFamily.RHEL, 29),
        (10, OsFamily.SUSE, 41),
        (1, OsFamily.WINDOWS, 15),
        (3, OsFamily.WINDOWS, 45),
        (0, OsFamily.DEBIAN, 0),
    ],
)
def test_the_cold_start_is_the_longer_one_of_the_published_numbers(
    count: int, family: OsFamily, expected: float
) -> None:
    assert minutes(needed(work(count, family), NOTHING).install) == expected


def test_a_service_pack_costs_more() -> None:
    packs = Work(OsFamily.WINDOWS, Counter({Classification.SERVICE_PACK: 1}))
    assert minutes(needed(packs, NOTHING).install) == 20


def test_a_reboot_and_the_way_back_are_reserved() -> None:
    both = needed(work(3), NOTHING)
    assert [minutes(t) for t in (both.install, both.reboot, both.undo)] == [15, 15, 30]
    windows = needed(work(1, OsFamily.WINDOWS, may_undo=False), NOTHING)
    assert [minutes(t) for t in (windows.install, windows.reboot, windows.undo)] == [15, 10, 0]
    neither = needed(work(3, may_reboot=False, may_undo=False), NOTHING)
    assert minutes(neither.total) == 15


def test_a_machine_that_is_off_needs_the_time_to_start_it_too_its_own_where_measured() -> None:
    assert minutes(needed(work(3), NOTHING).start) == 0
    off = needed(work(3, is_off=True), NOTHING)
    assert (minutes(off.start), minutes(off.total)) == (15, 75)
    assert minutes(needed(work(1, OsFamily.WINDOWS, is_off=True), NOTHING).start) == 10
    quick = History(starts=(2 * MINUTE,) * ENOUGH)
    assert minutes(needed(work(3, is_off=True), quick).start) == 2
    slow = History(starts=(40 * MINUTE,))
    assert minutes(needed(work(3, is_off=True, may_undo=False), slow).start) == 40
    told = admit(work(1, is_off=True), quick, MINUTE).reason
    assert told.endswith("and start 2m, install 5m, reboot 15m, undo 20m are needed")


def test_numbers_can_be_set() -> None:
    own = Published(first_packages=1, further_packages=0.5, reboot_linux=4)
    time = needed(work(5, may_undo=False), NOTHING, own)
    assert [minutes(time.install), minutes(time.reboot)] == [4, 4]


def samples(*took: float, count: int = 3) -> tuple[Sample, ...]:
    return tuple(Sample(count, SECURITY, each * MINUTE) for each in took)


def test_a_machines_own_times_count_once_there_are_enough() -> None:
    few = History(installs=samples(*[1] * (ENOUGH - 1)), reboots=(MINUTE,) * (ENOUGH - 1))
    assert minutes(needed(work(3), few).install) == 15
    assert minutes(needed(work(3), few).reboot) == 15
    enough = History(installs=samples(*[1] * ENOUGH), reboots=(2 * MINUTE,) * ENOUGH)
    time = needed(work(3), enough)
    assert [minutes(time.install), minutes(time.reboot)] == [1, 2]


def test_a_slow_machine_is_believed_at_once() -> None:
    slow = History(installs=samples(50), reboots=(40 * MINUTE,))
    time = needed(work(3), slow)
    assert [minutes(time.install), minutes(time.reboot)] == [50, 40]


def test_more_updates_take_more_time_and_fewer_not_less() -> None:
    history = History(installs=samples(*[10] * ENOUGH, count=5))
    assert minutes(needed(work(10), history).install) == 20
    assert minutes(needed(work(1), history).install) == 10


def test_each_class_has_its_own_times() -> None:
    quick = samples(*[1] * ENOUGH)
    history = History(installs=quick)
    other = Work(OsFamily.DEBIAN, Counter({Classification.OTHER: 3}))
    assert minutes(needed(other, history).install) == 15
    mixed = Work(OsFamily.DEBIAN, Counter({Classification.OTHER: 1, Classification.SECURITY: 2}))
    assert minutes(needed(mixed, history).install) == 15


def test_percentiles_are_values_that_were_measured() -> None:
    values = [n * MINUTE for n in range(1, 101)]
    assert percentile(values) == 95 * MINUTE
    assert percentile(values[:20]) == 19 * MINUTE
    assert percentile(values[:3]) == 3 * MINUTE
    assert percentile([]) == timedelta(0)


def test_what_fits_is_admitted_to_the_last_second() -> None:
    time = needed(work(3), NOTHING).total
    assert admit(work(3), NOTHING, time).admitted
    refused = admit(work(3), NOTHING, time - timedelta(seconds=1))
    assert (refused.admitted, refused.word) == (False, "maintenance_window_exceeded")
    assert refused.reason == (
        "59m59s are left of the window, and install 15m, reboot 15m, undo 30m are needed"
    )


def test_a_reboot_that_does_not_fit_is_owed() -> None:
    assert admit_reboot(OsFamily.DEBIAN, NOTHING, 15 * MINUTE).admitted
    refused = admit_reboot(OsFamily.DEBIAN, NOTHING, 14 * MINUTE)
    assert refused.word == EXCEEDED
    assert refused.reason.startswith("reboot_owed: 14m are left of the window")
    assert not admit_reboot(OsFamily.WINDOWS, NOTHING, timedelta(0)).admitted
    assert "0m are left" in admit_reboot(OsFamily.WINDOWS, NOTHING, -MINUTE).reason


@given(
    st.integers(0, 300),
    st.integers(0, 300),
    st.lists(st.tuples(st.integers(1, 50), st.floats(0, 300)), max_size=12),
    st.floats(0, 600),
)
@unhurried
def test_more_work_never_fits_better_and_more_time_never_worse(
    count: int, more: int, took: list[tuple[int, float]], left: float
) -> None:
    history = History(installs=tuple(Sample(n, SECURITY, m * MINUTE) for n, m in took))
    small, large = work(count), work(count + more)
    assert needed(small, history).total <= needed(large, history).total
    time = left * MINUTE
    assert admit(large, history, time).admitted <= admit(small, history, time).admitted
    assert admit(small, history, time).admitted <= admit(small, history, time + MINUTE).admitted


def step(action: Any, took: float, result: Result | None = None) -> Step:
    end = NOON + took * MINUTE
    return Step(action=action, started_at=NOON, finished_at=end, result=result or Result())


def test_the_history_is_read_from_what_is_recorded() -> None:
    packages = tuple(PackageVersion(name=n, architecture="amd64", version="2") for n in ("a", "b"))
    install = Install(key="install", packages=packages)
    undo = Undo(key="undo", folder="/x", packages=packages[:1])
    reboot = Reboot(key="reboot", boot_id="x", reason="")
    back, away = RebootOutcome.REBOOTED, RebootOutcome.NOT_BACK
    run = MachineRun(
        run_id="r",
        plan=machine_plan(planned("a"), planned("b", classification=Classification.OTHER)),
        policy=Policy(),
        reboot=RebootSetting.IF_REQUIRED,
        steps=(
            step(install, 4),
            step(install, 9, Result(fault=Fault(code="unreachable", detail=""))),
            step(reboot, 3, Result(reboot=back)),
            step(reboot, 30, Result(reboot=away)),
            step(undo, 2),
            Step(action=install, started_at=NOON),
        ),
    )
    found = history_of([run])
    both = frozenset({Classification.SECURITY, Classification.OTHER})
    assert found.installs == (Sample(2, both, 4 * MINUTE),)
    assert found.undos == (Sample(1, SECURITY, 2 * MINUTE),)
    assert found.reboots == (3 * MINUTE,)
