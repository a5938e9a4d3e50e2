"""What holds of one machine whatever becomes of it and wherever its run stops."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.actions import (
    CHANGES,
    Ask,
    Install,
    Keep,
    Look,
    Reboot,
    Repair,
    Undo,
    Verify,
)
from patchyard.domain.drift import still_to_install
from patchyard.domain.machine import next_step
from patchyard.domain.outcome import Status
from patchyard.domain.path import RebootSetting
from patchyard.domain.procedure import RETRY_LOCK
from patchyard.domain.record import Step
from tests.domain.fake_machine import Story
from tests.domain.machine_stories import (
    keys,
    stories,
    whole_runs,
)


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
