"""Rules across two runs: a window has two where Linux and Windows get different updates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from patchyard.domain.counting import first_few
from patchyard.domain.inventory import Machine, OsFamily
from patchyard.domain.maintenance import MaintenanceConfiguration
from patchyard.domain.quorum import Groups
from patchyard.domain.regions import RegionPairs, plain

NAMED = 3
"""Rules that are named before the others are only counted."""


def across_two_runs(
    configuration: MaintenanceConfiguration,
    machines: Iterable[Machine],
    groups: Groups,
    published: RegionPairs,
) -> str:
    """Tell which rules hold for machines of both runs of a window, each for itself only."""
    if configuration.selection(OsFamily.WINDOWS) == configuration.selection(OsFamily.DEBIAN):
        return ""
    of: dict[bool, list[Machine]] = {True: [], False: []}
    for machine in machines:
        of[machine.os_family == OsFamily.WINDOWS].append(machine)
    ours, theirs = ({key for m in part for key in _rules(groups, m)} for part in of.values())
    shared = sorted(ours & theirs)
    pairs = groups.rules.region_phases(published).pairs
    if groups.rules.regions != "together" and _paired(of[True], of[False], pairs):
        shared.append("paired regions")
    if not shared:
        return ""
    return (
        "Linux and Windows machines get different updates, so a window has two runs at once, and "
        f"each keeps for itself only: {first_few(shared, NAMED)}"
    )


def _rules(groups: Groups, machine: Machine) -> Iterator[str]:
    member = groups.member(machine, 0)
    yield from member.domains
    yield from (group for group, _ in member.lanes)
    yield from member.quorums
    yield from {key.partition(" ")[0] for key in (*member.before, *member.after)}


def _paired(some: Iterable[Machine], others: Iterable[Machine], pairs: RegionPairs) -> bool:
    here = {plain(machine.region or "") for machine in others}
    return any(here & pairs.of_region(plain(machine.region or "")) for machine in some)
