"""Spread: an order of machines in which no failure domain is ahead of the others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from heapq import heapify, heappop, heapreplace

from patchyard.domain.inventory import Machine

_ALONE = ("alone",)
"""The domain of machines that are in none: they too are dealt in their proportion."""

_Zone = tuple[str, str]
_Domains = tuple[str, ...]
_Offer = tuple[float, str, _Domains]


def spread(machines: Collection[Machine], *, first: Collection[Machine] = ()) -> Iterator[str]:
    """Return names in such an order that each piece of it has its share of every domain.

    Args:
        machines: all of them, by name.
        first: those of them that are taken already, and are not named again.
    """
    deck = _Deck(machines)
    taken = {machine.name for machine in first}
    for machine in first:
        deck.took(_domains(machine), _zone(machine))
    deck.deal_in([machine for machine in machines if machine.name not in taken])
    return iter(deck)


def _domains(machine: Machine) -> _Domains:
    return machine.domains or _ALONE


def _zone(machine: Machine) -> _Zone:
    """A zone's name says something within its region only."""
    return machine.region or "", machine.zone or ""


class _Deck:
    """Machines in hands, one for each zone, and how much of each domain has been taken.

    Availability sets and clusters come before zones: of those machines whose domains have given
    the least, one in the zone that has given the least is next.
    """

    def __init__(self, machines: Collection[Machine]) -> None:
        self._sizes = Counter(d for machine in machines for d in _domains(machine))
        self._zones = Counter(map(_zone, machines))
        self._taken: Counter[str] = Counter()
        self._taken_in: Counter[_Zone] = Counter()
        self._names: dict[tuple[_Zone, _Domains], list[str]] = defaultdict(list)
        self._offers: dict[_Zone, list[_Offer]] = defaultdict(list)

    def deal_in(self, machines: Collection[Machine]) -> None:
        """Put machines into the hands."""
        for machine in sorted(machines, key=lambda machine: machine.name, reverse=True):
            self._names[_zone(machine), _domains(machine)].append(machine.name)
        for (zone, domains), names in self._names.items():
            self._offers[zone].append((self._share(domains), names[-1], domains))
        for offers in self._offers.values():
            heapify(offers)

    def took(self, domains: _Domains, zone: _Zone) -> None:
        """Count a machine as taken."""
        self._taken.update(domains)
        self._taken_in[zone] += 1

    def __iter__(self) -> Iterator[str]:
        while self._offers:
            zone = min(self._offers, key=self._rank)
            _, name, domains = self._offers[zone][0]
            self.took(domains, zone)
            self._play(zone, domains)
            yield name

    def _share(self, domains: _Domains) -> float:
        """Return how far the domain that is furthest on would be in the middle of its next."""
        return max((self._taken[d] + 0.5) / self._sizes[d] for d in domains)

    def _rank(self, zone: _Zone) -> tuple[float, float, _Zone]:
        """Order zones by their best offer. Shares only grow, so an old one is too low at worst."""
        offers = self._offers[zone]
        while (share := self._share(offers[0][2])) != offers[0][0]:
            heapreplace(offers, (share, *offers[0][1:]))
        return share, (self._taken_in[zone] + 0.5) / self._zones[zone], zone

    def _play(self, zone: _Zone, domains: _Domains) -> None:
        """Take the best offer of a zone away, and put the next of its kind in its place."""
        names = self._names[zone, domains]
        names.pop()
        if names:
            heapreplace(self._offers[zone], (self._share(domains), names[-1], domains))
            return
        heappop(self._offers[zone])
        if not self._offers[zone]:
            del self._offers[zone]
