"""Counting in words, and judging machines together."""

from __future__ import annotations

import pytest

from patchyard.domain.counting import counted, first_few, names
from patchyard.domain.outcome import Status, together


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 machines"), (1, "1 machine"), (1200, "1,200 machines")]
)
def test_one_is_no_plural(count: int, said: str) -> None:
    assert counted(count, "machine") == said


def test_of_many_the_first_few_are_told_and_the_others_counted() -> None:
    assert first_few([]) == ""
    assert first_few("ba", 2) == "b, a"
    assert names("cab", 2) == "a, b and 1 more"


@pytest.mark.parametrize(
    ("found", "judged"),
    [
        ((), Status.SUCCEEDED),
        ((Status.SUCCEEDED, Status.NOT_STARTED, Status.SKIPPED), Status.SUCCEEDED),
        ((Status.SUCCEEDED, Status.ROLLED_BACK), Status.COMPLETED_WITH_WARNINGS),
        ((Status.ROLLED_BACK, Status.LOST_CONTACT), Status.FAILED),
        ((Status.SUCCEEDED, Status.CANCELLED), Status.FAILED),
        ((Status.IN_PROGRESS,), Status.FAILED),
    ],
)
def test_machines_are_judged_together(found: tuple[Status, ...], judged: Status) -> None:
    assert together(found) == judged
