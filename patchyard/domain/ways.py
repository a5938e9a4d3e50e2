"""The way of a machine to its next window: which one takes it, and what lies before and in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from patchyard.domain.conflicts import time_needed
from patchyard.domain.durations import write_duration
from patchyard.domain.expecting import Expected
from patchyard.domain.inventory import Machine
from patchyard.domain.maintenance_windows import State, Window
from patchyard.domain.plan import WhyNot
from patchyard.domain.preview import Case, Lane
from patchyard.domain.value import Value


class InTheWay(StrEnum):
    """What can be in the way, beside the reasons of the why-not ledger."""

    NOT_ASSESSED = "not_assessed"
    STALE = "stale"
    INCOMPLETE = "incomplete"
    NO_CONFIGURATION = "no_configuration"
    NO_WINDOW = "no_window"
    FROZEN = "frozen"
    SKIPPED = "skipped"
    WINDOW_TAKEN = "window_taken"
    TOO_SHORT = "window_too_short"
    RING = "ring"
    APPROVAL = "approval"
    OFF = "off"
    TO_START = "to_start"
    UNREACHABLE = "unreachable"
    LOOK_FAILED = "look_failed"
    RUN_HAS_IT = "run_has_it"


NAMED = 3
"""Reasons of one word that are told before the others are only counted."""

_CLOSED = {State.FROZEN: InTheWay.FROZEN, State.SKIPPED: InTheWay.SKIPPED}


class Reason(Value):
    """One thing in the way: its word, and more of it."""

    word: InTheWay | WhyNot
    detail: str = ""

    @property
    def text(self) -> str:
        """It in words."""
        return f"{self.word}: {self.detail}" if self.detail else str(self.word)


Taken = Mapping[str, str]
"""The runs that have windows, by their keys."""


@dataclass(frozen=True)
class Sight:
    """How far is looked, how old an assessment may be, and which windows runs have already."""

    ahead: timedelta = timedelta(days=90)
    stale_after: timedelta = timedelta(days=7)
    taken: Taken = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bound:
    """What a ring waits for before it installs a fix, and the earliest time; or that it never does.

    Where nothing is known of the time, it may be any.
    """

    told: str
    not_before: datetime | None = None
    never: bool = False

    def lets(self, window: Window, now: datetime) -> bool:
        """Say whether the fix may be installed by a run that begins with a window, or now."""
        soon = self.not_before is None or max(window.start, now) >= self.not_before
        return soon and not self.never

    @property
    def reason(self) -> Reason:
        """It as a thing in the way."""
        return Reason(word=InTheWay.RING, detail=self.told)


@dataclass(frozen=True)
class Road:
    """The windows to come of a lane, worked out once for all of its machines."""

    case: Case
    lane: Lane
    sight: Sight

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """The windows that are looked at, in their order."""
        return self.case.within(self.lane, self.sight.ahead)

    @cached_property
    def expected(self) -> dict[str, Expected]:
        """What each machine is expected to get, by name."""
        return {each.machine.name: each for each in self.case.expected(self.lane)}

    @cached_property
    def crowded(self) -> str:
        """Why not all of its machines fit into a window; empty where they do."""
        configuration = self.lane.configuration
        at_work = [each for each in self.expected.values() if not each.idle]
        waves = self.case.waves(configuration, [each.machine for each in at_work])
        time = time_needed(configuration, at_work, waves)
        length = configuration.schedule.length
        if not at_work or time <= length:
            return ""
        return (
            f"{configuration.name} needs about {write_duration(time)} for all of its machines; "
            f"its windows are {write_duration(length)} long"
        )

    def way(self, machine: Machine, bound: Bound | None = None) -> Way:
        """Return the first window that takes a machine, and what there is before it.

        `bound` is what its ring waits for with the fix in question.
        """
        passed: list[tuple[datetime, Reason]] = []
        for window in self.windows:
            reason = self._closed(window, machine)
            if reason is None and (bound is None or bound.lets(window, self.case.now)):
                return Way(self, window, tuple(passed), bound)
            if reason is not None:
                passed.append((window.start, reason))
        if bound is not None:
            passed.append((self.case.now, bound.reason))
        none = Reason(
            word=InTheWay.NO_WINDOW,
            detail=f"{self.lane.configuration.name} has none that opens within "
            f"{write_duration(self.sight.ahead)}",
        )
        return Way(self, None, (*passed, (self.case.now + self.sight.ahead, none)), bound)

    def _closed(self, window: Window, machine: Machine) -> Reason | None:
        """Say why a window takes nothing on a machine; None where it does."""
        if window.state != State.OPEN:
            return Reason(word=_CLOSED[window.state], detail=f"{window.key}, {window.reason}")
        if run := self.sight.taken.get(window.key):
            return Reason(word=InTheWay.WINDOW_TAKEN, detail=f"{window.key}, run {run} has it")
        left, time = window.end - max(self.case.now, window.start), self.expected[machine.name].time
        if time.total > left:
            told = f"{window.key}, {write_duration(left)} for {time}"
            return Reason(word=InTheWay.TOO_SHORT, detail=told)
        return None


@dataclass(frozen=True)
class Way:
    """The first window that a road has for a machine, and what stands before it, with its time."""

    road: Road
    window: Window | None
    passed: tuple[tuple[datetime, Reason], ...]
    bound: Bound | None = None

    @property
    def waits(self) -> bool:
        """True where its window installs something only if a ring or a person lets it."""
        return self.bound is not None or self.road.lane.configuration.approval.of != "none"

    def after(self) -> Iterator[Reason]:
        """Tell what its window still wants."""
        configuration = self.road.lane.configuration
        if self.road.crowded:
            yield Reason(word=InTheWay.TOO_SHORT, detail=self.road.crowded)
        if self.bound is not None:
            yield self.bound.reason
        if configuration.approval.of != "none":
            by = ", ".join(configuration.approval.by) or "a person"
            told = f"{by} must approve the {_WHAT[configuration.approval.of]}"
            yield Reason(word=InTheWay.APPROVAL, detail=told)


_WHAT = {"run": "plan", "wave": "plan before each wave"}


def moment(at: datetime) -> str:
    """Write a time to the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def few(reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """Tell each reason once, and of many of one word the first few and how many there are more."""
    by_word: dict[InTheWay | WhyNot, list[Reason]] = defaultdict(list)
    for reason in dict.fromkeys(reasons):
        by_word[reason.word].append(reason)
    told: list[Reason] = []
    for word, every in by_word.items():
        told += every[:NAMED]
        if len(every) > NAMED:
            told.append(Reason(word=word, detail=f"and {len(every) - NAMED} more"))
    return tuple(told)
