"""Emergency: which rules stand in the way of a run now, and which of them it was told to bypass.

Windows, freezes and soak are bypassed by name, each by itself. What is not bypassed holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import islice

from patchyard.domain.counting import names
from patchyard.domain.durations import write_duration
from patchyard.domain.freezes import Freeze, Frozen, frozen_times
from patchyard.domain.inventory import Inventory, Machine
from patchyard.domain.maintenance import Maintenance, MaintenanceConfiguration, ScopeKind
from patchyard.domain.maintenance_windows import State, Window
from patchyard.domain.path import RebootSetting
from patchyard.domain.preview import Case, Lane
from patchyard.domain.value import Value

NOT_BYPASSED = "not_bypassed"
"""The word for an emergency in whose way a rule stands that it was not told to bypass."""

INSTANT = timedelta(microseconds=1)

LONGEST = timedelta(days=8)
"""A run is over by then: how far a freeze is looked for that it must not run into."""

LOOKED_AT = 500
"""Windows that are looked at for one that opens: a calendar may freeze them all."""


class Bypass(StrEnum):
    """A rule that an emergency may bypass."""

    WINDOWS = "windows"
    FREEZES = "freezes"
    SOAK = "soak"


class Obstacle(Value):
    """A rule that was in force when an emergency began, and the machines that it held for.

    One that `refuses` keeps an emergency out that does not bypass it; others are waited for.
    """

    rule: Bypass
    name: str
    detail: str = ""
    machines: tuple[str, ...]
    bypassed: bool
    refuses: bool = True

    @property
    def text(self) -> str:
        """It in words."""
        held = "bypassed" if self.bypassed else "not bypassed"
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.rule}: {self.name}{detail}, {held}, on {names(self.machines)}"


class Emergency(Value):
    """The evidence of an emergency: who wanted it and why, what it was told to bypass, what stood.

    `requested_by` is a claim, as an approver's name is.
    """

    reason: str
    requested_by: str
    fixes: tuple[str, ...] = ()
    bypass: tuple[Bypass, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()

    @property
    def bypassed(self) -> str:
        """What was bypassed, in words."""
        return ", ".join(self.bypass) or "nothing"

    @property
    def refused(self) -> str:
        """Why it may not begin; empty where it may."""
        holding = [each for each in self.obstacles if not each.bypassed and each.refuses]
        return "; ".join(each.text for each in holding)


@dataclass(frozen=True)
class Scene:
    """The machines of an emergency, what is written about them, and the time."""

    maintenance: Maintenance
    inventory: Inventory
    machines: tuple[Machine, ...]
    now: datetime

    @cached_property
    def case(self) -> Case:
        """The same as a preview sees it."""
        return Case(self.maintenance, self.inventory, self.now)

    @cached_property
    def lanes(self) -> tuple[tuple[Lane, tuple[str, ...]], ...]:
        """The lanes of guest configurations, each with the names of its machines in scope."""
        chosen = [machine.name for machine in self.machines]
        every = (
            (lane, tuple(name for name in chosen if name in lane.names))
            for lane in self.case.lanes
            if lane.configuration.kind == ScopeKind.GUEST
        )
        return tuple((lane, held) for lane, held in every if held)

    @cached_property
    def strangers(self) -> tuple[str, ...]:
        """Machines in scope that no configuration knows: for them all freezes hold."""
        known = {name for _, held in self.lanes for name in held}
        return tuple(machine.name for machine in self.machines if machine.name not in known)

    def _freezes(self) -> Iterator[tuple[tuple[Freeze, ...], str, tuple[str, ...]]]:
        for lane, held in self.lanes:
            yield self.maintenance.freezes_of(lane.configuration), lane.zone, held
        if self.strangers:
            every = tuple(one for each in self.maintenance.freezes.values() for one in each)
            yield every, "UTC", self.strangers

    def frozen(self, until: datetime) -> dict[Frozen, tuple[str, ...]]:
        """Return the frozen intervals from now until then, and the machines that each holds for."""
        found: dict[Frozen, dict[str, None]] = defaultdict(dict)
        for freezes, zone, held in self._freezes():
            for interval in frozen_times(freezes, zone, self.now, until):
                found[interval] |= dict.fromkeys(held)
        return {interval: tuple(held) for interval, held in found.items()}

    def open_window(self, lane: Lane, *, freezes: bool) -> Window | None:
        """Return the window of a lane that is open now; a frozen one only without the freezes."""
        may = {State.OPEN} if freezes else {State.OPEN, State.FROZEN}
        for window in islice(self.case.windows(lane), LOOKED_AT):
            if window.start > self.now:
                return None
            if window.state in may:
                return window
        return None

    def closing(self, *, freezes: bool) -> dict[str, datetime]:
        """Return when the last open window of each machine ends that has one."""
        found: dict[str, datetime] = {}
        for lane, held in self.lanes:
            if window := self.open_window(lane, freezes=freezes):
                for name in held:
                    found[name] = max(found.get(name, window.end), window.end)
        return found


def declare(
    scene: Scene,
    *,
    reason: str,
    requested_by: str,
    fixes: Iterable[str] = (),
    bypass: Collection[Bypass] = (),
) -> Emergency:
    """Return the evidence of an emergency that begins now, with all that stands in its way."""
    return Emergency(
        reason=reason,
        requested_by=requested_by,
        fixes=tuple(fixes),
        bypass=tuple(rule for rule in Bypass if rule in bypass),
        obstacles=(*_frozen(scene, bypass), *_closed(scene, bypass), *_soaks(scene, bypass)),
    )


def _frozen(scene: Scene, bypass: Collection[Bypass]) -> Iterator[Obstacle]:
    for interval, machines in scene.frozen(scene.now + INSTANT).items():
        yield Obstacle(
            rule=Bypass.FREEZES,
            name=interval.name,
            detail=f"{_moment(interval.start)} to {_moment(interval.end)} UTC",
            machines=machines,
            bypassed=Bypass.FREEZES in bypass,
        )


def _closed(scene: Scene, bypass: Collection[Bypass]) -> Iterator[Obstacle]:
    """Tell the machines that have no open window. Those of no configuration need none."""
    in_window = scene.closing(freezes=Bypass.FREEZES not in bypass)
    for lane, held in scene.lanes:
        outside = tuple(name for name in held if name not in in_window)
        if outside:
            yield Obstacle(
                rule=Bypass.WINDOWS,
                name=lane.configuration.name,
                detail=_next(scene, lane),
                machines=outside,
                bypassed=Bypass.WINDOWS in bypass,
            )


def _next(scene: Scene, lane: Lane) -> str:
    every = islice(scene.case.windows(lane), LOOKED_AT)
    found = next((window for window in every if window.state == State.OPEN), None)
    if found is None:
        return "no window to come"
    return f"next window {found.key} from {_moment(found.start)} UTC"


def _soaks(scene: Scene, bypass: Collection[Bypass]) -> Iterator[Obstacle]:
    """Tell soak between waves, which is waited for, and rings, whose soak has not been here."""
    held_by: dict[str, list[str]] = defaultdict(list)
    configurations = {lane.configuration.name: lane.configuration for lane, _ in scene.lanes}
    for lane, held in scene.lanes:
        held_by[lane.configuration.name].extend(held)
    for name, machines in held_by.items():
        time, ring = configurations[name].soak, configurations[name].ring
        told = {f"{write_duration(time)} between waves": False} if time else {}
        told |= {f"only what ring {ring.after} has proven": True} if ring else {}
        for detail, refuses in told.items():
            yield Obstacle(
                rule=Bypass.SOAK,
                name=name,
                detail=detail,
                machines=tuple(machines),
                bypassed=Bypass.SOAK in bypass,
                refuses=refuses,
            )


def soak(scene: Scene, bypass: Collection[Bypass]) -> timedelta:
    """Return how long is waited between two waves: the longest soak of the configurations."""
    if Bypass.SOAK in bypass:
        return timedelta(0)
    return max((lane.configuration.soak for lane, _ in scene.lanes), default=timedelta(0))


def ends(scene: Scene, bypass: Collection[Bypass]) -> datetime | None:
    """Return when what is not bypassed ends the run: a window's end, a freeze's start."""
    found: list[datetime] = []
    if Bypass.WINDOWS not in bypass:
        found += scene.closing(freezes=Bypass.FREEZES not in bypass).values()
    if Bypass.FREEZES not in bypass:
        found += [each.start for each in scene.frozen(scene.now + LONGEST)]
    return min((at for at in found if at > scene.now), default=None)


def under_all(maintenance: Maintenance, inventory: Inventory) -> Inventory:
    """Return the machines as all guest configurations that know them have them.

    Their checks are added up, the strictest undo policy holds, and one that is never to be rebooted
    is not.
    """
    machines = {machine.name: machine for machine in inventory.machines}
    for configuration in maintenance.configurations:
        if configuration.kind == ScopeKind.GUEST:
            for known in configuration.machines(inventory):
                machines[known.name] = _under(configuration, machines[known.name])
    return Inventory(
        name=inventory.name, folder=inventory.folder, machines=tuple(machines.values())
    )


def _under(configuration: MaintenanceConfiguration, machine: Machine) -> Machine:
    under = configuration.under(machine)
    if under.policy.reboot is not None or configuration.reboot != RebootSetting.NEVER:
        return under
    policy = under.policy.model_copy(update={"reboot": configuration.reboot.value})
    return under.model_copy(update={"policy": policy})


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"
