"""One machine, from its preflight to its verdict, whatever becomes of it and wherever it stops."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchyard.domain.actions import (
    CHANGES,
    Action,
    Ask,
    Finish,
    Install,
    Keep,
    Look,
    Reboot,
    Repair,
    RestartServices,
    Undo,
    Verify,
    Wait,
)
from patchyard.domain.drift import still_to_install
from patchyard.domain.inventory import Policy
from patchyard.domain.machine import next_step
from patchyard.domain.outcome import Status
from patchyard.domain.path import RebootSetting
from patchyard.domain.procedure import RETRY_LOCK
from patchyard.domain.record import Fault, MachineRun, RebootOutcome, Result, Step
from patchyard.domain.restore import PackageVersion, UndoTarget
from patchyard.domain.updates import Assessment
from patchyard.domain.value import Known
from patchyard.testing.assessments import NOON, machine_plan, planned
from tests.domain.fake_machine import NEVER, FakeMachine, Nature, Story, drive
from tests.domain.strategies import unhurried

PLANNED = ("a:amd64", "b:amd64", "c:amd64", "new:amd64")
BEFORE = {"a:amd64": "1", "b:amd64": "1", "c:amd64": "1", "base:all": "7"}
AFTER = dict.fromkeys(PLANNED, "2")
PLAN = machine_plan(
    planned("a"), planned("b"), planned("c"), planned("new", from_version="", source="c")
)
CODES = ("unreachable", "timed_out", "orphaned", "script_failed", "authentication_failed")


def run_of(**changes: Any) -> MachineRun:
    made = MachineRun(run_id="r1", plan=PLAN, policy=Policy(), reboot=RebootSetting.IF_REQUIRED)
    return replace(made, **changes)


def story_of(
    *, policy: dict[str, Any] | None = None, packages: dict[str, str] | None = None, **nature: Any
) -> Story:
    """Tell how a machine of this nature is patched."""
    machine = FakeMachine(Nature(**nature), dict(packages or BEFORE), AFTER)
    return drive(run_of(policy=Policy.model_validate(policy or {})), machine)


def keys(story: Story) -> list[str]:
    return [action.key for action in story.actions]


# --- whatever happens -----------------------------------------------------------------------

AT_FIRST: list[dict[str, Any]] = [
    *[{}] * 16,
    {"locked": (0, 4)},
    {"locked": (0, 25)},
    {"locked": (3, 70)},
    {"locked": (0, 10**6)},
    {"broken": True},
    {"broken": True, "locked": (0, 30)},
    {"broken": True, "locked": (30, 10**6)},
    {"broken": True, "mends": False},
    {"full": True},
    {"skew": -400.0},
]
INSTALLING: list[dict[str, Any]] = [
    *[{}] * 6,
    {"works_from": {"a:amd64": 1}},
    {"works_from": {"b:amd64": 2, "new:amd64": 1}},
    {"works_from": {"a:amd64": NEVER}},
    {"works_from": {"a:amd64": NEVER}},
    {"works_from": dict.fromkeys(PLANNED, NEVER)},
    {"lied_about": frozenset({"b:amd64"})},
    {"lied_about": frozenset({"b:amd64"})},
    {"halves": frozenset({"install-0-0"})},
    {"halves": frozenset({"install-0-0"}), "works_from": {"a:amd64": 1}},
    {"halves": frozenset({"install-0-0"}), "mends": False},
    {"lacking": frozenset({"b:amd64"})},
]
AFTERWARDS: list[dict[str, Any]] = [
    *[{}] * 2,
    *[{"bad": frozenset({"a:amd64"})}] * 3,
    {"bad": frozenset({"new:amd64"})},
    {"bad": frozenset({"a:amd64"}), "undo_from": 1},
    {"bad": frozenset({"a:amd64"}), "undo_from": NEVER},
    {"bad": frozenset({"a:amd64"}), "owes_reboot": True},
    {"bad": frozenset({"a:amd64"}), "halves": frozenset({"undo-0"})},
    {"bad": frozenset({"a:amd64"}), "stops": True},
    {"bad": frozenset({"a:amd64"}), "sick": True},
    {"sick": True},
    {"ruins": frozenset({"install-0-0"})},
    {"ruins": frozenset({"reboot"}), "owes_reboot": True},
    {"owes_for_ever": True},
    {"owes_reboot": True},
    {"owes_reboot": True, "restarts": True, "stops": True},
    {"owes_reboot": True, "reboot": RebootOutcome.NOT_BACK},
    {"owes_reboot": True, "reboot": RebootOutcome.NOT_REBOOTED},
    {"restarts": True},
    {"stops": True},
]
FAULTY = (
    "preflight-0",
    "preflight-1",
    "repair-0",
    "checks-before",
    "restore-point",
    "install-0-0",
    "installed-0",
    "reboot",
    "rebooted",
    "restarted",
    "undo-0",
    "undone-0",
    "verdict",
)
FAULTS: list[dict[str, Any]] = [
    *[{}] * 150,
    *({"faults": {key: code}} for key in FAULTY for code in CODES[:4]),
]
FURTHER: list[dict[str, Any]] = [*[{}] * 5, {"takes": 40}, {"unclear": Known.UNKNOWN}]


TARGET = UndoTarget(
    folder="/var/lib/patchyard/restore/earlier",
    packages=(PackageVersion(name="a", architecture="amd64", version="0"),),
    added=("c:amd64",),
    installed={"a:amd64": "1", "c:amd64": "1"},
)
"""An earlier run had brought version 1 of a, and c."""

PARTS = (AT_FIRST, INSTALLING, AFTERWARDS, FAULTS, FURTHER)
natures = st.tuples(*(st.sampled_from(part) for part in PARTS)).map(
    lambda parts: Nature(**{name: value for part in parts for name, value in part.items()})
)
present = st.sampled_from([*[BEFORE] * 5, BEFORE | {"a:amd64": "2"}, BEFORE | AFTER])
policies = st.sampled_from(
    [
        Policy.model_validate({"undo": undo, "lock_seconds": seconds})
        for undo in (*["preferred"] * 3, "required", "never")
        for seconds in (60, 5, 0)
    ]
)
runs = st.builds(
    run_of,
    policy=policies,
    reboot=st.sampled_from(RebootSetting),
    undo=st.sampled_from([*[None] * 6, TARGET]),
)
stories = st.builds(
    lambda run, nature, there: drive(run, FakeMachine(nature, dict(there), AFTER)),
    runs,
    natures,
    present,
)
"""What becomes of a machine with troubles at its beginning, its middle and its end."""

whole_runs = settings(unhurried, max_examples=150)


@whole_runs
@given(stories)
def test_wherever_a_run_stops_it_goes_on_to_the_same_end_with_a_reason(story: Story) -> None:
    run = story.run
    for number, step in enumerate(run.steps):
        begun = replace(run, steps=run.steps[:number])
        assert next_step(begun, step.started_at) == step.action
        assert next_step(begun, step.started_at) == next_step(begun, step.started_at)
    assert next_step(run, story.machine.now + timedelta(days=9)) == story.finish
    assert story.finish.status.final
    assert story.finish.reason


@whole_runs
@given(stories, st.sampled_from([timedelta(0), timedelta(days=9)]))
def test_what_was_begun_and_not_ended_is_returned_as_it_was(story: Story, later: timedelta) -> None:
    run = story.run
    for number, step in enumerate(run.steps):
        open_step = step.model_copy(update={"finished_at": None, "result": None})
        cut = replace(run, steps=(*run.steps[:number], open_step))
        assert next_step(cut, step.started_at + later) == step.action


@whole_runs
@given(stories)
def test_no_act_is_begun_twice_and_each_install_takes_the_plan_and_nothing_else(
    story: Story,
) -> None:
    assert len(set(keys(story))) == len(story.actions)
    wanted = {(update.key, update.to_version) for update in story.run.plan.updates}
    for action in story.actions:
        if isinstance(action, Install):
            assert {(each.key, each.version) for each in action.packages} <= wanted


@whole_runs
@given(stories)
def test_nothing_is_installed_before_a_look_the_checks_and_a_restore_point(story: Story) -> None:
    kinds = [type(action) for action in story.actions]
    for kind in (Install, Undo):
        if kind in kinds:
            before = kinds[: kinds.index(kind)]
            assert Look in before
            assert Ask in before
    if Install in kinds and story.run.policy.undo != "never":
        assert Keep in kinds[: kinds.index(Install)]


@whole_runs
@given(stories)
def test_after_every_change_the_machine_is_looked_at_before_a_verdict_of_good(
    story: Story,
) -> None:
    if story.finish.status.good or story.finish.status == Status.ROLLED_BACK:
        kinds = [type(action) for action in story.actions]
        changes = [n for n, action in enumerate(story.actions) if isinstance(action, CHANGES)]
        last = changes[-1] if changes else 0
        assert Look in kinds[last + 1 :] or not changes
        assert Verify in kinds[last + 1 :]


@whole_runs
@given(stories)
def test_success_is_every_planned_version_in_the_last_look_and_checks_that_hold(
    story: Story,
) -> None:
    if story.finish.status.good:
        assert story.actions[-1].key.partition("-again-")[0] == "verdict"
        assert still_to_install(story.run.plan, story.last_look.packages) == ()
        assert story.last_look.packages == story.machine.packages
        verified = story.result("verify")
        assert verified is not None
        assert verified.healthy


@whole_runs
@given(stories)
def test_what_is_called_untouched_was_not_changed(story: Story) -> None:
    if story.finish.status in {Status.REFUSED, Status.UNREACHABLE}:
        assert not any(isinstance(action, CHANGES) for action in story.actions)
        assert story.machine.packages == story.before
    if story.finish.status in {Status.LOST_CONTACT, Status.NEEDS_REPAIR, Status.ROLLED_BACK}:
        assert any(isinstance(action, CHANGES) for action in story.actions)


@whole_runs
@given(stories)
def test_rolled_back_is_exactly_the_packages_of_before_and_checks_that_hold(story: Story) -> None:
    if story.finish.status == Status.ROLLED_BACK:
        verified = story.result("verify-undo")
        assert verified is not None
        assert verified.healthy
        before = story.before
        if story.run.undo is not None:
            before = {k: v for k, v in before.items() if k != "c:amd64"} | {"a:amd64": "0"}
        assert story.machine.packages == before
        assert story.last_look.packages == before


@whole_runs
@given(stories)
def test_what_got_worse_is_undone_wherever_it_can_be(story: Story) -> None:
    verified, kept = story.result("verify"), story.result("restore-point")
    if verified is None or verified.healthy:
        return
    point = kept.restore_point if kept else None
    can_go_back = point is not None and point.complete and kept is not None and not kept.fault
    changed = story.before != story.run.assessments[look_before_verify(story)].packages
    assert ("undo-0" in keys(story)) == (can_go_back and changed)
    assert not story.finish.status.good


def look_before_verify(story: Story) -> str:
    before = story.actions[: keys(story).index("verify")]
    return [action.key for action in before if isinstance(action, Look)][-1]


@whole_runs
@given(stories)
def test_the_reboot_setting_is_kept_and_no_change_has_two_reboots(story: Story) -> None:
    reboots = [action for action in story.actions if isinstance(action, Reboot)]
    assert {action.key for action in reboots} <= {"reboot", "undo-reboot"}
    if story.run.reboot == RebootSetting.NEVER:
        assert reboots == []
    if story.run.reboot == RebootSetting.ALWAYS and story.finish.status.good:
        assert [action.key for action in reboots] == ["reboot"]
    for action in reboots:
        looks = [a.key for a in story.actions[: story.actions.index(action)] if isinstance(a, Look)]
        assert action.boot_id == story.run.assessments[looks[-1]].boot_id


@whole_runs
@given(stories)
def test_a_database_in_pieces_is_mended_once_for_each_time_that_it_is_found(story: Story) -> None:
    """Between two repairs something else was done to packages; what is not mended ends the run."""
    since = True
    for action in story.actions:
        if isinstance(action, Repair):
            assert since
            since = False
        since |= isinstance(action, Install | Undo)
    if story.finish.status.good or story.finish.status == Status.ROLLED_BACK:
        assert not story.last_look.database_problems


@whole_runs
@given(stories)
def test_a_lock_is_waited_for_as_long_as_the_policy_says(story: Story) -> None:
    """From the first look that found a lock, and at most one pause and one look longer."""
    looks = [step for step in story.run.steps if step.action.key.startswith("preflight-")]
    found = [s for s in looks if held(story, s)]
    if not found:
        # Only a look that is repeated waits then, once each.
        again = [step for step in story.run.steps if "-again-" in step.action.key]
        assert len(story.waits) == len(again)
        return
    limit = timedelta(seconds=story.run.policy.lock_seconds)
    spent = ended(found[-1]) - found[0].started_at
    if story.actions[-1] == found[-1].action and "is held by" in story.finish.reason:
        assert spent >= limit
    for step in found[:-1]:
        assert ended(step) - found[0].started_at < limit
    assert all(
        later == ended(step) + RETRY_LOCK for later, step in zip(story.waits, found, strict=False)
    )


def held(story: Story, step: Step) -> bool:
    seen = story.run.assessments.get(step.action.key)
    return seen is not None and bool(seen.lock_holders)


def ended(step: Step) -> datetime:
    assert step.finished_at is not None
    return step.finished_at


# --- one thing at a time --------------------------------------------------------------------


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


LACKING: dict[str, Any] = {"lacking": frozenset({"b:amd64"})}


def test_where_undo_is_required_and_not_possible_nothing_is_changed() -> None:
    story = story_of(policy={"undo": "required"}, **LACKING)
    assert story.finish.status == Status.REFUSED
    assert "b:amd64 1: no repository has it" in story.finish.reason
    assert keys(story) == ["preflight-0", "checks-before", "restore-point"]


def test_where_undo_is_preferred_and_not_possible_it_is_installed_and_stays() -> None:
    assert story_of(**LACKING).finish.status == Status.SUCCEEDED
    story = story_of(bad=frozenset({"a:amd64"}), **LACKING)
    assert story.finish.status == Status.FAILED
    assert "could not be undone: b:amd64 1: no repository has it" in story.finish.reason
    assert story.machine.packages == BEFORE | AFTER


def test_where_undo_is_not_wanted_nothing_is_kept_and_nothing_undone() -> None:
    story = story_of(policy={"undo": "never"}, bad=frozenset({"a:amd64"}))
    assert story.finish.status == Status.FAILED
    assert not {"restore-point", "undo-0"} & set(keys(story))


def test_a_check_that_got_worse_brings_the_earlier_versions_back() -> None:
    story = story_of(bad=frozenset({"a:amd64"}))
    assert keys(story)[-4:] == ["verify", "undo-0", "undone-0", "verify-undo"]
    assert story.finish.status == Status.ROLLED_BACK
    assert story.machine.packages == BEFORE
    undo = story.actions[-3]
    assert isinstance(undo, Undo)
    assert undo.remove == ("new:amd64",)
    assert undo.packages == tuple(PackageVersion.of(key, "1") for key in PLANNED[:3])


def test_going_back_is_tried_twice_and_then_needs_a_person() -> None:
    assert story_of(bad=frozenset({"a:amd64"}), undo_from=1).finish.status == Status.ROLLED_BACK
    story = story_of(bad=frozenset({"a:amd64"}), undo_from=NEVER)
    assert story.finish.status == Status.NEEDS_REPAIR
    assert "undo did not bring back: a:amd64 is 2, not 1" in story.finish.reason
    assert [key for key in keys(story) if key.startswith("undo-")] == ["undo-0", "undo-1"]


def test_what_stays_bad_on_the_earlier_versions_needs_a_person() -> None:
    story = story_of(ruins=frozenset({"install-0-0"}))
    assert story.machine.packages == BEFORE
    assert story.finish.status == Status.NEEDS_REPAIR
    assert "the earlier versions are back and it is still unhealthy" in story.finish.reason


def test_an_undo_that_leaves_the_database_in_pieces_has_not_brought_it_back() -> None:
    story = story_of(bad=frozenset({"a:amd64"}), halves=frozenset({"undo-0"}))
    assert story.machine.packages == BEFORE
    assert story.finish.status == Status.NEEDS_REPAIR
    assert story.finish.reason.endswith("undo did not bring back: half-configured: a")


def test_a_check_that_failed_before_is_not_held_against_the_change() -> None:
    story = story_of(sick=True)
    assert story.finish == Finish(
        status=Status.COMPLETED_WITH_WARNINGS, reason="not healthy before either: web"
    )


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


def test_after_going_back_the_earlier_versions_are_made_effective_too() -> None:
    story = story_of(owes_reboot=True, bad=frozenset({"a:amd64"}))
    assert [key for key in keys(story) if key.endswith("reboot")] == ["reboot", "undo-reboot"]
    assert story.finish.status == Status.ROLLED_BACK


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


# --- taking an earlier run back -------------------------------------------------------------


def taken_back(packages: dict[str, str] | None = None, **nature: Any) -> Story:
    machine = FakeMachine(Nature(**nature), dict(packages or BEFORE), AFTER)
    return drive(run_of(undo=TARGET, plan=machine_plan()), machine)


def test_an_earlier_run_is_taken_back_exactly() -> None:
    story = taken_back()
    assert keys(story) == ["preflight-0", "checks-before", "undo-0", "undone-0", "verify-undo"]
    assert story.finish == Finish(status=Status.ROLLED_BACK, reason="taken back on request")
    assert story.machine.packages == {"a:amd64": "0", "b:amd64": "1", "base:all": "7"}


@pytest.mark.parametrize(
    "moved", [{"a:amd64": "3"}, {"c:amd64": "9"}, {"a:amd64": "3", "c:amd64": "9"}]
)
def test_what_was_changed_since_is_not_taken_back(moved: dict[str, str]) -> None:
    story = taken_back(BEFORE | moved)
    assert story.finish.status == Status.REFUSED
    assert all(
        f"{key} is {version}, not 1" in story.finish.reason for key, version in moved.items()
    )
    assert story.machine.packages == story.before


def test_what_was_removed_since_is_not_taken_back() -> None:
    story = taken_back({"a:amd64": "1", "base:all": "7"})
    assert story.finish.status == Status.REFUSED
    assert "c:amd64 is absent, not 1" in story.finish.reason


def test_an_earlier_run_that_does_not_come_back_needs_a_person() -> None:
    story = taken_back(undo_from=NEVER)
    assert story.finish.status == Status.NEEDS_REPAIR
    assert "a:amd64 is 1, not 0; c:amd64 is 1, not absent" in story.finish.reason


def test_an_earlier_run_is_not_taken_back_twice() -> None:
    story = taken_back(undo_from=1)
    assert [key for key in keys(story) if key.startswith("undo-")] == ["undo-0"]


@pytest.mark.parametrize("code", ["script_failed", "malformed_output", "busy"])
def test_an_install_whose_answer_cannot_be_used_is_looked_at_and_undone_where_it_made_it_worse(
    code: str,
) -> None:
    class Unread(FakeMachine):
        """It does what it is told, and what it says of it cannot be used."""

        def act(self, action: Action) -> tuple[Assessment | None, Result]:
            seen, result = super().act(action)
            if isinstance(action, Install):
                return seen, Result(fault=Fault(code=code, detail=code))
            return seen, result

    machine = Unread(Nature(bad=frozenset({"a:amd64"})), dict(BEFORE), AFTER)
    story = drive(run_of(), machine)
    assert story.finish.status == Status.ROLLED_BACK, story.finish.reason
    assert machine.packages == story.before
