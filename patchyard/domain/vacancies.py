"""Vacancies: which of the waiting machines may be away now, by every rule at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Protocol

from patchyard.domain import counting
from patchyard.domain.census import Census, Member, Needed, Rollout
from patchyard.domain.outcome import Status

NAMED = 3
"""Machines or groups that a reason names before it only counts them."""

UP = frozenset(
    {
        Status.NOT_STARTED,
        Status.SUCCEEDED,
        Status.COMPLETED_WITH_WARNINGS,
        Status.ROLLED_BACK,
        Status.CANCELLED,
    }
)
"""A machine in this state counts for a quorum: it was seen, and not in a bad way."""


class Rule(Protocol):
    """One rule about who may be away together."""

    def admits(self, member: Member) -> bool:
        """Say whether a machine may be away, with those that are."""

    def took(self, member: Member) -> None:
        """Count a machine as away from now on."""

    def why(self, waiting: Sequence[Member]) -> str:
        """Say why the rule holds all of these back; empty where it is not this one."""


def rules_of(seen: Census) -> tuple[Rule, ...]:
    """Return the rules that anything of a rollout could be held back by."""
    return (Domains(seen), Lanes(seen), Quorums(seen), Orders(seen), Regions(seen))


def startable(rules: Sequence[Rule], waiting: Iterable[Member], free: int) -> tuple[str, ...]:
    """Fill the free slots, in order, as far as the rules admit."""
    chosen: list[str] = []
    for member in waiting:
        if len(chosen) >= free:
            break
        if all(rule.admits(member) for rule in rules):
            chosen.append(member.name)
            for rule in rules:
                rule.took(member)
    return tuple(chosen)


def why_held(rules: Sequence[Rule], waiting: Sequence[Member]) -> str:
    """Say which rules hold waiting machines back; empty where none does."""
    return "; ".join(said for rule in rules if (said := rule.why(waiting)))


class Domains:
    """So many of an availability set or a cluster may be away at once."""

    def __init__(self, seen: Census) -> None:
        self._away = seen.away
        self._names = {member.name for member in self._away}
        self._busy = Counter(domain for member in self._away for domain in member.domains)
        others = (each.member for each in seen.rollout.in_other_runs)
        every = (*others, *seen.rollout.members, *seen.rollout.absent)
        everybody = {member.name: member.domains for member in every}
        sizes = Counter(chain.from_iterable(everybody.values()))
        within = {size: seen.rollout.limits.within(size) for size in set(sizes.values())}
        self._room = {domain: within[size] for domain, size in sizes.items()}

    def admits(self, member: Member) -> bool:
        """True where every domain has room; one that is away already takes up none."""
        own = member.name in self._names
        return all(self._busy[domain] - own < self._room[domain] for domain in member.domains)

    def took(self, member: Member) -> None:
        """Take the room."""
        if member.name not in self._names:
            self._busy.update(member.domains)

    def why(self, waiting: Sequence[Member]) -> str:
        """Name the domains without room, and whom they lack."""
        lacking: dict[str, list[Member]] = defaultdict(list)
        for member in self._away:
            for domain in member.domains:
                lacking[domain].append(member)
        wanted = dict.fromkeys(domain for member in waiting for domain in member.domains)
        full = [domain for domain in wanted if self._busy[domain] >= self._room[domain]]
        told = _listed([f"{domain} lacks {names(lacking[domain])}" for domain in full])
        return f"no failure domain has room: {told}" if told else ""


class Lanes:
    """Of a service one zone, and of an availability set one update domain, is away at a time."""

    def __init__(self, seen: Census) -> None:
        self._held: dict[str, dict[str, list[Member]]] = defaultdict(lambda: defaultdict(list))
        for member in seen.away:
            self.took(member)

    def admits(self, member: Member) -> bool:
        """True where nothing of another part of its groups is away."""
        return not any(self._others(*lane) for lane in member.lanes)

    def took(self, member: Member) -> None:
        """Count its part of each group as away."""
        for group, lane in member.lanes:
            self._held[group][lane].append(member)

    def _others(self, group: str, lane: str) -> bool:
        held = self._held.get(group)
        return held is not None and any(other != lane for other in held)

    def why(self, waiting: Sequence[Member]) -> str:
        """Name the parts that are away, and whom they lack."""
        wanted = dict.fromkeys(
            lane[0] for member in waiting for lane in member.lanes if self._others(*lane)
        )
        return _listed(
            [
                f"{lane} of {group} lacks {names(members)}, and one is away at a time"
                for group in wanted
                for lane, members in self._held[group].items()
            ]
        )


class Quorums:
    """Enough of a group must be known to be up."""

    def __init__(self, seen: Census) -> None:
        rollout = seen.rollout
        self._needed: Mapping[str, Needed] = rollout.quorums
        self._gone = {each.member.name for each in seen.in_other_runs}
        self._gone |= rollout.off - rollout.forgiven
        sizes = {key: len(each.elsewhere - self._gone) for key, each in self._needed.items()}
        self._up = Counter(sizes)
        if self._needed:
            up = (m for m in rollout.members if is_up(rollout, m) and m.name not in self._gone)
            self._up.update(key for member in up for key in member.quorums)
            self._up.update(self._forgiven(rollout))

    def _forgiven(self, rollout: Rollout) -> Iterator[str]:
        """Count those in no wave that are not known to be up, where a person says so."""
        for member in (*rollout.absent, *rollout.unserved):
            if member.name in rollout.forgiven and member.name not in self._gone:
                known = (key for key in member.quorums if key in self._needed)
                yield from (k for k in known if member.name not in self._needed[k].elsewhere)

    def admits(self, member: Member) -> bool:
        """True where enough are left without it."""
        return not any(self._short(key, member) for key in member.quorums)

    def took(self, member: Member) -> None:
        """Count it as not up."""
        if member.name not in self._gone:
            self._up.subtract(member.quorums)

    def _short(self, key: str, member: Member) -> bool:
        needed = self._needed.get(key)
        left = self._up[key] - (member.name not in self._gone)
        return needed is not None and left < needed.least

    def why(self, waiting: Sequence[Member]) -> str:
        """Name the groups of which no more may be away."""
        wanted = dict.fromkeys(key for m in waiting for key in m.quorums if self._short(key, m))
        return _listed(
            [
                f"{key}: {self._needed[key].least} must be up, and {self._up[key]} are known to be"
                for key in wanted
            ]
        )


def is_up(rollout: Rollout, member: Member) -> bool:
    """Say whether a machine is known to be up, or a person has said that it counts no more."""
    status = rollout.status(member.name)
    if status == Status.IN_PROGRESS:
        return False
    return status in UP or member.name in rollout.forgiven


class Orders:
    """Who comes after others waits until all of these have come to a good end."""

    def __init__(self, seen: Census) -> None:
        rollout = seen.rollout
        self._open: dict[str, list[Member]] = defaultdict(list)
        undone = (member for member in rollout.members if not _is_done(rollout, member))
        never = (m for m in rollout.unserved if m.name not in rollout.forgiven)
        others = (each.member for each in seen.in_other_runs)
        first = {member.name: member for member in (*others, *undone, *seen.absent, *never)}
        for member in first.values():
            for key in member.before:
                self._open[key].append(member)

    def admits(self, member: Member) -> bool:
        """True where nobody is left who comes first."""
        return not any(key in self._open for key in member.after)

    def took(self, member: Member) -> None:
        """Nothing changes: who comes first is not done yet."""

    def why(self, waiting: Sequence[Member]) -> str:
        """Name those who come first and are not good."""
        held = dict.fromkeys(key for m in waiting for key in m.after if key in self._open)
        return _listed(
            [f"{key}: {names(self._open[key])} comes first and is not done well" for key in held]
        )


class Regions:
    """While another run is at work in a region, nothing begins in those that stand in for it."""

    def __init__(self, seen: Census) -> None:
        self._closed: dict[str, list[Member]] = defaultdict(list)
        for each in seen.in_other_runs:
            for region in each.closed:
                self._closed[region].append(each.member)

    def admits(self, member: Member) -> bool:
        """True where no other run is at work in a region that its own is paired with."""
        return member.region not in self._closed

    def took(self, member: Member) -> None:
        """Nothing changes: within this run no wave has two regions that are paired."""

    def why(self, waiting: Sequence[Member]) -> str:
        """Name the regions that are held back, and by whom."""
        held = dict.fromkeys(m.region for m in waiting if m.region in self._closed)
        return _listed(
            [f"region {each} stands in for that of {names(self._closed[each])}" for each in held]
        )


def _is_done(rollout: Rollout, member: Member) -> bool:
    status = rollout.status(member.name)
    if status in {Status.NOT_STARTED, Status.IN_PROGRESS}:
        return False
    return status in rollout.done_well or member.name in rollout.forgiven


def _listed(told: Sequence[str]) -> str:
    more = f"; and {len(told) - NAMED} more" if len(told) > NAMED else ""
    return "; ".join(told[:NAMED]) + more


def names(members: Iterable[Member]) -> str:
    """Name members, the first few of many, and the other run by which one is away."""
    told = (f"{m.name} (by run {m.run})" if m.run else m.name for m in members)
    return counting.names(told, NAMED)
