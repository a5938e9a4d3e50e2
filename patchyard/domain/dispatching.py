"""Dispatching: from windows to the runs that are booked for them, each window once.

A dispatcher remembers only up to when it has looked. It looks ahead, sees what is booked already,
and says what is missing; so one that was killed, or two at once, do no harm. Whoever begins a
window claims its key first: a key is claimed once and for all. Then it looks back, to where it had
looked before: a window that came and went meanwhile, and that nobody ever booked, was missed.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from patchyard.domain.maintenance_windows import State, Window


@dataclass(frozen=True, slots=True)
class Booked:
    """A run that is booked for a window, and whether it has begun."""

    key: str
    start: datetime
    end: datetime
    begun: bool = False
    asks: str = ""
    """What is to be done in it, as a fingerprint: a run that would do something else is stale."""

    @property
    def ticket(self) -> str:
        """What makes booking it twice the same as booking it once."""
        return ticket(self.key, self.start)


MOST_TRIES = 3
"""Runs of one window that may die before they have it. What kills three kills the fourth."""


LOOK_BACK = timedelta(days=31)
"""So far back windows are looked for that nobody booked: who was away for longer is told enough."""


@dataclass(frozen=True, slots=True)
class Died:
    """A window whose runs all died before they claimed it, and how many there were.

    Only those count that were to do what is to be done now: a changed configuration begins anew.
    """

    key: str
    end: datetime
    times: int


@dataclass(frozen=True, slots=True)
class Orders:
    """What is to be done: runs to withdraw, then runs to book; and windows to give up.

    The run of a `missed` window never began; the runs of a `failed` one began, and died.
    """

    withdraw: tuple[Booked, ...] = ()
    book: tuple[Window, ...] = ()
    missed: tuple[Booked, ...] = ()
    failed: tuple[Died, ...] = ()


def ticket(key: str, start: datetime) -> str:
    """Return the idempotency key of a booking. A postponed window needs another one."""
    return f"{key}/{start:%Y%m%dT%H%M%SZ}"


def dispatch(
    windows: Iterable[Window],
    booked: Mapping[str, Booked],
    now: datetime,
    ahead: timedelta,
    asks: Mapping[str, str] | None = None,
    died: Iterable[Died] = (),
    *,
    undone: Container[str] = (),
) -> Orders:
    """Compare the windows to come with what is booked.

    Args:
        windows: those that have not ended, in the order in which they begin.
        booked: what is booked, by the key of its window.
        now: the controller's clock.
        ahead: how far to look.
        asks: what is to be done in them, by their keys.
        died: windows whose runs died before they had claimed them.
        undone: keys of those that were over as they were booked, and as they are written now are
            closed, or begin later.

    A window that has begun without its run is booked late, while any of it is left. One that was
    booked and has moved, closed or gone is withdrawn, unless it has begun: then it stays as it is.
    One whose runs die is booked again, some times.
    """
    wants = asks or {}
    near = takewhile(lambda window: window.start <= now + ahead, windows)
    coming = {w.key: w for w in near if w.state == State.OPEN and w.end > now}
    waiting = [each for each in booked.values() if not each.begun]
    moved = {each.key for each in waiting if each.key in coming or each.key in undone}
    missed = tuple(each for each in waiting if each.end <= now and each.key not in moved)
    late = {each.key for each in missed}
    stale = tuple(
        each for each in waiting if each.key not in late and not _holds(each, coming, wants)
    )
    failed = tuple(each for each in died if _given_up(each, coming, now))
    kept = booked.keys() - {each.key for each in stale} - late
    kept |= {each.key for each in failed}
    wanted = (window for key, window in coming.items() if key not in kept)
    return Orders(withdraw=stale, book=tuple(wanted), missed=missed, failed=failed)


def look_back(looked: datetime | None, now: datetime) -> datetime:
    """Return since when windows that ended are looked at, by when it was last looked.

    Who never looked before tells nothing of the past.
    """
    return now if looked is None else min(now, max(looked, now - LOOK_BACK))


def never_booked(
    windows: Iterable[Window], known: Container[str], since: datetime, now: datetime
) -> tuple[Booked, ...]:
    """Return the windows that opened and ended since then without anybody having booked them.

    Args:
        windows: those that ended after `since`, as they are written now.
        known: keys of the windows that a run claimed, or that have a run in Prefect.
        since: up to when it was looked before.
        now: the controller's clock.
    """
    return tuple(
        Booked(each.key, each.start, each.end)
        for each in windows
        if each.state == State.OPEN and since < each.end <= now and each.key not in known
    )


def _given_up(died: Died, coming: Mapping[str, Window], now: datetime) -> bool:
    """Say whether nothing more is tried: the window is over, or enough runs have died of it."""
    return died.end <= now or (died.key in coming and died.times >= MOST_TRIES)


def _holds(booked: Booked, coming: Mapping[str, Window], asks: Mapping[str, str]) -> bool:
    window = coming.get(booked.key)
    if window is None or asks.get(booked.key, "") != booked.asks:
        return False
    return (window.start, window.end) == (booked.start, booked.end)
