"""Dispatching: from windows to the runs that are booked for them, each window once.

A dispatcher has no memory of its own. It looks ahead, sees what is booked already, and says what
is missing; so one that was killed, or two at once, do no harm. Whoever begins a window claims its
key first: a key is claimed once and for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


@dataclass(frozen=True, slots=True)
class Orders:
    """What is to be done: runs to withdraw, then runs to book; and windows that were missed."""

    withdraw: tuple[Booked, ...] = ()
    book: tuple[Window, ...] = ()
    missed: tuple[Booked, ...] = ()


def ticket(key: str, start: datetime) -> str:
    """Return the idempotency key of a booking. A postponed window needs another one."""
    return f"{key}/{start:%Y%m%dT%H%M%SZ}"


def dispatch(
    windows: Iterable[Window],
    booked: Mapping[str, Booked],
    now: datetime,
    ahead: timedelta,
    asks: Mapping[str, str] | None = None,
) -> Orders:
    """Compare the windows to come with what is booked.

    Args:
        windows: those that have not ended, in the order in which they begin.
        booked: what is booked, by the key of its window.
        now: the controller's clock.
        ahead: how far to look.
        asks: what is to be done in them, by their keys.

    A window that has begun without its run is booked late, while any of it is left. One that was
    booked and has moved, closed or gone is withdrawn, unless it has begun: then it stays as it is.
    """
    wants = asks or {}
    near = takewhile(lambda window: window.start <= now + ahead, windows)
    coming = {w.key: w for w in near if w.state == State.OPEN and w.end > now}
    waiting = [each for each in booked.values() if not each.begun]
    missed = tuple(each for each in waiting if each.end <= now)
    stale = tuple(each for each in waiting if each.end > now and not _holds(each, coming, wants))
    kept = booked.keys() - {each.key for each in stale} - {m.key for m in missed}
    wanted = (window for key, window in coming.items() if key not in kept)
    return Orders(withdraw=stale, book=tuple(wanted), missed=missed)


def _holds(booked: Booked, coming: Mapping[str, Window], asks: Mapping[str, str]) -> bool:
    window = coming.get(booked.key)
    if window is None or asks.get(booked.key, "") != booked.asks:
        return False
    return (window.start, window.end) == (booked.start, booked.end)
