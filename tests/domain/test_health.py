"""Health is judged on the difference: every check, before and after, and unknown is not good."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.health import (
    NOT_ASKED,
    Answer,
    Difference,
    Finding,
    Outcome,
    compare,
    failed,
    passed,
    unknown,
)
from tests.domain.strategies import unhurried

PASSED, FAILED, UNKNOWN = Outcome.PASSED, Outcome.FAILED, Outcome.UNKNOWN

Answers = tuple[Answer, ...]

items = st.lists(st.sampled_from(["x", "y", "z"]), unique=True, max_size=2).map(tuple)


PLAIN = st.sampled_from([passed("fine"), failed("broken")])
FAULTS = items.map(lambda names: Finding(outcome=FAILED if names else PASSED, faults=names))
PRESENT = items.map(lambda names: Finding(outcome=PASSED, present=names))
KINDS = {"a": PLAIN, "b": FAULTS, "c": PRESENT}
"""Three checks: one asks yes or no, one takes stock of faults, one of what is present."""


@st.composite
def answer_sets(draw: st.DrawFn) -> Answers:
    """Draw the answers of one round: each check once at most, in any order."""
    checks = draw(st.lists(st.sampled_from("abc"), unique=True))
    blind = st.just(unknown("no link"))
    return tuple(draw(KINDS[check] | blind).under(check) for check in checks)


def of(check: str, differences: tuple[Difference, ...]) -> list[Difference]:
    return [each for each in differences if each.check.partition(":")[0] == check]


@unhurried
@given(answer_sets(), answer_sets())
def test_every_check_of_either_side_is_told_and_no_other(before: Answers, after: Answers) -> None:
    asked = {answer.check for answer in (*before, *after)}
    told = compare(before, after)
    assert {each.check.partition(":")[0] for each in told} == asked
    assert len({each.check for each in told}) == len(told)


@unhurried
@given(answer_sets(), answer_sets())
def test_one_check_says_nothing_of_another(before: Answers, after: Answers) -> None:
    together = compare(before, after)
    for check in "abc":
        first = tuple(answer for answer in before if answer.check == check)
        second = tuple(answer for answer in after if answer.check == check)
        assert of(check, together) == list(compare(first, second))


@unhurried
@given(answer_sets())
def test_where_nothing_is_answered_afterwards_all_that_was_good_is_worse(before: Answers) -> None:
    told = compare(before, ())
    for answer in before:
        worse = any(each.regressed for each in of(answer.check, told))
        assert worse == (answer.outcome == PASSED or bool(answer.faults))
    assert all(each.after == UNKNOWN for each in told)


@unhurried
@given(answer_sets())
def test_what_was_not_asked_before_is_never_worse(after: Answers) -> None:
    told = compare((), after)
    assert not any(each.regressed for each in told)
    assert all(each.before == UNKNOWN for each in told)


@unhurried
@given(answer_sets(), answer_sets())
def test_a_check_is_not_both_worse_and_bad_already(before: Answers, after: Answers) -> None:
    for each in compare(before, after):
        assert not (each.regressed and each.already_bad)
        assert (each.regressed or each.already_bad) == (each.after != PASSED)


@pytest.mark.parametrize(
    ("before", "after", "regressed", "already_bad"),
    [
        (PASSED, PASSED, False, False),
        (PASSED, FAILED, True, False),
        (PASSED, UNKNOWN, True, False),
        (FAILED, PASSED, False, False),
        (FAILED, FAILED, False, True),
        (FAILED, UNKNOWN, False, True),
        (UNKNOWN, PASSED, False, False),
        (UNKNOWN, FAILED, False, True),
        (UNKNOWN, UNKNOWN, False, True),
    ],
)
def test_unknown_is_never_taken_for_good(
    before: Outcome, after: Outcome, *, regressed: bool, already_bad: bool
) -> None:
    told = Difference(check="a", before=before, after=after)
    assert (told.regressed, told.already_bad) == (regressed, already_bad)


def test_the_detail_is_that_of_the_answer_afterwards() -> None:
    (told,) = compare((passed("200").under("web"),), (failed("503").under("web"),))
    assert (told.check, told.detail) == ("web", "503")


def test_a_check_that_was_not_asked_says_so() -> None:
    (told,) = compare((passed().under("web"),), ())
    assert told.detail == NOT_ASKED.detail


def test_a_final_answer_keeps_its_finding_under_another_check() -> None:
    answer = Answer(check="a", outcome=FAILED, faults=("x",), final=True)
    assert answer.under("b") == Answer(check="b", outcome=FAILED, faults=("x",))


@pytest.mark.parametrize(
    ("finding", "outcome"),
    [
        (Finding(outcome=FAILED, faults=("x",)), FAILED),
        (Finding(outcome=FAILED, faults=("y",)), PASSED),
        (Finding(outcome=PASSED), PASSED),
        (unknown(""), UNKNOWN),
    ],
)
def test_one_thing_of_a_stocktaking_is_judged_by_itself(finding: Finding, outcome: Outcome) -> None:
    assert finding.of("x") == outcome
