"""Other runs of an inventory: what they keep away, as the availability rules of this run see it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from patchyard.domain.census import InOtherRun, Member, Needed
from patchyard.domain.inventory import Machine
from patchyard.domain.outcome import Status
from patchyard.domain.quorum import Groups
from patchyard.domain.regions import plain
from patchyard.grouping import machine_of
from patchyard.leasing import lease_key
from patchyard.region_pairs import published_pairs
from patchyard.runs import Run
from patchyard.store import InRun
from patchyard.store.other_runs import LATELY

SILENT = timedelta(minutes=15)
"""A run that has shown no life for so long is not waited for: `resume` would have taken it up."""


class OtherRuns:
    """What the other runs of an inventory do, looked at anew before each decision."""

    def __init__(
        self, run: Run, groups: Groups, here: Iterable[Machine], idle: Iterable[Machine]
    ) -> None:
        """Take what does not change.

        Args:
            run: the open run that decides.
            groups: the groups of the inventory's machines, by its rules.
            here: all machines of the run.
            idle: those of them that are up and are not worked on.
        """
        self._run, self._groups = run, groups
        self._here, self._idle = tuple(here), tuple(idle)
        self._known: frozenset[InRun] = frozenset()
        self._away: set[str] = set()
        self._names = {lease_key(each): each.name for each in run.inventory.machines}
        self._members: dict[str, Member] = {}
        self._phases = groups.rules.region_phases(published_pairs())
        self.needed: dict[str, Needed] = groups.needed(self._here, self._idle)
        """How many of each group must be up. Whoever is away by another run counts as one of it."""

    def look(self) -> tuple[InOtherRun, ...]:
        """Return the machines that are away by other runs now."""
        now = self._run.clock()
        self._known = self._run.store.in_other_runs(self._run.id, now)
        found = {*self._known, *self._leased(now)}
        if (names := {each.machine for each in found}) != self._away:
            self._away, self.needed = names, self._needed(names)
        seen = sorted((self._seen(each, now) for each in found), key=_order)
        # Of several runs one tells why a machine is away: the one that is at work on it.
        return tuple({each.member.name: each for each in seen}.values())

    def start(self, names: Collection[str]) -> bool:
        """Record that work on machines begins. False where another run was quicker: ask anew."""
        run, known = self._run, self._known
        return run.store.start_machines(run.id, run.owner, names, known, run.clock())

    def _leased(self, now: datetime) -> Iterator[InRun]:
        """Return the machines that runs of other inventories have, by the machines' leases."""
        for lease in self._run.store.foreign_leases(self._run.id):
            name = self._names.get(lease.machine)
            if name is not None and lease.expires_at > now - LATELY:
                at_work = Status.IN_PROGRESS
                yield InRun(name, lease.run_id, at_work, goes_on=True, alive_at=lease.expires_at)

    def _seen(self, each: InRun, now: datetime) -> InOtherRun:
        member = self._member(each.machine)
        at_work = each.status == Status.IN_PROGRESS
        return InOtherRun(
            member=replace(member, run=each.run_id),
            comes_back=at_work and each.goes_on and each.alive_at > now - SILENT,
            closed=self._closed(member.region) if at_work else frozenset(),
        )

    def _member(self, name: str) -> Member:
        """Return a machine with its groups, which are worked out once."""
        if name not in self._members:
            self._members[name] = self._groups.member(machine_of(self._run, name), 0)
        return self._members[name]

    def _closed(self, region: str) -> frozenset[str]:
        """Return the regions in which nothing begins while there is work in this one."""
        if self._phases.rule == "together":
            return frozenset()
        if self._phases.rule == "paired_apart":
            return self._phases.pairs.of_region(region)
        return frozenset(plain(each.region or "") for each in self._here) - {region}

    def _needed(self, away: set[str]) -> dict[str, Needed]:
        """Count those that are in other runs only, too. They are up but for being away."""
        names = {machine.name for machine in self._here}
        others = [machine_of(self._run, name) for name in sorted(away - names)]
        return self._groups.needed([*self._here, *others], [*self._idle, *others])


def _order(each: InOtherRun) -> tuple[bool, bool, str, str]:
    return each.comes_back, bool(each.closed), each.member.name, each.member.run
