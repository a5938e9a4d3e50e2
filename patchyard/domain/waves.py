"""Waves: an ordered share of the fleet each, the canaries first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from patchyard.domain.inventory import Machine
from patchyard.domain.spread import spread
from patchyard.errors import ConfigurationError, Problem

WHOLE = 100
"""Percent of a fleet that are all of it."""

_COUNT = re.compile(r"\d{1,9}")
_PERCENT = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*%")
_TRUE = frozenset({"true", "yes", "1"})


@dataclass(frozen=True, slots=True)
class WaveRule:
    """The size of one wave: so many machines, or a share of the whole fleet."""

    count: int | None = None
    percent: Fraction | None = None

    def size(self, fleet: int) -> int:
        """Return how many machines the wave has. A share is rounded up and is at least one."""
        if self.count is not None:
            return self.count
        if self.percent is not None:
            return max(1, ceil(fleet * self.percent / WHOLE))
        return fleet


REST = WaveRule()
"""All that is left."""


def parse_waves(rules: Sequence[str]) -> tuple[WaveRule, ...]:
    """Read the sizes of waves: a count (`1`), a share of the whole fleet (`25%`), or `rest`.

    Raises:
        ConfigurationError: some cannot be read; all of them are named.
    """
    read = [_read(rule.strip()) for rule in rules]
    problems = [
        Problem(found, field=f"waves[{number}]")
        for number, found in enumerate(read)
        if isinstance(found, str)
    ]
    sizes = tuple(found for found in read if isinstance(found, WaveRule))
    problems += [
        Problem("nothing is left after rest; write rest last", field=f"waves[{number + 1}]")
        for number, found in enumerate(read[:-1])
        if found == REST
    ]
    if problems:
        raise ConfigurationError(problems)
    return sizes


def _read(rule: str) -> WaveRule | str:
    """Read one rule, or say what is wrong with it."""
    if rule.lower() == "rest":
        return REST
    if _COUNT.fullmatch(rule):
        return WaveRule(count=int(rule)) if int(rule) else f"{rule!r} is empty; write 1 or more"
    share = _PERCENT.fullmatch(rule)
    if share is None:
        return (
            f"{rule!r} is no size of a wave; "
            "write a count such as 1, a share of the fleet such as 25%, or rest"
        )
    percent = Fraction(share[1])
    if not 0 < percent <= WHOLE:
        return f"{rule!r} is no share; write more than 0% and at most 100%"
    return WaveRule(percent=percent)


def make_waves(machines: Sequence[Machine], rules: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Cut machines into waves, every machine in exactly one. The same fleet gives the same waves.

    Machines tagged `canary: true` are all in the first wave, which grows where it must. The
    others are dealt so that each wave takes its share of every failure domain and zone, and
    not all of one. What the rules leave over makes one last wave.

    Raises:
        ConfigurationError: a rule cannot be read.
    """
    sizes = [rule.size(len(machines)) for rule in parse_waves(rules)] or [len(machines)]
    by_name = sorted(machines, key=lambda machine: machine.name)
    canaries = [machine for machine in by_name if is_canary(machine)]
    sizes[0] = max(sizes[0], len(canaries))
    order = [*(machine.name for machine in canaries), *spread(by_name, first=canaries)]
    waves: list[tuple[str, ...]] = []
    for size in [*sizes, len(order)]:
        wave, order = order[:size], order[size:]
        if wave:
            waves.append(tuple(wave))
    return tuple(waves)


def is_canary(machine: Machine) -> bool:
    """Say whether a machine is tagged as a canary."""
    return str(machine.tags.get("canary", "")).lower() in _TRUE
