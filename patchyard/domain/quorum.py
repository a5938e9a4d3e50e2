"""Groups: which machines the availability rules hold together, and how many of them must be up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from patchyard.domain.attributes import values
from patchyard.domain.availability import Availability
from patchyard.domain.census import Lane, Member, Needed
from patchyard.domain.inventory import Machine
from patchyard.domain.regions import plain
from patchyard.domain.scope import Scope, parse

Path = tuple[str | int, ...]
"""Where below `availability` something stands."""


@dataclass(frozen=True, slots=True)
class Sort:
    """Sorts the machines of a scope into groups, by a value that they have or all into one."""

    rule: str
    scope: Scope
    each: str
    whole: str = ""

    @classmethod
    def of(cls, rule: str, scope: str, each: str) -> Sort:
        """Make it of what is written; `rule` says where that stands."""
        return cls(rule, parse(scope), each, scope.strip())

    def keys(self, machine: Machine) -> tuple[str, ...]:
        """Return the machine's groups: the rule, and the words in which people know the group."""
        if not self.scope.matches(machine):
            return ()
        if not self.each:
            return (f"{self.rule} {self.whole}".rstrip(),)
        return tuple(f"{self.rule} {self.each} {each}" for each in values(machine, self.each))


class Groups:
    """The groups of every machine of an inventory by the rules that are written."""

    def __init__(self, rules: Availability, machines: Iterable[Machine]) -> None:
        self.rules = rules
        self.machines = tuple(machines)
        self._quorum = [Sort.of(f"quorum[{n}]", q.of, q.each) for n, q in enumerate(rules.quorum)]
        self._apart = [Sort.of(f"apart[{n}]", a.of, a.each) for n, a in enumerate(rules.apart)]
        # Both sides of an order have the same groups, so their scopes are no part of the names.
        order = [(f"order[{n}]", each) for n, each in enumerate(rules.order)]
        self._first = [Sort(rule, parse(each.first), each.each) for rule, each in order]
        self._then = [Sort(rule, parse(each.then), each.each) for rule, each in order]

    def member(self, machine: Machine, wave: int) -> Member:
        """Return a machine as the rollout sees it."""
        return Member(
            name=machine.name,
            wave=wave,
            domains=machine.domains,
            lanes=(*self._zones(machine), *self._update_domains(machine)),
            quorums=self.quorums(machine),
            before=self.before(machine),
            after=self.after(machine),
            region=plain(machine.region or ""),
        )

    def before(self, machine: Machine) -> tuple[str, ...]:
        """Return the orders in which this machine comes first."""
        return tuple(key for sort in self._first for key in sort.keys(machine))

    def after(self, machine: Machine) -> tuple[str, ...]:
        """Return the orders in which this machine comes after others."""
        return tuple(key for sort in self._then for key in sort.keys(machine))

    def quorums(self, machine: Machine) -> tuple[str, ...]:
        """Return the groups of which enough must be up."""
        return tuple(key for sort in (*self._quorum, *self._apart) for key in sort.keys(machine))

    def needed(self, run: Iterable[Machine], idle: Iterable[Machine]) -> dict[str, Needed]:
        """Return how many of each group must be up.

        Args:
            run: all machines of a run.
            idle: those of them that are up and are not worked on.
        """
        up: dict[str, set[str]] = defaultdict(set)
        for machine in idle:
            for key in self.quorums(machine):
                up[key].add(machine.name)
        least = dict(self._least)
        here = Counter(key for m in run for sort in self._apart for key in sort.keys(m))
        least |= {key: size - 1 for key, size in here.items()}
        return {key: Needed(number, frozenset(up[key])) for key, number in least.items()}

    @cached_property
    def _sizes(self) -> Counter[str]:
        return Counter(key for m in self.machines for sort in self._quorum for key in sort.keys(m))

    @cached_property
    def _least(self) -> dict[str, int]:
        """How many of each quorum must be up; machines that no run looks at are counted, too."""
        rules = zip(self._quorum, self.rules.quorum, strict=True)
        of = {sort.rule: quorum for sort, quorum in rules}
        return {key: of[key.partition(" ")[0]].count(size) for key, size in self._sizes.items()}

    # --- zones of a service, update domains of a set --------------------------------------------

    def _zones(self, machine: Machine) -> Iterator[Lane]:
        if self.rules.zones == "together":
            return
        for service in values(machine, self.rules.service):
            if service in self._zoned:
                yield f"service {service}", _zone(machine)

    @cached_property
    def _zoned(self) -> frozenset[str]:
        """Services of which any machine has a zone."""
        zoned = (machine for machine in self.machines if machine.zone)
        return frozenset(s for machine in zoned for s in values(machine, self.rules.service))

    def _update_domains(self, machine: Machine) -> Iterator[Lane]:
        own = machine.availability_set
        if own in self._divided and self.rules.update_domains != "together":
            place = machine.update_domain or f"that of {machine.name}, which is not known"
            yield f"availability_set {own}", f"update domain {place}"

    @cached_property
    def _divided(self) -> frozenset[str | None]:
        """Availability sets of which any machine has an update domain."""
        return frozenset(m.availability_set for m in self.machines if m.update_domain) - {None}

    # --- what cannot hold -----------------------------------------------------------------------

    def impossible(
        self, scope: Iterable[Machine], *, whole: bool = True
    ) -> Iterator[tuple[Path, str]]:
        """Tell what the machines of a scope make impossible: the field, and what to write.

        What is outside of a `whole` scope is not looked at, and so is not known to be up.
        """
        seen: Counter[str] = Counter()
        both: dict[int, list[str]] = defaultdict(list)
        for machine in scope:
            seen.update(key for sort in self._quorum for key in sort.keys(machine))
            for key in set(self.before(machine)) & set(self.after(machine)):
                both[_number(key)].append(machine.name)
        for key, here in seen.items():
            if (here if whole else self._sizes[key]) <= self._least[key]:
                yield self._never(key, here)
        for number, names in both.items():
            told = f"{', '.join(sorted(names)[:3])} would come before and after itself"
            yield ("order", number), f"{told}; write scopes that have no machine in common"

    def _never(self, key: str, here: int) -> tuple[Path, str]:
        told = key.partition(" ")[2]
        size, least = self._sizes[key], self._least[key]
        said = f"{told} has {size}, and {least} must be up, so none could be patched; "
        if size > least:
            said = f"{told} has {here} of its {size} in the scope, and {least} must be known to "
            said += "be up, so none could be patched; "
        most = (here if size > least else size) - 1
        said += f"write {most} or less" if most else "leave it out of the rule"
        said += ", or a wider scope" if size > least else ""
        return ("quorum", _number(key), "at_least"), said

    def empty(self) -> Iterator[tuple[Path, str]]:
        """Tell rules that no machine is in: they protect nothing, and are probably misspelt."""
        for kind, field, sorts in (
            ("quorum", "of", self._quorum),
            ("apart", "of", self._apart),
            ("order", "first", self._first),
            ("order", "then", self._then),
        ):
            for number, sort in enumerate(sorts):
                if not any(sort.keys(machine) for machine in self.machines):
                    each = f" with {sort.each}" if sort.each else ""
                    yield (kind, number, field), f"no machine{each} is in it"


def _number(key: str) -> int:
    """Return where in its list the rule of a group stands."""
    return int(key.partition("[")[2].partition("]")[0])


def _zone(machine: Machine) -> str:
    """A zone's name says something within its region only; one that is not known is like none."""
    if not machine.zone:
        return f"that of {machine.name}, which is not known"
    return f"zone {machine.region}/{machine.zone}" if machine.region else f"zone {machine.zone}"
