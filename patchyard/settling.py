"""Settling: health is judged good only after it has held for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from patchyard.domain.health import Answer, Difference, Verdict, compare

SHORTEST_PAUSE = 1.0
LONGEST_PAUSE = 10.0
"""Seconds between two looks while something is still bad: at first, and at last."""

LOOKS = 5
"""How often, at least, health is looked at while it must hold."""

NO_TIME = timedelta(0)
LEAST = 0.05
"""Seconds that are waited at least, so that a clock that lags does not make it spin."""


def settle(
    ask_again: Callable[[], tuple[Answer, ...]],
    before: tuple[Answer, ...],
    *,
    stable: timedelta,
    limit: timedelta,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> Verdict:
    """Ask again until everything that was good before has been good for `stable`.

    What was good has `limit` to become good again. Once it is, it must hold: each relapse begins
    the time anew, and one after the limit ends the wait. So it takes no longer than both together
    and three rounds of questions. Where a machine refuses the log-in it is not asked a second time.

    Args:
        ask_again: asks all questions once more; it never raises for reasons of the machine.
        before: the answers of before the change.
        stable: how long everything must hold.
        limit: how long it may take to become good.
        clock: the controller's clock.
        sleep: waits for some seconds.
    """
    deadline = clock() + limit
    watch = _Watch(pause=SHORTEST_PAUSE)
    while True:
        asked_at = clock()
        answers = ask_again()
        now = clock()
        watch = watch.seeing(compare(before, answers), now)
        final = next((answer for answer in answers if answer.final), None)
        if final is not None:
            return watch.bad(f"{final.check} cannot be asked again: {final.detail}")
        if watch.good_since is None and now >= deadline:
            return watch.bad()
        if watch.held_for(asked_at) >= stable and watch.good_since is not None:
            return Verdict(healthy=True, differences=watch.differences)
        sleep(watch.wait(now, deadline, stable))


@dataclass(frozen=True, slots=True)
class _Watch:
    """What was seen so far: the last differences, since when all is good, and who had relapsed."""

    pause: float
    differences: tuple[Difference, ...] = ()
    good_since: datetime | None = None
    relapsed: frozenset[str] = frozenset()

    def seeing(self, differences: tuple[Difference, ...], now: datetime) -> _Watch:
        """Take in one more look."""
        worse = frozenset(each.check for each in differences if each.regressed)
        if not worse:
            return replace(self, differences=differences, good_since=self.good_since or now)
        again = worse if self.good_since is not None else frozenset()
        return replace(
            self,
            differences=differences,
            good_since=None,
            relapsed=self.relapsed | again,
            pause=min(self.pause * 1.5, LONGEST_PAUSE),
        )

    def held_for(self, asked_at: datetime) -> timedelta:
        """Return how long all has held at least, by a look that began at `asked_at`."""
        # Counted from the end of the first good look to the beginning of the last one.
        return max(NO_TIME, asked_at - (self.good_since or asked_at))

    def wait(self, now: datetime, deadline: datetime, stable: timedelta) -> float:
        """Return the seconds until the next look."""
        if self.good_since is None:
            return max(LEAST, min(self.pause, (deadline - now).total_seconds()))
        left = (self.good_since + stable - now).total_seconds()
        between = min(max(stable.total_seconds() / LOOKS, SHORTEST_PAUSE), LONGEST_PAUSE)
        return max(LEAST, min(between, left))

    def bad(self, because: str = "") -> Verdict:
        """Judge that health is not good."""
        worse = [each for each in self.differences if each.regressed]
        reasons = [_told(each, again=each.check in self.relapsed) for each in worse]
        return Verdict(
            healthy=False,
            differences=self.differences,
            reasons=tuple(reason for reason in (because, *reasons) if reason),
        )


def _told(difference: Difference, *, again: bool) -> str:
    detail = f": {difference.detail}" if difference.detail else ""
    return f"{difference.check} {difference.after}{detail}{' (good in between)' if again else ''}"
