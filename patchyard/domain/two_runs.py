"""Rules across two runs: a window has two where Linux and Windows get different updates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from patchyard.domain.counting import first_few
from patchyard.domain.inventory import Machine, OsFamily
from patchyard.domain.maintenance import MaintenanceConfiguration
from patchyard.domain.quorum import Groups

NAMED = 3
"""Rules that are named before the others are only counted."""


def across_two_runs(
    configuration: MaintenanceConfiguration, machines: Iterable[Machine], groups: Groups
) -> str:
    """Tell which rules two runs of a window cannot keep together.

    Each sees what the other has at work. But it waits for nothing that the other has not begun,
    and what the other looks at is not known to be up here.
    """
    if configuration.selection(OsFamily.WINDOWS) == configuration.selection(OsFamily.DEBIAN):
        return ""
    of: dict[bool, set[str]] = {True: set(), False: set()}
    for machine in machines:
        of[machine.os_family == OsFamily.WINDOWS] |= set(_rules(groups, machine))
    shared = sorted(of[True] & of[False])
    if not shared:
        return ""
    return (
        "Linux and Windows machines get different updates, so a window has two runs at once, and "
        f"each keeps for itself only: {first_few(shared, NAMED)}"
    )


def _rules(groups: Groups, machine: Machine) -> Iterator[str]:
    yield from (key for key in groups.quorums(machine) if key.startswith("quorum"))
    for key in (*groups.before(machine), *groups.after(machine)):
        yield key.partition(" ")[0]
