"""What the rules need where an update is a thing of its own, as on Windows."""

from __future__ import annotations

from patchyard.domain.actions import Keep, Undo
from patchyard.domain.drift import DriftKind, drift
from patchyard.domain.inventory import Policy
from patchyard.domain.path import RebootSetting
from patchyard.domain.plan import MachinePlan, WhyNot
from patchyard.domain.preflight import WINDOWS_BYTES, WINDOWS_DRIVE, ObstacleKind, obstacles
from patchyard.domain.record import MachineRun, Result, Step
from patchyard.domain.restore import Kept, RestorePoint
from patchyard.domain.selection import Selection, select
from patchyard.domain.updates import Filesystem
from patchyard.testing.assessments import NOON, assessment, planned
from tests.domain.strategies import offering, update

KB = "KB5120242:00000000-0000-4000-8000-000005120242"


def test_what_is_wanted_for_its_own_sake_is_selected_although_it_is_absent() -> None:
    own = update(KB, installed="", candidate="200", by_itself=True)
    along = update("lib:amd64", installed="", candidate="2")
    taken, left = select(offering(own, along), Selection())
    assert [each.key for each in taken] == [KB]
    assert [(each.name, each.why) for each in left] == [("lib", WhyNot.NOT_INCLUDED)]


def test_one_of_another_class_is_left_out_for_its_class() -> None:
    own = update(KB, installed="", candidate="200", by_itself=True)
    _, (left,) = select(offering(own), Selection(classifications=frozenset(), include=("x",)))
    assert "new package" not in left.detail


def test_one_that_came_up_after_the_plan_is_told() -> None:
    own = update(KB, installed="", candidate="200", by_itself=True)
    (found,) = drift(MachinePlan(machine="a"), offering(own))
    assert found.kind == DriftKind.NEW_UPDATE


def test_the_drive_of_windows_needs_room_of_its_own() -> None:
    def seen(free: int) -> set[ObstacleKind]:
        drive = Filesystem(mount=WINDOWS_DRIVE, size=10**12, free=free)
        plan = MachinePlan(machine="a", updates=(planned("KB1", download_bytes=1),))
        return {o.kind for o in obstacles(assessment(filesystems=(drive,)), plan, Policy())}

    assert seen(WINDOWS_BYTES) == {ObstacleKind.DISK}
    assert seen(WINDOWS_BYTES * 2) == set()


def test_what_the_restore_point_said_of_each_way_back_is_remembered() -> None:
    kept = (Kept(key=KB, version="200", file="Package_for_RollupFix~*", method="package"),)
    point = Result(restore_point=RestorePoint(folder="/r", kept=kept))
    keep = Keep(key="restore-point", folder="/r", packages=())
    run = MachineRun("r1", MachinePlan(machine="a"), Policy(), RebootSetting.NEVER)
    assert run.kept == ()
    step = Step(action=keep, started_at=NOON, finished_at=NOON, result=point)
    whole = MachineRun("r1", run.plan, run.policy, run.reboot, steps=(step,))
    assert whole.kept == kept
    assert Undo(key="undo-0", folder="/r", packages=(), kept=whole.kept).kept == kept
