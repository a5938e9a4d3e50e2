"""Regions: the phases of a rollout, in none of which two paired regions stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

RegionRule = Literal["paired_apart", "one_by_one", "together"]
"""How regions that stand in no written phase are put into phases."""


def plain(region: str) -> str:
    """Return a region's name so that `West Europe` and `westeurope` are the same."""
    return "".join(region.casefold().split())


@dataclass(frozen=True, slots=True)
class RegionPairs:
    """Which regions stand in for each other. A pair counts in both directions."""

    partners: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, pairs: Iterable[Sequence[str]]) -> RegionPairs:
        """Make it of pairs of names."""
        found: dict[str, set[str]] = defaultdict(set)
        for one, other in pairs:
            found[plain(one)].add(plain(other))
            found[plain(other)].add(plain(one))
        return cls({region: frozenset(others) for region, others in found.items()})

    def and_of(self, pairs: Iterable[Sequence[str]]) -> RegionPairs:
        """Return these pairs, and others besides."""
        more = RegionPairs.of(pairs).partners
        every = self.partners.keys() | more.keys()
        nobody = frozenset[str]()
        return RegionPairs({r: self.partners.get(r, nobody) | more.get(r, nobody) for r in every})

    def of_region(self, region: str) -> frozenset[str]:
        """Return the regions that one is paired with."""
        return self.partners.get(region, frozenset())

    def within(self, regions: Iterable[str]) -> tuple[str, str] | None:
        """Return two of these regions that are paired; None where no two are."""
        for one, other in combinations(sorted({plain(region) for region in regions}), 2):
            if other in self.of_region(one):
                return one, other
        return None


@dataclass(frozen=True, slots=True)
class Phases:
    """How regions become phases: those that are written in their order, then the others."""

    rule: RegionRule = "paired_apart"
    written: tuple[tuple[str, ...], ...] = ()
    pairs: RegionPairs = field(default_factory=RegionPairs)

    def number(self, regions: Collection[str], *, first: Collection[str] = ()) -> dict[str, int]:
        """Return the phase of each region, counted from 0.

        Args:
            regions: all regions, by their plain names; "" is that of machines without one.
            first: those of them that come first where the order is free, such as the canaries'.
        """
        if self.rule == "together":
            return dict.fromkeys(regions, 0)
        said = {plain(each): n for n, phase in enumerate(self.written) for each in phase}
        others = sorted(set(regions) - said.keys(), key=lambda r: (r not in first, not r, r))
        said |= self._others(others, len(self.written))
        return {region: said[region] for region in regions}

    def _others(self, regions: list[str], start: int) -> dict[str, int]:
        """Put each region into the first phase in which none of its partners stands."""
        if self.rule == "one_by_one":
            return {region: start + n for n, region in enumerate(regions)}
        found: dict[str, int] = {}
        for region in regions:
            taken = {found[p] for p in self.pairs.of_region(region) if p in found}
            found[region] = next(n for n in range(start, start + len(regions)) if n not in taken)
        return found
