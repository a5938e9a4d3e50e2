"""One machine, from its preflight to its verdict: one trouble at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from patchyard.domain.actions import (
    CHANGES,
    Finish,
    Install,
    Keep,
    Look,
    RestartServices,
    Wait,
)
from patchyard.domain.machine import next_step
from patchyard.domain.outcome import Status
from patchyard.domain.path import RebootSetting
from patchyard.domain.record import RebootOutcome, Step
from patchyard.domain.restore import PackageVersion
from patchyard.domain.value import Known
from patchyard.testing.assessments import NOON, machine_plan
from tests.domain.fake_machine import NEVER, FakeMachine, Nature, drive
from tests.domain.machine_stories import (
    AFTER,
    BEFORE,
    PLANNED,
    keys,
    run_of,
    story_of,
)


def test_where_all_goes_well_the_steps_are_these() -> None:
    story = story_of()
    assert keys(story) == [
        "preflight-0",
        "checks-before",
        "restore-point",
        "install-0-0",
        "installed-0",
        "verify",
        "verdict",
    ]
    assert story.finish == Finish(
        status=Status.SUCCEEDED, reason="4 updates installed, checks hold"
    )
    assert story.machine.packages == BEFORE | AFTER
    keep = story.actions[2]
    assert isinstance(keep, Keep)
    assert keep.folder == "/var/lib/patchyard/restore/r1"
    assert keep.packages == tuple(PackageVersion.of(key, "1") for key in PLANNED[:3])


def test_where_all_is_there_nothing_is_installed_and_the_checks_are_asked() -> None:
    story = story_of(packages=BEFORE | AFTER)
    assert keys(story) == ["preflight-0", "checks-before", "verify", "verdict"]
    assert story.finish.status == Status.SUCCEEDED


def test_an_empty_plan_has_nothing_to_install() -> None:
    run = run_of(plan=machine_plan())
    story = drive(run, FakeMachine(Nature(), dict(BEFORE), AFTER))
    assert story.finish == Finish(status=Status.SUCCEEDED, reason="nothing to install")


def test_only_what_is_missing_is_installed() -> None:
    story = story_of(packages=BEFORE | {"a:amd64": "2"})
    (install,) = (action for action in story.actions if isinstance(action, Install))
    assert [package.key for package in install.packages] == ["b:amd64", "c:amd64", "new:amd64"]


def test_one_bad_package_does_not_block_the_others() -> None:
    story = story_of(works_from={"b:amd64": NEVER})
    assert story.finish.status == Status.FAILED
    assert story.finish.reason == "not installed: b (b:amd64: its script failed)"
    assert story.machine.packages == BEFORE | AFTER | {"b:amd64": "1"}


def test_what_the_installer_says_proves_nothing() -> None:
    story = story_of(lied_about=frozenset({"b:amd64"}))
    assert story.finish == Finish(status=Status.FAILED, reason="not installed: b")


def test_what_comes_from_one_source_is_not_parted() -> None:
    story = story_of(works_from={"a:amd64": NEVER})
    last = [action for action in story.actions if action.key.startswith("install-1-")]
    batches = [[p.name for p in action.packages] for action in last if isinstance(action, Install)]
    assert batches == [["a"], ["b"], ["c", "new"]]


@pytest.mark.parametrize(
    ("trouble", "said"),
    [({"full": True}, "/ has 0 MiB free"), ({"skew": 400.0}, "the clock is 400 s ahead")],
)
def test_what_stands_in_the_way_is_told_and_nothing_is_done(
    trouble: dict[str, Any], said: str
) -> None:
    story = story_of(**trouble)
    assert story.finish.status == Status.REFUSED
    assert said in story.finish.reason
    assert keys(story) == ["preflight-0"]


def test_a_machine_that_was_repaired_is_not_called_untouched() -> None:
    """The repair changed it, and then its lock was held for too long."""
    story = story_of(broken=True, locked=(10, 10**6), policy={"lock_seconds": 30})
    assert "repair-0" in keys(story)
    assert story.finish.status == Status.FAILED
    assert "is held by" in story.finish.reason


def test_a_lock_that_is_given_back_in_time_is_no_obstacle() -> None:
    story = story_of(locked=(0, 25), policy={"lock_seconds": 60})
    assert story.finish.status == Status.SUCCEEDED
    assert story.waits == [NOON + timedelta(seconds=15), NOON + timedelta(seconds=30)]


def test_a_lock_that_is_held_for_ever_is_refused_with_its_holder() -> None:
    story = story_of(locked=(0, 10**6), policy={"lock_seconds": 60})
    assert story.finish.status == Status.REFUSED
    assert "apt-get (pid 42); waited 60 s" in story.finish.reason
    assert not any(isinstance(action, CHANGES) for action in story.actions)


def test_with_no_time_to_wait_a_lock_is_refused_at_once() -> None:
    story = story_of(locked=(0, 10**6), policy={"lock_seconds": 0})
    assert keys(story) == ["preflight-0"]


def test_the_time_of_a_repair_is_not_taken_from_the_time_to_wait_for_a_lock() -> None:
    story = story_of(broken=True, locked=(10, 80), policy={"lock_seconds": 40})
    assert "repair-0" in keys(story)
    assert story.finish.status == Status.SUCCEEDED


def test_until_the_time_has_come_there_is_only_waiting() -> None:
    story = story_of(locked=(0, 25), policy={"lock_seconds": 60})
    run = replace(story.run, steps=story.run.steps[:1])
    at = story.waits[0]
    early = at - timedelta(microseconds=1)
    assert next_step(run, early) == Wait(until=at)
    assert next_step(run, at) == Look(key="preflight-1", refresh=True, not_before=at)


def test_a_database_in_pieces_is_repaired_once_before_anything_else() -> None:
    story = story_of(broken=True)
    assert keys(story)[:3] == ["preflight-0", "repair-0", "preflight-1"]
    assert story.finish.status == Status.SUCCEEDED


def test_a_database_that_stays_in_pieces_needs_a_person() -> None:
    story = story_of(broken=True, mends=False)
    assert keys(story) == ["preflight-0", "repair-0", "preflight-1"]
    assert story.finish.status == Status.NEEDS_REPAIR


def test_a_package_that_an_install_left_half_configured_is_repaired_once() -> None:
    story = story_of(halves=frozenset({"install-0-0"}))
    assert keys(story)[3:7] == [
        "install-0-0",
        "installed-0",
        "repair-installed-0",
        "installed-0-repaired",
    ]
    assert story.finish.status == Status.SUCCEEDED
    broken = story_of(halves=frozenset({"install-0-0"}), mends=False)
    assert broken.finish.status == Status.NEEDS_REPAIR
    assert broken.actions[-1].key == "installed-0-repaired"


def test_what_could_not_be_seen_is_told_with_a_success() -> None:
    story = story_of(unclear=Known.UNKNOWN)
    assert story.finish.status == Status.COMPLETED_WITH_WARNINGS
    assert "whether updates are missing is unknown" in story.finish.reason


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (RebootOutcome.REBOOTED, Status.SUCCEEDED),
        (RebootOutcome.NOT_REBOOTED, Status.FAILED),
        (RebootOutcome.NOT_BACK, Status.LOST_CONTACT),
    ],
)
def test_only_a_machine_that_is_back_from_its_reboot_goes_on(
    outcome: RebootOutcome, status: Status
) -> None:
    story = story_of(owes_reboot=True, reboot=outcome)
    assert story.finish.status == status
    assert (story.actions[-1].key == "reboot") == (outcome != RebootOutcome.REBOOTED)


def test_a_reboot_that_is_not_allowed_is_owed_in_the_verdict() -> None:
    machine = FakeMachine(Nature(owes_reboot=True), dict(BEFORE), AFTER)
    story = drive(run_of(reboot=RebootSetting.NEVER), machine)
    assert story.finish.status == Status.COMPLETED_WITH_WARNINGS
    assert "a reboot is owed" in story.finish.reason


def test_a_reboot_that_is_owed_after_one_is_told_and_not_done_again() -> None:
    story = story_of(owes_for_ever=True)
    assert [key for key in keys(story) if key == "reboot"] == ["reboot"]
    assert story.finish.status == Status.COMPLETED_WITH_WARNINGS
    assert "still owed after one in this run" in story.finish.reason


def test_always_is_one_reboot_whatever_is_restarted_after_it() -> None:
    machine = FakeMachine(Nature(stops=True), dict(BEFORE), AFTER)
    story = drive(run_of(reboot=RebootSetting.ALWAYS), machine)
    assert keys(story)[4:8] == ["installed-0", "reboot", "rebooted", "restart"]
    assert story.finish.status == Status.SUCCEEDED


def test_a_reboot_that_made_it_worse_without_a_change_has_nothing_to_undo() -> None:
    machine = FakeMachine(Nature(ruins=frozenset({"reboot"})), BEFORE | AFTER, AFTER)
    story = drive(run_of(reboot=RebootSetting.ALWAYS), machine)
    assert keys(story)[-2:] == ["rebooted", "verify"]
    assert story.finish.status == Status.FAILED
    assert story.finish.reason.endswith("no update was installed by this run")


def test_services_on_replaced_code_are_restarted_and_those_that_ended_are_started() -> None:
    story = story_of(restarts=True, stops=True)
    (restart,) = (action for action in story.actions if isinstance(action, RestartServices))
    assert restart.services == ("nginx.service", "web.service")
    assert keys(story)[4:] == ["installed-0", "restart", "restarted", "verify", "verdict"]
    assert story.finish.status == Status.SUCCEEDED


@pytest.mark.parametrize(
    ("key", "code", "status"),
    [
        ("preflight-0", "unreachable", Status.UNREACHABLE),
        ("preflight-0", "authentication_failed", Status.UNREACHABLE),
        ("preflight-0", "script_failed", Status.FAILED),
        ("install-0-0", "unreachable", Status.LOST_CONTACT),
        ("install-0-0", "timed_out", Status.LOST_CONTACT),
        ("installed-0", "unreachable", Status.LOST_CONTACT),
        ("installed-0", "authentication_failed", Status.LOST_CONTACT),
        ("verdict", "unreachable", Status.LOST_CONTACT),
        ("verdict", "privilege_refused", Status.LOST_CONTACT),
    ],
)
def test_a_machine_that_is_lost_is_told_apart_from_one_that_was_never_reached(
    key: str, code: str, status: Status
) -> None:
    story = story_of(faults={key: code})
    assert story.finish == Finish(status=status, reason=f"{key}: {code}")


def test_a_machine_that_was_repaired_and_then_lost_is_not_called_unreached() -> None:
    story = story_of(broken=True, faults={"checks-before": "unreachable"})
    assert story.finish.status == Status.LOST_CONTACT


def test_a_job_that_ended_without_a_word_is_judged_by_the_look_after_it() -> None:
    story = story_of(faults={"install-0-0": "orphaned"})
    assert keys(story)[3:6] == ["install-0-0", "installed-0", "install-1-0"]
    assert story.finish.status == Status.SUCCEEDED


def test_a_first_look_that_got_lost_is_no_look() -> None:
    story = story_of(faults={"preflight-0": "orphaned"})
    assert story.finish == Finish(status=Status.FAILED, reason="preflight-0: orphaned")


@pytest.mark.parametrize("code", ["orphaned", "script_failed", "malformed_output"])
@pytest.mark.parametrize("key", ["installed-0", "verdict"])
def test_a_machine_that_was_changed_is_looked_at_again_where_a_look_fails(
    key: str, code: str
) -> None:
    story = story_of(faults={key: code})
    again = [k for k in keys(story) if k.startswith(key)]
    assert again == [key, f"{key}-again-1"]
    assert story.finish.status == Status.SUCCEEDED


@pytest.mark.parametrize("key", ["installed-0", "verdict"])
def test_a_machine_that_was_changed_and_cannot_be_seen_is_for_a_person(key: str) -> None:
    looks = (key, f"{key}-again-1", f"{key}-again-2")
    story = story_of(faults=dict.fromkeys(looks, "script_failed"))
    assert keys(story)[-1] == f"{key}-again-2"
    assert story.finish.status == Status.NEEDS_REPAIR
    assert "how it is now could not be seen" in story.finish.reason


def test_a_look_that_is_not_in_the_record_is_no_look() -> None:
    story = story_of()
    forgotten = replace(story.run, assessments={})
    finish = next_step(forgotten, NOON)
    assert finish == Finish(status=Status.FAILED, reason="what the look saw is not recorded")


def test_an_act_that_was_begun_under_other_rules_is_taken_up_as_it_was() -> None:
    begun = Step(action=Look(key="preflight-0", refresh=False), started_at=NOON)
    assert next_step(run_of(steps=(begun,)), NOON) == begun.action


def test_a_record_that_was_made_under_other_rules_is_left_to_a_person() -> None:
    story = story_of()
    first, _, *others = story.run.steps
    finish = next_step(replace(story.run, steps=(first, *others)), NOON)
    assert isinstance(finish, Finish)
    assert finish.status == Status.NEEDS_REPAIR
    assert "'restore-point' where the present rules want 'checks-before'" in finish.reason
