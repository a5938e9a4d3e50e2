"""Preview: the windows to come, what is expected in them, and what does not fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice, takewhile

from patchyard.domain.admission import History
from patchyard.domain.expecting import Expected, expect
from patchyard.domain.inventory import Inventory, Machine
from patchyard.domain.looks import LastLook, starts
from patchyard.domain.maintenance import Maintenance, MaintenanceConfiguration
from patchyard.domain.maintenance_windows import State, Window
from patchyard.domain.order import Waves, staged_waves
from patchyard.domain.quorum import Groups
from patchyard.domain.regions import RegionPairs
from patchyard.domain.rings import Proof
from patchyard.domain.scope import parse
from patchyard.domain.updates import Assessment
from patchyard.domain.zones import how_read, zone_of

YEAR = timedelta(days=366)


@dataclass(frozen=True)
class Lane:
    """The machines of one configuration that follow one clock: they share every window."""

    configuration: MaintenanceConfiguration
    zone: str
    machines: tuple[Machine, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of its machines."""
        return frozenset(machine.name for machine in self.machines)


@dataclass(frozen=True)
class Case:
    """All that a preview is made of."""

    maintenance: Maintenance
    inventory: Inventory
    now: datetime
    assessments: Mapping[str, Assessment] = field(default_factory=dict)
    histories: Mapping[str, History] = field(default_factory=dict)
    pairs: RegionPairs = field(default_factory=RegionPairs)
    looks: Mapping[str, LastLook] = field(default_factory=dict)
    """The last looks at machines that were not seen at them, by name."""
    held: Mapping[str, str] = field(default_factory=dict)
    """Runs that have a machine and do not prove any more that they live, by its name."""
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    """What the ring before each configuration that has one has proven, by its name."""

    @cached_property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes of all configurations, those without machines in their own zone.

        Raises:
            ConfigurationError: machines name zones that there are not.
        """
        return tuple(lane for each in self.maintenance.configurations for lane in self._of(each))

    def waves(self, configuration: MaintenanceConfiguration, machines: Sequence[Machine]) -> Waves:
        """Cut machines into waves as a run of a configuration would."""
        groups = Groups(configuration.availability, self.inventory.machines)
        return staged_waves(machines, configuration.waves, groups, self.pairs)

    def _of(self, configuration: MaintenanceConfiguration) -> Iterator[Lane]:
        zones = configuration.by_zone(configuration.machines(self.inventory))
        for zone, machines in (zones or {configuration.schedule.time_zone: ()}).items():
            yield Lane(configuration, zone, machines)

    def windows(self, lane: Lane) -> Iterator[Window]:
        """Return the windows of a lane that have not ended."""
        return self.maintenance.windows(lane.configuration, lane.zone, self.now)

    def within(self, lane: Lane, ahead: timedelta) -> tuple[Window, ...]:
        """Return the windows of a lane that begin while no more time than that has passed."""
        end = self.now + ahead
        return tuple(takewhile(lambda window: window.start <= end, self.windows(lane)))

    def expected(self, lane: Lane) -> tuple[Expected, ...]:
        """Say what each machine of a lane is expected to get."""
        return tuple(
            expect(
                lane.configuration,
                machine,
                self.assessments,
                self.histories,
                is_off=self._to_start(machine),
            )
            for machine in lane.machines
        )

    def _to_start(self, machine: Machine) -> bool:
        """Say whether a machine was off when it was last looked at, and a run would start it."""
        look = self.looks.get(machine.name)
        return look is not None and look.off_at is not None and starts(machine)


@dataclass(frozen=True, slots=True)
class Opening:
    """A window to come, and the machines in it.

    `expected` tells what those machines get that have no window before it. What the others get
    depends on what is left then. `prepare` is how long before it its run begins.
    """

    window: Window
    machines: tuple[Machine, ...]
    expected: tuple[Expected, ...] = ()
    prepare: timedelta = timedelta(0)


def openings(case: Case, number: int) -> tuple[Opening, ...]:
    """Return the next so many windows of every configuration, in the order in which they begin."""
    found = [(window, lane) for lane in case.lanes for window in islice(case.windows(lane), number)]
    found.sort(key=lambda pair: (pair[0].start, pair[0].key))
    served: set[str] = set()
    shown = []
    for window, lane in found:
        new = lane.names - served if window.state == State.OPEN else frozenset[str]()
        served |= new
        expected = case.expected(lane) if new else ()
        now = tuple(each for each in expected if each.machine.name in new)
        shown.append(Opening(window, lane.machines, now, lane.configuration.prepare))
    return tuple(shown)


def notes(case: Case) -> Iterator[str]:
    """Tell what is not carried out, and names in scopes that fit nothing."""
    for each in case.maintenance.configurations:
        if each.kind != "guest":
            yield f"{each.name}: maintenance of kind {each.kind} is not carried out yet"
        for name in parse(each.scope).unmatched_names(case.inventory.machines):
            yield f"{each.name}: no machine is named {name}"
    for lane in case.lanes:
        yield from _clock_changes(case, lane)


def _clock_changes(case: Case, lane: Lane) -> Iterator[str]:
    """Tell where a change of clocks meets the start of a window in the year to come."""
    info = zone_of(lane.zone)
    for window in case.within(lane, YEAR):
        if said := how_read(window.occurrence, info):
            yield f"{window.key}, {lane.zone}: {said}"
            return
