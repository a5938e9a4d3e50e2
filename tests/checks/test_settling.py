"""Health counts only after it has held: told with a clock that only moves when it is waited."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.health import Answer, Outcome, Verdict, failed, passed, unknown
from patchyard.questions import settle

START = datetime(2026, 3, 1, tzinfo=UTC)


class World:
    """A machine whose one check is good or bad by a plan of (seconds, good) stretches."""

    def __init__(self, *plan: tuple[float, bool], took: float = 0.0, final: bool = False) -> None:
        self.now = START
        self.took = took
        self.final = final
        self.looks: list[tuple[float, bool]] = []
        self._plan = plan

    def clock(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += timedelta(seconds=seconds)

    @property
    def elapsed(self) -> float:
        return (self.now - START).total_seconds()

    def good(self) -> bool:
        left = self.elapsed
        for seconds, good in self._plan:
            if left < seconds:
                return good
            left -= seconds
        return self._plan[-1][1]

    def ask(self) -> tuple[Answer, ...]:
        good = self.good()
        self.looks.append((self.elapsed, good))
        self.now += timedelta(seconds=self.took)
        finding = passed() if good else failed("status 503")
        return (finding.under("http").model_copy(update={"final": self.final and not good}),)

    def settle(self, *, stable: float, limit: float, before: Outcome = Outcome.PASSED) -> Verdict:
        return settle(
            self.ask,
            (Answer(check="http", outcome=before),),
            stable=timedelta(seconds=stable),
            limit=timedelta(seconds=limit),
            clock=self.clock,
            sleep=self.sleep,
        )


FOREVER = 1e9


def test_what_stays_good_is_healthy_after_the_stable_time() -> None:
    world = World((FOREVER, True))
    verdict = world.settle(stable=5, limit=60)
    assert verdict.healthy
    assert verdict.reasons == ()
    assert 5 <= world.elapsed < 6


def test_what_becomes_good_in_time_must_still_hold() -> None:
    world = World((58, False), (FOREVER, True))
    assert world.settle(stable=20, limit=60).healthy
    assert world.elapsed >= 78


def test_what_stays_bad_is_told_with_its_reason_when_the_limit_is_over() -> None:
    world = World((FOREVER, False))
    verdict = world.settle(stable=5, limit=60)
    assert not verdict.healthy
    assert verdict.reasons == ("http failed: status 503",)
    assert verdict.differences[0].regressed
    assert world.elapsed == 60


def test_flapping_begins_the_time_anew() -> None:
    flaps = [(4.0, True), (1.5, False)] * 3
    world = World(*flaps, (FOREVER, True))
    assert world.settle(stable=5, limit=60).healthy
    assert world.elapsed >= 3 * 5.5 + 5


def test_what_flaps_for_ever_is_not_healthy_and_is_said_to_have_been_good_in_between() -> None:
    world = World(*[(4.0, True), (2.0, False)] * 50, (FOREVER, False))
    verdict = world.settle(stable=10, limit=60)
    assert not verdict.healthy
    assert verdict.reasons == ("http failed: status 503 (good in between)",)


def test_what_was_bad_before_does_not_hold_the_verdict_up() -> None:
    world = World((FOREVER, False))
    verdict = world.settle(stable=5, limit=60, before=Outcome.FAILED)
    assert verdict.healthy
    assert verdict.differences[0].already_bad


def test_one_that_cannot_be_asked_any_more_is_not_healthy() -> None:
    world = World((FOREVER, True))
    none = (unknown("the link was lost").under("http"),)
    verdict = settle(
        lambda: none,
        (passed().under("http"),),
        stable=timedelta(seconds=1),
        limit=timedelta(seconds=5),
        clock=world.clock,
        sleep=world.sleep,
    )
    assert not verdict.healthy
    assert verdict.reasons == ("http unknown: the link was lost",)


def test_a_refused_log_in_is_not_tried_again() -> None:
    world = World((FOREVER, False), final=True)
    verdict = world.settle(stable=5, limit=60)
    assert not verdict.healthy
    assert len(world.looks) == 1


def test_without_a_stable_time_one_good_look_is_enough() -> None:
    world = World((FOREVER, True), took=2)
    assert world.settle(stable=0, limit=0).healthy
    assert len(world.looks) == 1


def test_a_long_stable_time_is_not_a_thousand_looks() -> None:
    world = World((FOREVER, True))
    assert world.settle(stable=3600, limit=60).healthy
    assert 5 <= len(world.looks) <= 400


stretches = st.lists(st.tuples(st.floats(0.1, 40), st.booleans()), min_size=1, max_size=12).map(
    tuple
)


@given(
    plan=stretches,
    stable=st.floats(0, 60),
    limit=st.floats(0, 120),
    took=st.sampled_from([0.0, 0.3, 4.0]),
)
def test_healthy_means_good_in_every_look_of_the_stable_time_and_the_end_is_bounded(
    plan: tuple[tuple[float, bool], ...], stable: float, limit: float, took: float
) -> None:
    world = World(*plan, took=took)
    verdict = world.settle(stable=stable, limit=limit)
    last, good = world.looks[-1]
    assert verdict.healthy == good
    if verdict.healthy:
        bad = [at for at, well in world.looks if not well]
        since = [at for at, well in world.looks if well and at > max(bad, default=-1)]
        assert last - since[0] >= stable - 1e-3
    else:
        assert verdict.reasons
        assert world.elapsed >= limit - 1e-3
    assert world.elapsed <= limit + stable + 3 * took + 0.2
