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
    return (Domains(seen), Lanes(seen), Quorums(seen), Orders(seen))


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
        self._busy = Counter(domain for member in self._away for domain in member.domains)
        everybody = (*seen.rollout.members, *seen.rollout.absent)
        sizes = Counter(chain.from_iterable(member.domains for member in everybody))
        within = {size: seen.rollout.limits.within(size) for size in set(sizes.values())}
        self._room = {domain: within[size] for domain, size in sizes.items()}

    def admits(self, member: Member) -> bool:
        """True where every domain has room."""
        return all(self._busy[domain] < self._room[domain] for domain in member.domains)

    def took(self, member: Member) -> None:
        """Take the room."""
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
        self._up = Counter({key: len(each.elsewhere) for key, each in self._needed.items()})
        if self._needed:
            self._up.update(key for m in rollout.members if is_up(rollout, m) for key in m.quorums)
            self._up.update(self._forgiven(rollout))

    def _forgiven(self, rollout: Rollout) -> Iterator[str]:
        """Count those in no wave that are not known to be up, where a person says so."""
        for member in (*rollout.absent, *rollout.unserved):
            if member.name in rollout.forgiven:
                known = (key for key in member.quorums if key in self._needed)
                yield from (k for k in known if member.name not in self._needed[k].elsewhere)

    def admits(self, member: Member) -> bool:
        """True where enough are left without it."""
        return not any(self._short(key) for key in member.quorums)

    def took(self, member: Member) -> None:
        """Count it as not up."""
        self._up.subtract(member.quorums)

    def _short(self, key: str) -> bool:
        needed = self._needed.get(key)
        return needed is not None and self._up[key] <= needed.least

    def why(self, waiting: Sequence[Member]) -> str:
        """Name the groups of which no more may be away."""
        wanted = dict.fromkeys(key for m in waiting for key in m.quorums if self._short(key))
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
        for member in (*undone, *seen.absent, *never):
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


def _is_done(rollout: Rollout, member: Member) -> bool:
    status = rollout.status(member.name)
    if status in {Status.NOT_STARTED, Status.IN_PROGRESS}:
        return False
    return status in rollout.done_well or member.name in rollout.forgiven


def _listed(told: Sequence[str]) -> str:
    more = f"; and {len(told) - NAMED} more" if len(told) > NAMED else ""
    return "; ".join(told[:NAMED]) + more


def names(members: Iterable[Member]) -> str:
    """Name members, the first few of many."""
    return counting.names((member.name for member in members), NAMED)
