"""What a ring must have proven before the next one installs it, and what it then may."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.drift import not_promoted
from patchyard.domain.outcome import Status
from patchyard.domain.planning import make_plan
from patchyard.domain.rings import Ran, Ring, judge, release, release_hash
from patchyard.domain.selection import SECURITY, Selection
from patchyard.testing.assessments import NOON, assessment
from tests.domain.strategies import update

DAY = timedelta(days=1)
RING = Ring(after="dev", soak=2 * DAY)
GOOD = {"d1": Status.SUCCEEDED, "d2": Status.COMPLETED_WITH_WARNINGS}


def ran(
    day: int, statuses: Mapping[str, Status] = GOOD, *, finished: bool = True, run: str = ""
) -> Ran:
    at = NOON + day * DAY if finished else None
    return Ran(f"dev@{day}", run or f"r{day}", at, statuses)


def test_nothing_is_promoted_before_the_ring_has_run() -> None:
    judged = judge(RING, [ran(0, finished=False)], NOON + 9 * DAY)
    assert (judged.ran, judged.proven) == (None, False)
    assert judged.told == "ring dev has proven nothing yet"


def test_what_has_soaked_is_proven_from_its_instant_on() -> None:
    before = judge(RING, [ran(0)], NOON + 2 * DAY - timedelta(seconds=1))
    assert not before.proven
    assert "has to soak for" in before.told
    after = judge(RING, [ran(0)], NOON + 2 * DAY)
    assert after.proven
    assert after.told == "dev@0 has run well for 2d on 2 machines"


def test_the_newest_window_that_has_soaked_is_promoted_and_a_newer_one_is_not() -> None:
    judged = judge(RING, [ran(3), ran(0), ran(1)], NOON + 4 * DAY)
    assert judged.ran is not None
    assert (judged.ran.key, judged.proven) == ("dev@1", True)


def test_a_bad_end_since_speaks_against_it_and_an_older_one_does_not() -> None:
    bad = {"d1": Status.ROLLED_BACK, "d2": Status.SUCCEEDED}
    since = judge(RING, [ran(0), ran(2, bad)], NOON + 3 * DAY)
    assert not since.proven
    assert since.told == "dev@2: 1 of 2 machines came to a bad end (d1 rolled_back)"
    assert judge(RING, [ran(-9, bad), ran(0)], NOON + 3 * DAY).proven
    tolerant = RING.model_copy(update={"max_failures": 1})
    assert judge(tolerant, [ran(0), ran(2, bad)], NOON + 3 * DAY).proven


def test_a_window_in_which_all_failed_proves_nothing_and_is_not_passed_over() -> None:
    bad = dict.fromkeys(GOOD, Status.FAILED)
    judged = judge(RING, [ran(0), ran(1, bad)], NOON + 9 * DAY)
    assert not judged.proven
    assert judged.ran is not None
    assert judged.ran.key == "dev@0"


rans = st.lists(
    st.builds(
        lambda day, statuses, finished: ran(
            day, dict(enumerate_names(statuses)), finished=finished
        ),
        st.integers(0, 20),
        st.lists(st.sampled_from(Status), max_size=4),
        st.booleans(),
    ),
    max_size=6,
    unique_by=lambda each: each.key,
)


def enumerate_names(statuses: list[Status]) -> list[tuple[str, Status]]:
    return [(f"d{number}", status) for number, status in enumerate(statuses)]


@given(rans, st.integers(0, 25), st.integers(0, 2))
def test_what_is_proven_has_soaked_and_has_no_bad_end_since(
    windows: list[Ran], day: int, most: int
) -> None:
    now = NOON + day * DAY
    judged = judge(RING.model_copy(update={"max_failures": most}), windows, now)
    if judged.proven:
        assert judged.ran is not None
        ended = judged.ran.finished_at or datetime.max.replace(tzinfo=UTC)
        assert ended + RING.soak <= now
        assert judged.ran.good
        since = [w for w in windows if w.finished_at is not None and w.finished_at >= ended]
        assert all(len(window.bad) <= most for window in since)


def test_a_release_is_known_by_its_hash_whatever_the_order_of_machines() -> None:
    one, two = {"a:amd64": "1"}, {"a:amd64": "2", "b:amd64": "1"}
    pairs = release([one, two])
    assert pairs == (("a:amd64", "1"), ("a:amd64", "2"), ("b:amd64", "1"))
    assert release_hash(pairs) == release_hash(release([two, one]))
    assert release_hash(pairs) != release_hash(release([two]))


def test_only_the_versions_of_the_ring_before_are_planned_and_the_rest_is_told() -> None:
    seen = assessment(updates=tuple(update(f"{name}:amd64") for name in "abc"))
    versions = {each.key: each.candidate for each in seen.updates}
    promoted = (("a:amd64", versions["a:amd64"]), ("b:amd64", "0.9"))
    chosen = Selection(classifications=SECURITY, promoted=promoted)
    plan = make_plan("i", "all", {"p1": seen, "p2": seen}, {"p1": chosen, "p2": chosen}, ())
    assert [each.key for each in plan.machine("p1").updates] == ["a:amd64"]
    assert not_promoted(plan) == (
        f"b {versions['b:amd64']} is offered; the ring before it has 0.9 (2 machines)",
        f"c {versions['c:amd64']} is offered; the ring before it does not have it (2 machines)",
    )
