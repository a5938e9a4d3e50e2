"""Conflicts: what does not fit together among the windows of an inventory."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from patchyard.domain.counting import counted, names
from patchyard.domain.durations import write_duration
from patchyard.domain.expecting import Expected
from patchyard.domain.maintenance import MaintenanceConfiguration, ScopeKind
from patchyard.domain.maintenance_windows import State, Window
from patchyard.domain.order import Waves
from patchyard.domain.preview import Case, Lane

_NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something that does not fit together: which kind of thing, and in words."""

    kind: str
    text: str


def conflicts(case: Case, ahead: timedelta, uncovered_for: timedelta) -> tuple[Conflict, ...]:
    """Return what does not fit together.

    Args:
        case: what is there.
        ahead: how far windows are looked at for whether they overlap.
        uncovered_for: machines that have no open window for so long are told.
    """
    far = max(ahead, uncovered_for)
    found = [(lane, case.within(lane, far)) for lane in case.lanes]
    return (
        *_overlaps(
            [(lane, w) for lane, every in found for w in every if w.start < case.now + ahead]
        ),
        *_uncovered(case, found, uncovered_for),
        *(conflict for lane in case.lanes for conflict in _too_short(case, lane)),
        *_without_machines(case),
    )


def overlaps(case: Case, ahead: timedelta) -> tuple[Conflict, ...]:
    """Return the configurations that have a machine at the same time, looking so far ahead."""
    return tuple(_overlaps((lane, w) for lane in case.lanes for w in case.within(lane, ahead)))


def _overlaps(windows: Iterable[tuple[Lane, Window]]) -> Iterator[Conflict]:
    """Tell pairs of configurations that have a machine at the same time, the first time."""
    is_open = [pair for pair in windows if pair[1].state == State.OPEN]
    at_once: list[tuple[Lane, Window]] = []
    first: dict[tuple[str, str], tuple[Window, Window, set[str]]] = {}
    times: Counter[tuple[str, str]] = Counter()
    for lane, window in sorted(is_open, key=lambda pair: (pair[1].start, pair[1].key)):
        at_once = [(other, before) for other, before in at_once if before.end > window.start]
        for other, before in at_once:
            common = lane.names & other.names
            pair = (other.configuration.name, lane.configuration.name)
            pair = (min(pair), max(pair))
            if common:
                times[pair] += 1
                first.setdefault(pair, (before, window, set()))[2].update(common)
        at_once.append((lane, window))
    for pair, (before, window, machines) in first.items():
        yield Conflict("overlap", _told_overlap(pair, before, window, machines, times[pair]))


def _told_overlap(
    pair: tuple[str, str], before: Window, window: Window, machines: set[str], times: int
) -> str:
    who = f"{pair[0]} overlaps itself" if pair[0] == pair[1] else f"{' and '.join(pair)} overlap"
    often = f", {times} times" if times > 1 else ""
    return (
        f"{who} on {names(machines)}{often}; first {before.key} and {window.key} "
        f"from {window.start:%Y-%m-%d %H:%M} UTC"
    )


def _uncovered(
    case: Case, found: list[tuple[Lane, tuple[Window, ...]]], time: timedelta
) -> Iterator[Conflict]:
    """Tell machines that no open window comes to, by what stands in the way."""
    why = {machine.name: "is in no configuration" for machine in case.inventory.machines}
    covered: set[str] = set()
    for lane, every in found:
        if lane.configuration.kind != ScopeKind.GUEST:
            continue
        near = [window for window in every if window.start < case.now + time]
        if any(window.state == State.OPEN for window in near):
            covered |= lane.names
        closed = ", ".join(f"{window.key} is {window.state}" for window in near[:2])
        said = closed or f"{lane.configuration.name} has none so soon"
        why |= dict.fromkeys(lane.names, said)
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name, reason in why.items():
        if name not in covered:
            by_reason[reason].append(name)
    for reason, machines in by_reason.items():
        text = f"no window for {write_duration(time)}: {names(machines)} ({reason})"
        yield Conflict("no_window", text)


def _too_short(case: Case, lane: Lane) -> Iterator[Conflict]:
    configuration = lane.configuration
    at_work = [each for each in case.expected(lane) if not each.idle]
    waves = case.waves(configuration, [each.machine for each in at_work])
    time = time_needed(configuration, at_work, waves)
    if not at_work or time <= configuration.schedule.length:
        return
    yield Conflict("too_short", _told_short(configuration, at_work, time, len(waves)))


def _told_short(
    configuration: MaintenanceConfiguration, at_work: list[Expected], time: timedelta, waves: int
) -> str:
    count = sum(each.updates is None for each in at_work)
    least = f" (at least: {count} never assessed)" if count else ""
    soak = f" and {waves - 1} x {write_duration(configuration.soak)} of soak"
    return (
        f"{configuration.name} needs about {write_duration(time)} for "
        f"{counted(len(at_work), 'machine')}{least} in {counted(waves, 'wave')}"
        f"{soak if waves > 1 and configuration.soak else ''}; "
        f"its windows are {write_duration(configuration.schedule.length)} long"
    )


def time_needed(
    configuration: MaintenanceConfiguration, at_work: list[Expected], waves: Waves
) -> timedelta:
    """Return the least time that the waves and soaks of a run need.

    What is reserved for going back is counted once, at the end.
    """
    by_name = {each.machine.name: each for each in at_work}
    times = [_wave_time(configuration, [by_name[name] for name in wave]) for wave in waves]
    undo = max((each.time.undo for each in at_work), default=_NONE)
    soaks = configuration.soak * max(0, len(waves) - 1)
    return sum(times, _NONE) + soaks + undo


def _wave_time(configuration: MaintenanceConfiguration, wave: list[Expected]) -> timedelta:
    """Return the least time of a wave: no slot and no failure domain can be faster."""
    limits = configuration.limits()
    each = {part.machine.name: part.time.work for part in wave}
    by_domain: dict[str, timedelta] = defaultdict(timedelta)
    sizes = Counter(domain for part in wave for domain in part.machine.domains)
    for part in wave:
        for domain in part.machine.domains:
            by_domain[domain] += each[part.machine.name]
    shared = [time / max(1, limits.within(sizes[domain])) for domain, time in by_domain.items()]
    return max(*each.values(), sum(each.values(), _NONE) / limits.slots, *shared, _NONE)


def _without_machines(case: Case) -> Iterator[Conflict]:
    for lane in case.lanes:
        if not lane.machines:
            text = f"{lane.configuration.name} has no machine in its scope"
            yield Conflict("no_machine", text)
