"""What an emergency keeps of the configurations that know its machines: the strictest of each.

A run has one set of rules for all of its machines. Where those of several configurations cannot
be one, each needs an emergency of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeVar

from patchyard.domain.around import Hook, Notice
from patchyard.domain.availability import Availability
from patchyard.domain.emergency import Scene
from patchyard.domain.limits import Budget
from patchyard.domain.maintenance import MaintenanceConfiguration
from patchyard.errors import ConfigurationError

T = TypeVar("T")

REGIONS = ("together", "paired_apart", "one_by_one")
"""From loose to strict."""


def _configurations(scene: Scene) -> tuple[MaintenanceConfiguration, ...]:
    by_name = {lane.configuration.name: lane.configuration for lane, _ in scene.lanes}
    return tuple(by_name.values())


def budget(scene: Scene, own: Budget) -> Budget:
    """Return the strictest of a run's own failure budget and those of the configurations."""
    every = [own, *(lane.configuration.failure_budget() for lane, _ in scene.lanes)]
    counts = [each.max_failures for each in every if each.max_failures is not None]
    shares = [each.max_failure_percent for each in every if each.max_failure_percent is not None]
    return Budget(min(counts, default=None), min(shares, default=None))


def excluded(scene: Scene) -> tuple[str, ...]:
    """Return the masks of what the configurations never install on systems like these."""
    families = {machine.name: machine.os_family for machine in scene.machines}
    every = (
        lane.configuration.selection(family).exclude
        for lane, held in scene.lanes
        for family in sorted({families[name] for name in held})
    )
    return tuple(dict.fromkeys(mask for masks in every for mask in masks))


def domain_limit(scene: Scene, own: int) -> int:
    """Return how many of a failure domain may be away at once: one where a share is written."""
    written = [each.domain_limit for each in _configurations(scene)]
    counts = [each for each in written if isinstance(each, int)]
    return min([own, *counts]) if len(counts) == len(written) else 1


def slots(scene: Scene, own: int) -> int:
    """Return how many machines are at work at once: the fewest of all."""
    return min([own, *(each.slots for each in _configurations(scene))])


def availability(scene: Scene) -> Availability:
    """Return all availability rules together, the strictest of each.

    Raises:
        ConfigurationError: configurations name services or phases that cannot be one.
    """
    every = [each.availability for each in _configurations(scene)] or [Availability()]
    phases = [each.phases for each in every if each.phases] or [Availability().phases]
    return Availability(
        regions=max((each.regions for each in every), key=REGIONS.index),
        phases=_one(scene, "phases of regions", phases),
        service=_one(scene, "a service", [each.service for each in every]),
        zones=_strictest(each.zones for each in every),
        update_domains=_strictest(each.update_domains for each in every),
        pairs=_all(each.pairs for each in every),
        quorum=_all(each.quorum for each in every),
        order=_all(each.order for each in every),
        apart=_all(each.apart for each in every),
    )


def hooks(scene: Scene) -> tuple[Hook, ...]:
    """Return the hooks of the configurations.

    Raises:
        ConfigurationError: some machines have other hooks than others: a hook is called for all.
    """
    every = [each.hooks for each in _configurations(scene)]
    every += [()] if scene.strangers else []
    return _one(scene, "hooks", every) if every else ()


def notices(scene: Scene) -> tuple[Notice, ...]:
    """Return the notices of all configurations: everybody is told."""
    return _all(each.notices for each in _configurations(scene))


Together = Literal["one_at_a_time", "together"]


def _strictest(found: Iterable[Together]) -> Together:
    return "together" if all(each == "together" for each in found) else "one_at_a_time"


def _all(found: Iterable[tuple[T, ...]]) -> tuple[T, ...]:
    """Return what is in any of them, once."""
    every = [one for each in found for one in each]
    return tuple(one for at, one in enumerate(every) if one not in every[:at])


def _one(scene: Scene, what: str, found: list[T]) -> T:
    """Return what all of them have.

    Raises:
        ConfigurationError: they have not the same.
    """
    if any(each != found[0] for each in found):
        named = ", ".join(each.name for each in _configurations(scene))
        raise ConfigurationError.of(
            f"{what} of {named} and of machines in no configuration cannot be one in a run; "
            "start an emergency for the scope of each",
            field="scope",
        )
    return found[0]
