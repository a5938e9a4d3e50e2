"""Waves: an ordered share of the fleet each, the canary first."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Sequence
from math import ceil

from patchyard.domain.inventory import Machine
from patchyard.errors import ConfigurationError

_RULE = re.compile(r"^(?:(?P<count>[1-9]\d*)|(?P<percent>\d+(?:\.\d+)?)\s*%|(?P<rest>rest))$")


def make_waves(machines: Sequence[Machine], rules: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Cut machines into waves, every machine in exactly one.

    A rule is a count (`1`), a share of the whole fleet (`25%`, rounded up, at least one) or
    `rest`. What the rules leave over makes one last wave. Machines tagged `canary: true` come
    first; the others are dealt so that a wave takes from many failure domains, not all of one.

    Raises:
        ConfigurationError: a rule cannot be read.
    """
    sizes = [_size(rule, len(machines)) for rule in rules]
    order = _dealt(machines)
    waves: list[tuple[str, ...]] = []
    for size in [*sizes, len(order)]:
        wave, order = order[:size], order[size:]
        if wave:
            waves.append(tuple(machine.name for machine in wave))
    return tuple(waves)


def _size(rule: str, fleet: int) -> int:
    found = _RULE.match(rule.strip())
    if found is None:
        raise ConfigurationError.of(
            f"{rule!r} is no size of a wave; write a count such as 1, a share such as 25%, or rest",
            field="waves",
        )
    if found["rest"]:
        return fleet
    if found["count"]:
        return int(found["count"])
    percent = float(found["percent"])
    if not 0 < percent <= 100:  # noqa: PLR2004 - a whole
        raise ConfigurationError.of(f"{rule!r} is no share; write 1% to 100%", field="waves")
    return max(1, ceil(fleet * percent / 100))


def _dealt(machines: Sequence[Machine]) -> list[Machine]:
    """Canaries first; then one of each failure domain in turn."""
    by_name = sorted(machines, key=lambda machine: machine.name)
    canaries = [machine for machine in by_name if _is_canary(machine)]
    hands: dict[tuple[str, ...], deque[Machine]] = defaultdict(deque)
    for machine in by_name:
        if not _is_canary(machine):
            hands[(*machine.domains, machine.zone or "")].append(machine)
    dealt: list[Machine] = []
    while hands:
        for key in sorted(hands):
            dealt.append(hands[key].popleft())
            if not hands[key]:
                del hands[key]
    return canaries + dealt


def _is_canary(machine: Machine) -> bool:
    return str(machine.tags.get("canary", "")).lower() in {"true", "yes", "1"}
