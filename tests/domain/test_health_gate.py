"""Nothing is installed on a machine whose health could not be judged afterwards."""

from __future__ import annotations

from dataclasses import replace

from patchyard.domain.actions import CHANGES, Ask
from patchyard.domain.health import Answer, Outcome
from patchyard.domain.machine import next_step
from patchyard.domain.outcome import Status
from patchyard.domain.record import Result, Step
from tests.domain.machine_stories import BEFORE, run_of, story_of


def test_a_machine_of_which_no_check_could_be_asked_is_refused_and_left_alone() -> None:
    story = story_of(mute=True)

    assert story.finish.status == Status.REFUSED
    assert story.finish.reason == "no health check could be asked before: web: no answer"
    assert not [each for each in story.actions if isinstance(each, CHANGES)]
    assert story.machine.packages == BEFORE


def test_a_machine_that_is_known_to_be_sick_is_patched_all_the_same() -> None:
    assert story_of(sick=True).finish.status == Status.COMPLETED_WITH_WARNINGS


def test_one_check_that_could_be_asked_is_enough() -> None:
    story = story_of()
    asked = next(step for step in story.run.steps if isinstance(step.action, Ask))
    answers = (
        Answer(check="web", outcome=Outcome.PASSED),
        Answer(check="db", outcome=Outcome.UNKNOWN),
    )
    steps = story.run.steps[: story.run.steps.index(asked)]
    half_blind: Step = asked.model_copy(update={"result": Result(answers=answers)})
    run = replace(run_of(), steps=(*steps, half_blind), assessments=story.run.assessments)

    assert next_step(run, half_blind.started_at).kind == "keep"  # type: ignore[union-attr]
