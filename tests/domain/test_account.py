"""How a machine's run is told in words: the way back, the steps, the updates."""

from __future__ import annotations

from dataclasses import replace

from patchyard.domain.account import account
from patchyard.domain.actions import Action, Install, Keep, Undo
from patchyard.domain.inventory import Machine, Policy
from patchyard.domain.outcome import Status
from patchyard.domain.path import RebootSetting
from patchyard.domain.plan import MachinePlan
from patchyard.domain.record import MachineRun, Result, Step
from patchyard.domain.report import MachineReport
from patchyard.domain.restore import Kept, PackageVersion, RestorePoint
from patchyard.testing.assessments import NOON, planned

KB = "KB5120242:00000000-0000-4000-8000-000005120242"
COMING = PackageVersion.of(KB, "200")
EARLIER = PackageVersion.of("openssl:amd64", "3.0.11")
KEEP = Keep(key="restore-point", folder="/r", packages=(EARLIER,))
REMOVE = Keep(key="restore-point", folder="/r", packages=(), coming=(COMING,))


def told(*steps: tuple[Action, Result]) -> MachineReport:
    plan = MachinePlan(machine="a", updates=(planned("KB5120242", title="2026-08 Update"),))
    run = MachineRun("r1", plan, Policy(), RebootSetting.NEVER)
    done = tuple(
        Step(action=action, started_at=NOON, finished_at=NOON, result=result)
        for action, result in steps
    )
    return account(
        Machine(name="a", address="a.example"),
        replace(run, steps=done),
        status=Status.SUCCEEDED,
        reason="",
        wave=1,
        classifications=frozenset(),
        planned_from=None,
    )


def point(*kept: Kept) -> Result:
    return Result(restore_point=RestorePoint(folder="/r", kept=kept))


def test_earlier_versions_that_are_kept_are_counted() -> None:
    one, two = (Kept(key=f"p{n}:amd64", version="1", file="f") for n in (1, 2))
    assert told((KEEP, point(one))).undo == "possible: 1 package kept"
    assert told((KEEP, point(one, two))).undo == "possible: 2 packages kept"


def test_one_that_could_not_be_kept_is_named() -> None:
    gone = Kept(key="openssl:amd64", version="1", problem="not in any archive")
    assert told((KEEP, point(gone))).undo == "not possible: openssl:amd64 could not be kept"


def test_where_an_update_is_removed_again_nothing_is_said_to_be_kept() -> None:
    way = Kept(key=KB, version="200", method="package")
    assert told((REMOVE, point(way))).undo == "possible: by removing 1 update"


def test_an_update_that_can_never_be_removed_is_told_with_the_reason() -> None:
    stack = Kept(key=KB, version="1", problem="a servicing stack can never be removed")
    said = told((REMOVE, point(stack))).undo
    assert said == "not possible: KB5120242 (a servicing stack can never be removed)"


def test_steps_count_what_they_are_about() -> None:
    done = Result(detail="done")
    install = Install(key="install-0-0", packages=(COMING,))
    undo = Undo(key="undo-0", folder="/r", packages=(), remove=(KB,))
    report = told((KEEP, done), (REMOVE, done), (install, done), (undo, done))
    assert [step.title for step in report.steps] == [
        "Keep the earlier versions (1 package)",
        "Prepare the way back (1 update)",
        "Install (1 package)",
        "Undo (1 package)",
    ]


def test_an_update_brings_its_title() -> None:
    (update,) = told().updates
    assert update.title == "2026-08 Update"
