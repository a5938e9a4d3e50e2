"""A simulated year of dispatching, with freezes, postponements and a dispatcher that is killed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from random import Random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from patchyard.domain.dispatching import (
    MOST_TRIES,
    Booked,
    Died,
    Orders,
    dispatch,
    ticket,
)
from patchyard.domain.freezes import Freeze
from patchyard.domain.maintenance_windows import Change, State, Timetable, Window, windows
from patchyard.domain.recurrence_text import parse_recurrence
from tests.domain.strategies import unhurried

HOUR = timedelta(hours=1)
AHEAD = timedelta(days=2)
BLIND = timedelta(days=1)
"""Longer than a dispatcher is ever away here."""

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)

TABLES = (
    Timetable(
        "monthly", parse_recurrence("patch_tuesday + 4 days"), datetime(2026, 1, 1, 2, 30), 4 * HOUR
    ),
    Timetable("sundays", parse_recurrence("Week Sunday"), datetime(2026, 1, 1, 2, 30), 2 * HOUR),
    Timetable("often", parse_recurrence("12Hours"), datetime(2026, 1, 1, 2, 30), HOUR),
)
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")


class Killed(Exception):
    """The dispatcher is gone in the middle of its orders."""


@dataclass
class World:
    """What outlives a dispatcher: what is booked, what has begun, and what was decided."""

    random: Random
    booked: dict[str, Booked] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    tickets: set[str] = field(default_factory=set)
    begun: list[str] = field(default_factory=list)
    begun_at: dict[str, datetime] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    changes: dict[str, tuple[Change, ...]] = field(default_factory=dict)
    freezes: tuple[Freeze, ...] = ()

    def windows(self, table: Timetable, zone: str, since: datetime, far: timedelta) -> list[Window]:
        whole = replace(table, changes=self.changes.get(table.configuration, ()))
        found = windows(whole, zone, since, self.freezes)
        return list(takewhile(lambda window: window.start <= since + far, found))

    def dispatch(self, table: Timetable, zone: str, now: datetime, *, may_die: bool) -> None:
        """Do what a dispatcher does; it may be killed between any two acts."""
        mine = {k: b for k, b in self.booked.items() if k.startswith(f"{table.configuration}@")}
        undone = self.undone(table, zone, now)
        found = self.windows(table, zone, now, AHEAD)
        orders = dispatch(found, mine, now, AHEAD, undone=undone)
        for gone in orders.withdraw:
            self._may_die(may_die)
            self.withdraw(gone)
        for window in orders.book:
            self._may_die(may_die)
            if (name := ticket(window.key, window.start)) not in self.tickets:
                self.tickets.add(name)
                self.booked[window.key] = Booked(window.key, window.start, window.end)
                self.waiting.add(window.key)
        for over in orders.missed:
            self._may_die(may_die)
            self.missed.append(over.key)
            self.withdraw(over)

    def undone(self, table: Timetable, zone: str, now: datetime) -> set[str]:
        """Return what is booked and over, and was closed or moved by somebody."""
        over = {key: self.booked[key].start for key in self.waiting if self.booked[key].end <= now}
        if not over:
            return set()
        since = min(over.values())
        every = self.windows(table, zone, since, now - since + timedelta(days=100))
        return {w.key for w in every if w.key in over and (w.state != State.OPEN or w.end > now)}

    def withdraw(self, gone: Booked) -> None:
        """Take back a run that has not begun."""
        self.tickets.discard(gone.ticket)
        del self.booked[gone.key]
        self.waiting.discard(gone.key)

    def _may_die(self, may_die: bool) -> None:
        if may_die and self.random.random() < 0.3:
            raise Killed

    def run_due(self, now: datetime) -> None:
        """Begin what is due: whoever begins claims the key, once and for all."""
        for key in self.waiting:
            each = self.booked[key]
            if each.start <= now < each.end:
                assert key not in self.begun, "fired twice"
                self.begun.append(key)
                self.begun_at[key] = now
                self.booked[key] = replace(each, begun=True)
        self.waiting = {key for key in self.waiting if not self.booked[key].begun}


def decide(world: World, table: Timetable, zone: str, now: datetime) -> None:
    """Let a person skip or postpone one of the windows to come, a day ahead of it."""
    coming = [
        w for w in world.windows(table, zone, now, timedelta(days=40)) if w.start > now + BLIND
    ]
    own = world.changes.get(table.configuration, ())
    coming = [w for w in coming if not any(change.means(w.occurrence) for change in own)]
    if coming:
        window = world.random.choice(coming)
        to = window.occurrence + HOUR * world.random.randint(1, 60)
        later = to if world.random.random() < 0.7 else None
        change = Change(window.occurrence, later, "decided")
        world.changes[table.configuration] = (*own, change)


def freeze(world: World, now: datetime) -> None:
    """Freeze some hours or days to come."""
    begin = now.replace(tzinfo=None) + BLIND + HOUR * world.random.randint(0, 200)
    length = HOUR * world.random.randint(1, 90)
    world.freezes = (*world.freezes, Freeze(f"freeze {len(world.freezes)}", begin, length, "UTC"))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.configuration)
@given(st.sampled_from(ZONES), st.integers(0, 10**6))
@settings(unhurried, max_examples=5, phases=[Phase.explicit, Phase.generate])
def test_every_window_of_a_year_fires_exactly_once(table: Timetable, zone: str, seed: int) -> None:
    world = World(Random(seed))
    now, up_again, died = BEGIN, BEGIN, False
    while now < END:
        if world.random.random() < 0.008:
            decide(world, table, zone, now)
        if world.random.random() < 0.003:
            freeze(world, now)
        if now >= up_again and now.hour % 6 == 0:
            try:
                world.dispatch(table, zone, now, may_die=not died and world.random.random() < 0.2)
                died = False
            except Killed:
                # Down for less than decisions come ahead; what it had booked is begun without it.
                died, up_again = True, now + HOUR * world.random.randint(1, 12)
        world.run_due(now)
        now += HOUR
    whole = replace(table, changes=world.changes.get(table.configuration, ()))
    every = takewhile(lambda w: w.start < END, windows(whole, zone, BEGIN, world.freezes))
    expected = {w.key: w for w in every if BEGIN + BLIND <= w.start < END - HOUR}
    is_open = {key for key, window in expected.items() if window.state == State.OPEN}
    fired = set(world.begun)
    assert len(fired) == len(world.begun)
    assert is_open <= fired
    # A freeze or a decision that came after a window began does not undo it; nothing else fires.
    inside = {key for key in fired if BEGIN + BLIND <= world.begun_at[key] < END - HOUR}
    assert inside <= is_open
    assert all(expected[key].holds(world.begun_at[key]) for key in fired & is_open)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


SUNDAYS = TABLES[1]


def orders(
    now: str, *booked: Booked, changes: tuple[Change, ...] = (), freezes: tuple[Freeze, ...] = ()
) -> tuple[list[str], list[str], list[str]]:
    found = windows(replace(SUNDAYS, changes=changes), "Europe/Berlin", at(now), freezes)
    made = dispatch(found, {each.key: each for each in booked}, at(now), timedelta(days=7))
    return (
        [each.key for each in made.withdraw],
        [each.key for each in made.book],
        [each.key for each in made.missed],
    )


KEY = "sundays@2026-03-15"
BOOKED = Booked(KEY, at("2026-03-15 01:30"), at("2026-03-15 03:30"))
BEGUN = replace(BOOKED, begun=True)
LATER = (Change(date(2026, 3, 15), datetime(2026, 3, 16, 2, 30)),)


def test_a_second_dispatch_orders_nothing() -> None:
    assert orders("2026-03-13") == ([], [KEY], [])
    assert orders("2026-03-13", BOOKED) == ([], [], [])


def test_a_window_that_began_without_its_run_is_booked_late_while_any_of_it_is_left() -> None:
    assert orders("2026-03-15 03:29")[1][0] == KEY
    assert KEY not in orders("2026-03-15 03:30")[1]


def test_a_postponed_window_is_booked_anew_with_another_ticket_and_the_same_key() -> None:
    assert orders("2026-03-13", BOOKED, changes=LATER) == ([KEY], [KEY], [])
    moved = replace(BOOKED, start=at("2026-03-16 01:30"), end=at("2026-03-16 03:30"))
    assert orders("2026-03-13", moved, changes=LATER) == ([], [], [])
    assert moved.ticket != BOOKED.ticket


def test_what_has_begun_is_never_begun_again_whatever_is_decided_later() -> None:
    for changes in ((), LATER, (Change(date(2026, 3, 15)),)):
        assert KEY not in orders("2026-03-15 02:00", BEGUN, changes=changes)[1]
        assert KEY not in orders("2026-03-15 02:00", BEGUN, changes=changes)[0]


def test_a_window_that_was_closed_is_withdrawn_before_it_begins() -> None:
    frozen = (Freeze.between("audit", date(2026, 3, 15), date(2026, 3, 15)),)
    assert orders("2026-03-13", BOOKED, freezes=frozen) == ([KEY], [], [])
    assert orders("2026-03-13", BOOKED, changes=(Change(date(2026, 3, 15)),)) == ([KEY], [], [])


def test_a_booking_that_never_began_is_told_as_missed() -> None:
    assert orders("2026-03-15 04:00", BOOKED) == ([], ["sundays@2026-03-22"], [KEY])


def test_a_booking_whose_window_has_moved_or_closed_while_nobody_looked_is_not_missed() -> None:
    assert orders("2026-03-15 04:00", BOOKED, changes=LATER) == (
        [KEY],
        [KEY, "sundays@2026-03-22"],
        [],
    )
    closed = dispatch([], {KEY: BOOKED}, at("2026-03-15 04:00"), AHEAD, undone={KEY})
    assert (closed.withdraw, closed.missed) == ((BOOKED,), ())


def tried(at: str, times: int) -> Orders:
    """Return the orders of a moment at which so many runs of the window have died."""
    now = datetime.fromisoformat(at).replace(tzinfo=UTC)
    found = windows(TABLES[1], "UTC", now)
    return dispatch(found, {}, now, AHEAD, died=[Died(KEY, BOOKED.end, times)])


def test_a_window_whose_runs_die_is_booked_again_and_after_some_is_given_up() -> None:
    for times in range(1, MOST_TRIES):
        again = tried("2026-03-15 03:00", times)
        assert ([window.key for window in again.book], again.failed) == ([KEY], ())
    enough = tried("2026-03-15 03:00", MOST_TRIES)
    assert (enough.book, [died.key for died in enough.failed]) == ((), [KEY])


def test_a_window_whose_runs_died_until_it_was_over_is_told_as_failed() -> None:
    late = tried("2026-03-15 05:00", 1)
    assert KEY not in [window.key for window in late.book]
    assert [died.key for died in late.failed] == [KEY]
    assert late.missed == ()
