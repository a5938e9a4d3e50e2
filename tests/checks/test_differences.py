"""What counts as worse: the difference between before and after."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.health import Answer, Finding, Outcome, compare, failed, passed, unknown

PASSED, FAILED, UNKNOWN = Outcome.PASSED, Outcome.FAILED, Outcome.UNKNOWN


def faults(*names: str) -> tuple[Answer, ...]:
    outcome = FAILED if names else PASSED
    return (Finding(outcome=outcome, faults=names).under("failed_units"),)


def present(*names: str) -> tuple[Answer, ...]:
    return (Finding(outcome=PASSED, present=names).under("listening_ports"),)


def rows(
    before: tuple[Answer, ...], after: tuple[Answer, ...]
) -> list[tuple[str, Outcome, Outcome, bool]]:
    return [(d.check, d.before, d.after, d.regressed) for d in compare(before, after)]


def test_a_unit_that_failed_anew_is_named_and_an_old_one_is_not_to_blame() -> None:
    assert rows(faults("a"), faults("a", "b")) == [
        ("failed_units: a", FAILED, FAILED, False),
        ("failed_units: b", PASSED, FAILED, True),
    ]


def test_a_unit_that_fails_no_more_is_good_news() -> None:
    assert rows(faults("a"), faults()) == [("failed_units: a", FAILED, PASSED, False)]


def test_where_nothing_failed_before_the_new_one_counts() -> None:
    assert rows(faults(), faults("b")) == [("failed_units: b", PASSED, FAILED, True)]


def test_where_failed_units_cannot_be_seen_any_more_the_others_are_no_longer_good() -> None:
    after = (unknown("no link").under("failed_units"),)
    assert rows(faults("a"), after) == [
        ("failed_units: a", FAILED, UNKNOWN, False),
        ("failed_units: others", PASSED, UNKNOWN, True),
    ]


def test_what_was_not_seen_before_is_not_held_against_the_change() -> None:
    before = (unknown("no link").under("failed_units"),)
    assert rows(before, faults("a")) == [
        ("failed_units: a", UNKNOWN, FAILED, False),
        ("failed_units: others", UNKNOWN, PASSED, False),
    ]
    assert rows((), faults("a"))[0][3] is False


def test_a_port_that_nobody_listens_on_any_more_is_named() -> None:
    assert rows(present("tcp 22", "tcp 80"), present("tcp 22", "tcp 443")) == [
        ("listening_ports: tcp 80", PASSED, FAILED, True)
    ]
    assert rows(present("tcp 22"), present("tcp 22", "tcp 80")) == [
        ("listening_ports", PASSED, PASSED, False)
    ]


def test_a_route_that_was_not_there_before_is_not_missed() -> None:
    none = (failed("there is no default route").under("default_route"),)
    (row,) = compare(none, none)
    assert row.already_bad
    assert not row.regressed


def test_a_check_that_is_not_answered_any_more_is_worse() -> None:
    (row,) = compare((passed().under("x"),), ())
    assert (row.after, row.regressed) == (UNKNOWN, True)


names = st.lists(st.sampled_from("abcd"), unique=True).map(tuple)


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    outcome = draw(st.sampled_from(Outcome))
    if outcome == UNKNOWN:
        return unknown("")
    if draw(st.booleans()):
        return Finding(outcome=outcome, present=draw(names))
    found = draw(names)
    return Finding(outcome=FAILED if found else PASSED, faults=found)


@given(findings())
def test_what_is_as_it_was_has_not_got_worse(finding: Finding) -> None:
    answers = (finding.under("x"),)
    assert not any(d.regressed for d in compare(answers, answers))


@given(findings(), findings())
def test_exactly_what_is_lost_or_newly_wrong_or_unseen_is_worse(
    before: Finding, after: Finding
) -> None:
    worse = {d.check for d in compare((before.under("x"),), (after.under("x"),)) if d.regressed}
    if before.outcome == UNKNOWN:
        assert worse == set()
    elif after.outcome == UNKNOWN:
        assert bool(worse) == (before.outcome == PASSED or bool(before.faults))
    else:
        new = set(after.faults) - set(before.faults)
        gone = set(before.present) - set(after.present)
        plain = before.outcome == PASSED and after.outcome == FAILED
        assert {f"x: {name}" for name in new | gone} <= worse
        assert bool(worse) == bool(new or gone or plain)
