"""Spread: an order of machines in which no failure domain is ahead of the others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from heapq import heapify, heappop, heapreplace

from patchyard.domain.inventory import Machine

_Zone = tuple[str, str]
_Domains = tuple[str, ...]
_Offer = tuple[float, str, _Domains]
_Rank = tuple[float, float, _Zone]


def spread(machines: Collection[Machine], *, first: Collection[Machine] = ()) -> Iterator[str]:
    """Return names in such an order that each piece of it has its share of every domain.

    Args:
        machines: all of them; their order makes no difference.
        first: those of them that are taken already, and are not named again.
    """
    deck = _Deck(machines)
    taken = {machine.name for machine in first}
    for machine in first:
        deck.took(_domains(machine), _zone(machine))
    deck.deal_in([machine for machine in machines if machine.name not in taken])
    return iter(deck)


def _domains(machine: Machine) -> _Domains:
    """Machines without a domain are a domain of their own in each zone, so all come in turn."""
    return machine.domains or (f"none:{_zone(machine)}",)


def _zone(machine: Machine) -> _Zone:
    """A zone's name says something within its region only."""
    return machine.region or "", machine.zone or ""


class _Deck:
    """Machines in hands, one for each zone, and how much of each domain has been taken.

    Availability sets and clusters come before zones: of those machines whose domains have given
    the least, one in the zone that has given the least is next. What has been given only grows,
    so a rank that was worked out earlier is too low at worst, and is worked out anew on top.
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
        ranks = [self._rank(zone) for zone in self._offers]
        heapify(ranks)
        while ranks:
            zone = ranks[0][-1]
            rank = self._rank(zone)
            if rank != ranks[0]:
                heapreplace(ranks, rank)
                continue
            yield self._take_from(zone)
            if not self._offers[zone]:
                heappop(ranks)

    def _share(self, domains: _Domains) -> float:
        """Return how far the domain that is furthest on would be in the middle of its next."""
        return max((self._taken[domain] + 0.5) / self._sizes[domain] for domain in domains)

    def _rank(self, zone: _Zone) -> _Rank:
        """Rank a zone by its best offer, and then by how much it has given."""
        offers = self._offers[zone]
        while (share := self._share(offers[0][2])) != offers[0][0]:
            heapreplace(offers, (share, *offers[0][1:]))
        return share, (self._taken_in[zone] + 0.5) / self._zones[zone], zone

    def _take_from(self, zone: _Zone) -> str:
        """Take the best offer of a zone, and put the next of its kind in its place."""
        _, name, domains = self._offers[zone][0]
        self.took(domains, zone)
        names = self._names[zone, domains]
        names.pop()
        if names:
            heapreplace(self._offers[zone], (self._share(domains), names[-1], domains))
        else:
            heappop(self._offers[zone])
        return name
