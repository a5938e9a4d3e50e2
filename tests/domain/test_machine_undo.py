"""One machine that goes back: after a change that made it worse, or to undo an earlier run."""

from __future__ import annotations

from typing import Any

import pytest

from patchyard.domain.actions import Action, Finish, Install, Undo
from patchyard.domain.outcome import Status
from patchyard.domain.record import Fault, Result
from patchyard.domain.restore import PackageVersion
from patchyard.domain.updates import Assessment
from patchyard.testing.assessments import machine_plan
from tests.domain.fake_machine import NEVER, FakeMachine, Nature, Story, drive
from tests.domain.machine_stories import AFTER, BEFORE, PLANNED, TARGET, keys, run_of, story_of

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


def test_after_going_back_the_earlier_versions_are_made_effective_too() -> None:
    story = story_of(owes_reboot=True, bad=frozenset({"a:amd64"}))
    assert [key for key in keys(story) if key.endswith("reboot")] == ["reboot", "undo-reboot"]
    assert story.finish.status == Status.ROLLED_BACK


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
