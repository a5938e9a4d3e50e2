"""A dispatcher that is away for days: what nobody booked is told, and what fired is not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile
from random import Random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from patchyard.domain.dispatching import look_back, never_booked
from patchyard.domain.maintenance_windows import State, Timetable, Window, windows
from tests.domain.strategies import unhurried
from tests.domain.test_dispatching import (
    AHEAD,
    BEGIN,
    BLIND,
    END,
    HOUR,
    SUNDAYS,
    TABLES,
    ZONES,
    Killed,
    World,
    at,
    decide,
    freeze,
)


@dataclass
class Forsaken(World):
    """A world in which dispatcher and server are away for days, and people decide meanwhile."""

    looked: datetime | None = None

    def _every(self, table: Timetable, zone: str, since: datetime, until: datetime) -> list[Window]:
        found = self.windows(table, zone, since, until - since)
        return [window for window in found if window.end <= until]

    def look(self, table: Timetable, zone: str, now: datetime, *, may_die: bool) -> None:
        """Do what the flow does: dispatch, tell what nobody booked, and remember to have looked."""
        since = look_back(self.looked, now)
        known = frozenset(self.booked)
        unbooked = never_booked(self._every(table, zone, since, now), known, since, now)
        self.dispatch(table, zone, now, may_die=may_die)
        for each in unbooked:
            self.missed.append(each.key)
            self._may_die(may_die)
        self.looked = now

    def begin_due(self, table: Timetable, zone: str, now: datetime) -> None:
        """Begin what is due. A run looks again: one whose window has moved or closed is gone."""
        booked = [self.booked[key] for key in self.waiting]
        due = [each for each in booked if each.start <= now < each.end]
        found = self.windows(table, zone, now, AHEAD) if due else []
        still = {(w.key, w.start, w.end) for w in found if w.state == State.OPEN}
        for each in due:
            if (each.key, each.start, each.end) not in still:
                self.withdraw(each)
        self.run_due(now)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.configuration)
@given(st.sampled_from(ZONES), st.integers(0, 10**6))
@settings(unhurried, max_examples=3, phases=[Phase.explicit, Phase.generate])
def test_every_open_window_of_a_year_fires_or_is_told_as_missed_however_long_all_is_away(
    table: Timetable, zone: str, seed: int
) -> None:
    world = Forsaken(Random(seed))
    now, up_again, server_again = BEGIN, BEGIN, BEGIN
    world.look(table, zone, BEGIN, may_die=False)
    while now < END:
        if world.random.random() < 0.008:
            decide(world, table, zone, now)
        if world.random.random() < 0.002:
            freeze(world, now)
        if world.looked and now - world.looked < BLIND and world.random.random() < 0.005:
            # Never so long that it is not told any more.
            up_again = now + HOUR * world.random.randint(1, 24 * 20)
            server_again = up_again if world.random.random() < 0.5 else now
        if now >= up_again and now.hour % 6 == 0:
            try:
                world.look(table, zone, now, may_die=world.random.random() < 0.3)
            except Killed:
                up_again = now + HOUR * world.random.choice([1, 12, 24])
        if now >= server_again:
            world.begin_due(table, zone, now)
        now += HOUR
    world.look(table, zone, END, may_die=False)
    whole = replace(table, changes=world.changes.get(table.configuration, ()))
    every = takewhile(lambda w: w.start < END, windows(whole, zone, BEGIN, world.freezes))
    is_open = {w.key for w in every if w.end <= END and w.state == State.OPEN}
    fired, missed = set(world.begun), set(world.missed)
    assert len(fired) == len(world.begun)
    assert not fired & missed
    assert is_open <= fired | missed


def test_who_never_looked_tells_nothing_of_the_past_and_who_was_away_for_long_a_month() -> None:
    now = at("2026-06-01")

    def told(looked: datetime | None, *known: str) -> list[str]:
        since = look_back(looked, now)
        return [w.key for w in never_booked(windows(SUNDAYS, "UTC", since), known, since, now)]

    assert told(None) == []
    month = ["sundays@2026-05-03", "sundays@2026-05-10", "sundays@2026-05-17"]
    month += ["sundays@2026-05-24", "sundays@2026-05-31"]
    assert told(at("2026-01-01")) == month
    assert told(at("2026-01-01"), *month[:2]) == month[2:]
    assert told(at("2026-05-31 04:29")) == month[-1:]
    assert told(at("2026-05-31 04:30")) == []
    assert told(at("2027-01-01")) == []  # a clock that was put back
