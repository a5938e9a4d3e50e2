"""Limits are counted exactly: no float's last digit starts or stops a machine."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from patchyard.domain.limits import Budget, DomainLimit, Limits, Share, per_domain
from tests.domain.strategies import unhurried

hundredths = st.integers(0, 10_000)
"""A percentage as hundredths of a percent: whole numbers, so that the reference is exact."""

sizes = st.sampled_from([100, 1_000, 10_000]) | st.integers(1, 10_000)
"""Of round sizes many percentages are a whole number, where a rounding error would count."""


@unhurried
@given(st.integers(0, 10_000), sizes, hundredths)
def test_a_budget_in_percent_is_broken_by_more_than_its_exact_share(
    failures: int, members: int, percent: int
) -> None:
    budget = Budget(max_failure_percent=percent / 100)
    assert bool(budget.broken_by(failures, members)) == (failures * 10_000 > members * percent)


@unhurried
@given(sizes, hundredths)
def test_exactly_the_share_is_within_the_budget_and_one_more_is_not(
    members: int, percent: int
) -> None:
    most = members * percent // 10_000
    budget = Budget(max_failure_percent=percent / 100)
    assert not budget.broken_by(most, members)
    assert budget.broken_by(most + 1, members)


@unhurried
@given(st.integers(0, 50), st.integers(0, 50))
def test_a_budget_in_machines_is_broken_by_more_than_its_number(failures: int, most: int) -> None:
    assert bool(Budget(max_failures=most).broken_by(failures, 1)) == (failures > most)


@unhurried
@given(st.integers(0, 50), st.integers(1, 50), st.integers(0, 50), hundredths)
def test_both_limits_count(failures: int, members: int, most: int, percent: int) -> None:
    both = Budget(max_failures=most, max_failure_percent=percent / 100)
    alone = (Budget(max_failures=most), Budget(max_failure_percent=percent / 100))
    broken = any(each.broken_by(failures, members) for each in alone)
    assert bool(both.broken_by(failures, members)) == broken


def test_no_limit_is_never_broken() -> None:
    assert Budget().broken_by(10**9, 1) == ""


@pytest.mark.parametrize(
    ("percent", "failures", "members", "said"),
    [
        (0.57, 57, 10_000, ""),
        (0.57, 58, 10_000, "more than 0.57 % of 10000"),
        (0.07, 7, 10_000, ""),
        (29, 29, 100, ""),
        (29.0, 30, 100, "more than 29 % of 100"),
        (0, 0, 5, ""),
        (0, 1, 5, "more than 0 % of 5"),
        (100, 5, 5, ""),
    ],
)
def test_the_limit_that_is_exceeded_is_told(
    percent: float, failures: int, members: int, said: str
) -> None:
    assert Budget(max_failure_percent=percent).broken_by(failures, members) == said


@unhurried
@given(sizes, st.integers(1, 10_000), st.integers(0, 30))
def test_a_share_of_a_domain_is_rounded_down_and_is_one_at_least(
    members: int, percent: int, one_below: int
) -> None:
    limits = Limits(per_domain=Share(percent=percent / 100, one_below=one_below))
    exact = Fraction(members) * Fraction(Decimal(percent)) / 10_000
    within = limits.within(members)
    if members < one_below or exact < 1:
        assert within == 1
    else:
        assert within <= exact < within + 1


@unhurried
@given(st.integers(1, 50), st.integers(1, 2_000))
def test_a_number_is_the_limit_of_every_domain(number: int, members: int) -> None:
    assert Limits(per_domain=number).within(members) == number


@pytest.mark.parametrize(
    ("written", "limit"),
    [(3, 3), ("20%", Share(20)), ("12.5 %", Share(12.5)), ("100%", Share(100))],
)
def test_a_limit_is_written_as_a_count_or_a_share(written: int | str, limit: int | Share) -> None:
    assert per_domain(TypeAdapter(DomainLimit).validate_python(written)) == limit


@pytest.mark.parametrize("written", [0, 1001, True, 1.5, "3", "0%", "101%", "few", None, "20 %%"])
def test_what_is_no_limit_is_refused_with_what_to_write(written: object) -> None:
    with pytest.raises(ValidationError, match="from 1 to 1000, or a share such as 20%"):
        TypeAdapter(DomainLimit).validate_python(written)


@pytest.mark.parametrize(("members", "within"), [(1, 1), (9, 1), (10, 2), (14, 2), (15, 3)])
def test_a_fifth_of_a_domain_may_be_away_unless_said_otherwise(members: int, within: int) -> None:
    assert Limits(per_domain=Share()).within(members) == within
