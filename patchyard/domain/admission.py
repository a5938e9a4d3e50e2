"""Admission: whether a machine's work, or its reboot, still fits into what is left of a window.

A machine's own history decides, by the time that 95 of 100 such works took. Where it has none
yet, Azure's published numbers do; of two that disagree the longer one. What is reserved for a
reboot and for going back is not spent on installing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil

from patchyard.domain.actions import Install, Reboot, Undo
from patchyard.domain.durations import write_duration
from patchyard.domain.inventory import OsFamily
from patchyard.domain.path import PathKind
from patchyard.domain.plan import PlannedUpdate
from patchyard.domain.record import MachineRun, RebootOutcome, Step
from patchyard.domain.updates import Classification

EXCEEDED = "maintenance_window_exceeded"
"""The word that stands beside a status where the window was too short."""

ENOUGH = 5
"""So many times must a thing have been measured before the published number is left."""

FEW = 3
"""Packages that the published formula counts at the full price."""

_NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Published:
    """Azure's published minutes (azure.md 1.6), as cold start."""

    reboot_linux: float = 15
    reboot_windows: float = 10
    first_packages: float = 5
    further_packages: float = 2
    zypper_package: float = 4
    windows_update: float = 15
    windows_service_pack: float = 20

    def reboot(self, family: OsFamily) -> timedelta:
        """Return what is reserved for a reboot."""
        windows = family == OsFamily.WINDOWS
        return timedelta(minutes=self.reboot_windows if windows else self.reboot_linux)

    def start(self, family: OsFamily) -> timedelta:
        """Return what is reserved for starting a machine that is off.

        Nothing is published for it, so it is what a reboot has: that is a stop and a start.
        """
        return self.reboot(family)

    def install(self, work: Work) -> timedelta:
        """Return what is reserved for installing."""
        count = work.count
        if work.family == OsFamily.WINDOWS:
            packs = work.classes[Classification.SERVICE_PACK]
            single = self.windows_update * (count - packs)
            return timedelta(minutes=single + self.windows_service_pack * packs)
        first, further = min(count, FEW), max(0, count - FEW)
        minutes = self.first_packages * first + self.further_packages * further
        if work.family == OsFamily.SUSE and count:
            minutes = max(minutes, self.first_packages + self.zypper_package * (count - 1))
        return timedelta(minutes=minutes)


PUBLISHED = Published()


@dataclass(frozen=True)
class Work:
    """What is to be done to one machine, as far as its time goes."""

    family: OsFamily
    classes: Counter[Classification]
    may_reboot: bool = True
    may_undo: bool = True
    is_off: bool = False
    """It has to be started first."""

    @classmethod
    def of(
        cls,
        family: OsFamily,
        updates: Iterable[PlannedUpdate],
        *,
        reboot: bool,
        undo: bool,
        is_off: bool = False,
    ) -> Work:
        """Return the work of installing updates."""
        return cls(family, Counter(each.classification for each in updates), reboot, undo, is_off)

    @classmethod
    def at_least_one(cls, family: OsFamily, *, reboot: bool, undo: bool) -> Work:
        """Return the least that a machine may get of which nothing is known."""
        return cls(family, Counter({Classification.SECURITY: 1}), reboot, undo)

    @property
    def count(self) -> int:
        """How many updates there are."""
        return self.classes.total()


@dataclass(frozen=True, slots=True)
class Sample:
    """One install, or one way back: how many updates of which classes, and how long it took."""

    count: int
    classes: frozenset[Classification]
    took: timedelta

    def scaled(self, count: int) -> timedelta:
        """Say how long so many would have taken: never less than it did, and more for more."""
        return self.took * max(1.0, count / max(1, self.count))


@dataclass(frozen=True, slots=True)
class History:
    """What one machine took before."""

    installs: tuple[Sample, ...] = ()
    undos: tuple[Sample, ...] = ()
    reboots: tuple[timedelta, ...] = ()
    starts: tuple[timedelta, ...] = ()
    """From the order to start it until it was there, where it was off."""


@dataclass(frozen=True, slots=True)
class Needed:
    """The time that a machine's work needs, and what is reserved beside it."""

    install: timedelta = _NONE
    reboot: timedelta = _NONE
    undo: timedelta = _NONE
    start: timedelta = _NONE

    @property
    def total(self) -> timedelta:
        """All of it."""
        return self.work + self.undo

    @property
    def work(self) -> timedelta:
        """All but what is reserved for going back."""
        return self.start + self.install + self.reboot

    def __str__(self) -> str:
        parts = (
            ("start", self.start),
            ("install", self.install),
            ("reboot", self.reboot),
            ("undo", self.undo),
        )
        return ", ".join(f"{name} {write_duration(time)}" for name, time in parts if time)


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether something may begin. `word` is empty where it may; `reason` tells it in words."""

    word: str
    reason: str
    needed: Needed = field(default_factory=Needed)

    @property
    def admitted(self) -> bool:
        """True where it may begin."""
        return not self.word


def percentile(values: Iterable[timedelta], percent: int = 95) -> timedelta:
    """Return the value that so many of a hundred do not exceed; nothing of nothing."""
    ordered = sorted(values)
    return ordered[ceil(len(ordered) * percent / 100) - 1] if ordered else _NONE


def _expected(own: list[timedelta], published: timedelta) -> timedelta:
    """Trust a machine's own times when there are enough; before, the longer of both."""
    measured = percentile(own)
    return measured if len(own) >= ENOUGH else max(measured, published)


def _install_time(work: Work, samples: tuple[Sample, ...], published: Published) -> timedelta:
    """Return the time for the class of updates that would take longest."""
    if not work.count:
        return _NONE
    cold = published.install(work)
    by_class = (
        [sample.scaled(work.count) for sample in samples if each in sample.classes]
        for each in work.classes
    )
    return max(_expected(own, cold) for own in by_class)


def needed(work: Work, history: History, published: Published = PUBLISHED) -> Needed:
    """Return the time that a machine's work needs."""
    install = _install_time(work, history.installs, published)
    reboot = _expected(list(history.reboots), published.reboot(work.family))
    reboot = reboot if work.may_reboot else _NONE
    start = _expected(list(history.starts), published.start(work.family)) if work.is_off else _NONE
    if not work.may_undo or not work.count:
        return Needed(install, reboot, start=start)
    back = _expected([sample.scaled(work.count) for sample in history.undos], install)
    return Needed(install, reboot, back + reboot, start)


def admit(
    work: Work, history: History, left: timedelta, published: Published = PUBLISHED
) -> Admission:
    """Say whether a machine's work may begin in a window of which so much is left."""
    time = needed(work, history, published)
    if time.total <= left:
        return Admission("", f"{write_duration(left)} are left: {time}", time)
    verb = "are" if "," in str(time) else "is"
    told = f"{write_duration(max(left, _NONE))} are left of the window, and {time} {verb} needed"
    return Admission(EXCEEDED, told, time)


def admit_reboot(
    family: OsFamily, history: History, left: timedelta, published: Published = PUBLISHED
) -> Admission:
    """Say whether a reboot still fits. One that does not is owed, never done late."""
    time = Needed(reboot=_expected(list(history.reboots), published.reboot(family)))
    if time.total <= left:
        return Admission("", f"{write_duration(left)} are left: {time}", time)
    told = f"{write_duration(max(left, _NONE))} are left of the window, and {time} is needed"
    return Admission(EXCEEDED, f"{PathKind.REBOOT_OWED}: {told}", time)


def history_of(runs: Iterable[MachineRun]) -> History:
    """Read a machine's history from the records of its runs. What failed does not count."""
    found = [(run, step) for run in runs for step in run.steps if _whole(step)]
    return History(
        installs=tuple(_sample(run, step) for run, step in found if _is(step, Install)),
        undos=tuple(_sample(run, step) for run, step in found if _is(step, Undo)),
        reboots=tuple(_took(step) for _, step in found if _rebooted(step)),
    )


def _is(step: Step, kind: type) -> bool:
    return isinstance(step.action, kind)


def _whole(step: Step) -> bool:
    return step.finished_at is not None and step.result is not None and step.result.fault is None


def _rebooted(step: Step) -> bool:
    outcome = step.result.reboot if step.result else None
    return _is(step, Reboot) and outcome == RebootOutcome.REBOOTED


def _took(step: Step) -> timedelta:
    return step.finished_at - step.started_at if step.finished_at else _NONE


def _sample(run: MachineRun, step: Step) -> Sample:
    action = step.action
    packages = action.packages if isinstance(action, Install | Undo) else ()
    classes = _classes(run)
    found = frozenset(classes[p.key] for p in packages if p.key in classes)
    return Sample(len(packages), found, _took(step))


def _classes(run: MachineRun) -> Mapping[str, Classification]:
    return {update.key: update.classification for update in run.plan.updates}
