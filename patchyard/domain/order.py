"""Order: stages of a rollout, so that what comes first and paired regions are in earlier waves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from patchyard.domain.availability import Availability
from patchyard.domain.counting import names
from patchyard.domain.inventory import Machine
from patchyard.domain.quorum import Groups, Path
from patchyard.domain.regions import RegionPairs, plain
from patchyard.domain.waves import is_canary, make_waves
from patchyard.errors import ConfigurationError, Problem

Waves = tuple[tuple[str, ...], ...]


def staged_waves(
    machines: Sequence[Machine], sizes: Sequence[str], groups: Groups, published: RegionPairs
) -> Waves:
    """Cut machines into waves, none of them across two stages.

    Raises:
        ConfigurationError: the sizes cannot be read, or the rules contradict each other.
    """
    if not machines:
        return make_waves((), sizes)
    cut = (make_waves(stage, sizes) for stage in stages(machines, groups, published))
    return tuple(chain.from_iterable(cut))


def stages(
    machines: Sequence[Machine], groups: Groups, published: RegionPairs
) -> tuple[tuple[Machine, ...], ...]:
    """Put machines into stages that come one after the other.

    In no stage two regions are paired, and what comes after others is in a later stage than
    they are. A phase of regions is taken as far as it goes before the next one begins.

    Raises:
        ConfigurationError: what comes after what goes round in a circle.
    """
    left = _by_phase(machines, groups.rules, published)
    queue = _Queue(machines, groups)
    found: list[tuple[Machine, ...]] = []
    while any(left):
        before = len(found)
        for phase in left:
            while ready := queue.take(phase):
                found.append(ready)
                taken = {machine.name for machine in ready}
                phase[:] = [machine for machine in phase if machine.name not in taken]
        if len(found) == before:
            raise ConfigurationError([_circle(chain.from_iterable(left))])
    return tuple(found)


def _by_phase(
    machines: Sequence[Machine], rules: Availability, published: RegionPairs
) -> list[list[Machine]]:
    """Put machines by their regions' phases; a region with canaries comes early."""
    phases = rules.region_phases(published)
    regions = {machine.name: plain(machine.region or "") for machine in machines}
    first = {regions[machine.name] for machine in machines if is_canary(machine)}
    numbers = phases.number(frozenset(regions.values()), first=first)
    found: list[list[Machine]] = [[] for _ in range(max(numbers.values(), default=-1) + 1)]
    for machine in machines:
        found[numbers[regions[machine.name]]].append(machine)
    return found


class _Queue:
    """Who waits for whom. Whoever is taken is waited for no more."""

    def __init__(self, machines: Iterable[Machine], groups: Groups) -> None:
        self._groups = groups
        self._open = Counter(key for machine in machines for key in groups.before(machine))

    def take(self, machines: Iterable[Machine]) -> tuple[Machine, ...]:
        """Take those that wait for nobody."""
        open_ = self._open
        ready = tuple(m for m in machines if not any(open_[k] for k in self._groups.after(m)))
        open_.subtract(key for machine in ready for key in self._groups.before(machine))
        return ready


def contradictions(
    machines: Sequence[Machine], groups: Groups, published: RegionPairs, *, whole: bool = True
) -> Iterator[tuple[Path, str]]:
    """Tell what of the rules cannot hold for the machines of a scope: the field, and why not.

    Args:
        machines: all of the scope; or those only that have something to do, without `whole`.
        groups: the groups of the inventory's machines.
        published: the regions that are known to be paired.
        whole: whether a run looks at no other machines than these.
    """
    known = groups.rules.region_phases(published).pairs
    for number, phase in enumerate(groups.rules.phases):
        if pair := known.within(phase):
            said = f"{pair[0]} and {pair[1]} are paired; write them in different phases"
            yield ("phases", number), said
    impossible = tuple(groups.impossible(machines, whole=whole))
    yield from impossible
    if not any(path[0] == "order" for path, _ in impossible):
        try:
            stages(machines, groups, published)
        except ConfigurationError as error:
            yield ("order",), error.problems[0].message


def _circle(left: Iterable[Machine]) -> Problem:
    told = f"{names((machine.name for machine in left), 3)} wait for each other"
    return Problem(f"{told}; take one of the orders away", field="availability.order")
