"""How the values of a report look to people: times, marks, and the timeline of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from patchyard.domain.health import Difference, Outcome
from patchyard.domain.outcome import InstallationState, RebootStatus, Status
from patchyard.domain.report import MachineReport, StepReport, UpdateReport


class Tone(StrEnum):
    """How good something is. The style sheet gives each a colour, and a sign beside it."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    IDLE = "idle"
    UNSEEN = "unseen"


_STATUSES: Mapping[Status, Tone] = MappingProxyType(
    {
        Status.UNKNOWN: Tone.UNSEEN,
        Status.NOT_STARTED: Tone.IDLE,
        Status.IN_PROGRESS: Tone.IDLE,
        Status.SUCCEEDED: Tone.GOOD,
        Status.COMPLETED_WITH_WARNINGS: Tone.WARN,
        Status.FAILED: Tone.BAD,
        Status.ROLLED_BACK: Tone.WARN,
        Status.NEEDS_REPAIR: Tone.BAD,
        Status.LOST_CONTACT: Tone.BAD,
        Status.UNREACHABLE: Tone.BAD,
        Status.REFUSED: Tone.WARN,
        Status.CANCELLED: Tone.IDLE,
        Status.SKIPPED: Tone.IDLE,
    }
)

_STATES: Mapping[InstallationState, Tone] = MappingProxyType(
    {
        InstallationState.UNKNOWN: Tone.UNSEEN,
        InstallationState.INSTALLED: Tone.GOOD,
        InstallationState.FAILED: Tone.BAD,
        InstallationState.EXCLUDED: Tone.IDLE,
        InstallationState.NOT_SELECTED: Tone.IDLE,
        InstallationState.PENDING: Tone.IDLE,
    }
)

_REBOOTS: Mapping[RebootStatus, Tone] = MappingProxyType(
    {
        RebootStatus.UNKNOWN: Tone.UNSEEN,
        RebootStatus.NOT_NEEDED: Tone.IDLE,
        RebootStatus.REQUIRED: Tone.WARN,
        RebootStatus.STARTED: Tone.IDLE,
        RebootStatus.FAILED: Tone.BAD,
        RebootStatus.COMPLETED: Tone.GOOD,
    }
)


def tone(status: Status) -> Tone:
    """Return how a machine's or a run's status looks."""
    return _STATUSES[status]


def state_tone(state: InstallationState) -> Tone:
    """Return how the state of an update looks."""
    return _STATES[state]


def reboot_tone(reboot: RebootStatus) -> Tone:
    """Return how the state of a reboot looks."""
    return _REBOOTS[reboot]


def check_tone(check: Difference) -> Tone:
    """Return how a check looks: bad only where the change is to blame."""
    if check.regressed:
        return Tone.BAD
    return Tone.GOOD if check.after == Outcome.PASSED else Tone.WARN


def judged(check: Difference) -> str:
    """Say what became of a check."""
    if check.regressed:
        return "regressed"
    if check.already_bad:
        return "was not good before"
    return "holds" if check.before == Outcome.PASSED else "holds now"


def moment(at: datetime | None) -> str:
    """Write a time in UTC, or a dash where it has not come."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at else "\N{EN DASH}"


SHORT = 10
"""Below this many seconds a duration is written with a tenth."""


def duration(took: timedelta | None) -> str:
    """Write a duration in its two largest units, or a dash where it is not known."""
    if took is None:
        return "\N{EN DASH}"
    seconds = took.total_seconds()
    if seconds < SHORT:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def version_change(update: UpdateReport) -> str:
    """Say where an update stands against the plan, where its versions alone do not tell."""
    if update.planned and update.planned != update.after:
        return f"planned {version(update, update.planned)}"
    return ""


def version(update: UpdateReport, written: str) -> str:
    """Write a version of an update, or a dash where there is none."""
    if not written:
        return "\N{EN DASH}"
    return f"revision {written}" if update.title else written


def missing(machine: MachineReport) -> dict[InstallationState, tuple[UpdateReport, ...]]:
    """Return the updates that went wrong, by state. Those not begun on say nothing new."""
    return {
        state: tuple(update for update in machine.updates if update.state == state)
        for state in (InstallationState.FAILED, InstallationState.UNKNOWN)
        if machine.count(state)
    }


@dataclass(frozen=True, slots=True)
class Bar:
    """A step on a machine's time line. `left` and `width` are percent of the whole."""

    step: StepReport
    left: float
    width: float


def timeline(machine: MachineReport) -> tuple[Bar, ...]:
    """Place a machine's steps on one line of time. A step that has not ended reaches the end.

    The line is that of the run's own steps: what was done ahead, perhaps the day before, is left
    of it, and would leave no room for them.
    """
    if not machine.steps:
        return ()
    own = [step for step in machine.steps if not step.ahead] or machine.steps
    first = min(step.started_at for step in own)
    last = max(step.finished_at or step.started_at for step in own)
    return tuple(_bar(step, first, last) for step in machine.steps)


def _bar(step: StepReport, first: datetime, last: datetime) -> Bar:
    whole = max((last - first).total_seconds(), 1e-6)
    begin = (step.started_at - first).total_seconds() / whole
    end = ((step.finished_at or last) - first).total_seconds() / whole
    left, right = _percent(begin), _percent(end)
    return Bar(step, left, round(right - left, 1))


def _percent(share: float) -> float:
    return round(min(max(share, 0.0), 1.0) * 100, 1)
