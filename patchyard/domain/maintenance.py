"""Maintenance configurations: when, how and what for the machines of a scope."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from patchyard.domain.around import Approval, Hook, Notice, named_twice
from patchyard.domain.attributes import values
from patchyard.domain.availability import Availability
from patchyard.domain.conditions import Both, Compared, Condition, Either, Exists, Not
from patchyard.domain.durations import Duration, write_duration
from patchyard.domain.filling import filled
from patchyard.domain.freezes import Freeze
from patchyard.domain.inventory import CheckSpec, Inventory, Machine, OsFamily
from patchyard.domain.limits import Budget, DomainLimit, Limits, per_domain
from patchyard.domain.maintenance_windows import Window, windows
from patchyard.domain.os_updates import LinuxUpdates, WindowsUpdates
from patchyard.domain.path import RebootSetting
from patchyard.domain.rings import Ring
from patchyard.domain.schedule import Schedule, told
from patchyard.domain.scope import parse
from patchyard.domain.selection import Selection
from patchyard.domain.value import Value
from patchyard.domain.waves import parse_waves
from patchyard.domain.zones import zone_of
from patchyard.errors import ConfigurationError, Problem


class ScopeKind(StrEnum):
    """What is maintained. Only guests are so far; the others have their place."""

    GUEST = "guest"
    HOST = "host"
    OS_IMAGE = "os_image"
    EXTENSION = "extension"


SHORTEST: Mapping[ScopeKind, timedelta] = MappingProxyType(
    {
        ScopeKind.HOST: timedelta(hours=2),
        ScopeKind.OS_IMAGE: timedelta(hours=5),
        ScopeKind.EXTENSION: timedelta(hours=5),
    }
)
"""The shortest windows that Azure takes for these kinds."""

LONGEST_SOAK = timedelta(days=7)
"""No window is longer, so no soak could ever end in one."""

LONGEST_PREPARATION = timedelta(hours=24)
"""A plan that is older when its window opens tells of an older world."""


class FailureBudget(Value):
    """How many machines may fail before a run stops; more than that, and it does."""

    max_failures: int | None = Field(None, ge=0, strict=True, description="So many machines.")
    max_failure_percent: float = Field(
        10, ge=0, le=100, strict=True, description="Such a share of the run's machines, percent."
    )


def _number_as_text(written: object) -> object:
    """Take a wave of one machine as it is written in YAML: 1."""
    return str(written) if isinstance(written, int) and not isinstance(written, bool) else written


_WaveSize = Annotated[
    str,
    BeforeValidator(_number_as_text),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
]


def _all_or_names(written: object) -> object:
    if written == "all" or isinstance(written, list | tuple):
        return written
    raise ValueError("must be all, or a list of the names of freezes")


class MaintenanceSettings(Value):
    """A maintenance configuration as it is written below its name."""

    description: str = Field("", description="What it is for.")
    kind: ScopeKind = Field(ScopeKind.GUEST, description="What is maintained; guest: machines.")
    scope: Annotated[str, AfterValidator(told(parse))] = Field(
        description="Which machines, such as tags.role == web and not zone == 1."
    )
    schedule: Schedule = Field(description="When its windows are.")
    linux: LinuxUpdates = Field(LinuxUpdates(), description="Which updates on Linux.")
    windows: WindowsUpdates = Field(WindowsUpdates(), description="Which updates on Windows.")
    reboot: RebootSetting = Field(
        RebootSetting.IF_REQUIRED,
        description="What may be done where a reboot is owed; a machine's own policy wins.",
    )
    path: Literal["least_impact", "hotpatch_only"] = Field(
        "least_impact",
        description="How fixes take effect: with the least impact, a reboot included; "
        "or, where a system has hotpatches, with these only.",
    )
    waves: tuple[_WaveSize, ...] = Field(
        ("1", "25%", "rest"), description="Sizes of the waves: a count, a share, or rest."
    )
    soak: Duration = Field(timedelta(0), description="Time to wait between two waves.")
    slots: int = Field(
        10, ge=1, le=500, strict=True, description="How many machines are at work at once."
    )
    domain_limit: DomainLimit = Field(
        1,
        description="Machines of one availability set or cluster at work at once: a count, or a "
        "share such as 20%, with one at a time where there are fewer than 10.",
    )
    availability: Availability = Field(
        Availability(), description="Which machines are never away at once, and which come first."
    )
    budget: FailureBudget = Field(FailureBudget(), description="How many machines may fail.")
    checks: tuple[CheckSpec, ...] = Field(
        (), description="Health questions besides those of the machines."
    )
    undo: Literal["required", "preferred", "never"] | None = Field(
        None, description="The stricter of this and the machine's own policy holds."
    )
    hooks: tuple[Hook, ...] = Field((), description="Steps of your own, before and after.")
    notices: tuple[Notice, ...] = Field((), description="Who is told, and when.")
    approval: Approval = Field(Approval(), description="Whether a person must say yes.")
    prepare: Duration = Field(
        timedelta(0),
        description="How long before a window its run begins: it freezes the plan, asks for "
        "approval and lets machines download. Nothing is installed before. 24 hours at most.",
    )
    ring: Ring | None = Field(
        None, description="Install only what another configuration's machines run well already."
    )
    freezes: Annotated[Literal["all"] | tuple[str, ...], BeforeValidator(_all_or_names)] = Field(
        "all", description="Freezes that hold for it, by name; all where nothing is written."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        shortest = SHORTEST.get(self.kind)
        if shortest is not None and self.schedule.length < shortest:
            raise ValueError(
                f"has windows that are too short for {self.kind}; "
                f"write a length of {write_duration(shortest)} or more"
            )
        if not timedelta(0) <= self.soak <= LONGEST_SOAK:
            most = write_duration(LONGEST_SOAK)
            raise ValueError(
                f"soaks for longer than any window lasts; write a soak of 0m to {most}"
            )
        if not timedelta(0) <= self.prepare <= LONGEST_PREPARATION:
            most = write_duration(LONGEST_PREPARATION)
            raise ValueError(f"prepares for longer than a run may; write a prepare of 0m to {most}")
        if twice := named_twice(self.hooks):
            raise ValueError(twice)
        if not self.waves:
            raise ValueError("has no waves; write rest for one of all machines")
        try:
            parse_waves(self.waves)
        except ConfigurationError as error:
            raise ValueError(f"cannot be cut into waves: {error}") from None
        return self


class MaintenanceConfiguration(MaintenanceSettings):
    """A maintenance configuration, with its name."""

    name: str

    def selection(self, family: OsFamily) -> Selection:
        """Return which updates a machine of a family of systems gets."""
        if family == OsFamily.WINDOWS:
            return self.windows.selection(hotpatch_only=self.path == "hotpatch_only")
        return self.linux.selection()

    def failure_budget(self) -> Budget:
        """Return the budget as the rollout takes it."""
        return Budget(self.budget.max_failures, self.budget.max_failure_percent)

    def limits(self) -> Limits:
        """Return the limits as the rollout takes them."""
        return Limits(slots=self.slots, per_domain=per_domain(self.domain_limit), soak=self.soak)

    def machines(self, inventory: Inventory) -> tuple[Machine, ...]:
        """Return the machines in scope."""
        return parse(self.scope).select(inventory.machines)

    def by_zone(self, machines: Iterable[Machine]) -> dict[str, tuple[Machine, ...]]:
        """Return machines by the zone whose clock their windows follow.

        Raises:
            ConfigurationError: machines name zones that there are not; all of them are listed.
        """
        found: dict[str, list[Machine]] = defaultdict(list)
        problems = []
        for machine in machines:
            zone, wrong = self._zone(machine)
            found[zone].append(machine)
            if wrong:
                where = f"{machine.name}: {self.schedule.time_zone_from}"
                problems.append(Problem(wrong, field=where))
        if problems:
            raise ConfigurationError(problems)
        return {zone: tuple(of) for zone, of in found.items()}

    def _zone(self, machine: Machine) -> tuple[str, str]:
        """Return the zone of a machine, and what is wrong with it."""
        attribute = self.schedule.time_zone_from
        own = values(machine, attribute) if attribute else ()
        if not own:
            return self.schedule.time_zone, ""
        if len(own) > 1:
            return own[0], "names several zones; write one"
        try:
            zone_of(own[0])
        except ConfigurationError as error:
            return own[0], error.problems[0].message
        return own[0], ""

    def scope_in(self, zone: str) -> str:
        """Return the scope of those machines whose windows follow a zone's clock."""
        attribute, whole = self.schedule.time_zone_from, parse(self.scope).condition
        if not attribute:
            return self.scope
        own: Condition = Compared(attribute, "==", zone)
        if zone == self.schedule.time_zone:
            own = Either((own, Not(Exists(attribute))))
        return str(Both((whole, own)))

    def under(self, machine: Machine) -> Machine:
        """Return a machine as this configuration has it: its checks, the stricter undo policy."""
        own = (
            CheckSpec(kind=check.kind, options=filled(check.options, machine))
            for check in self.checks
        )
        checks = tuple(check for check in own if check not in machine.checks)
        strict = ("never", "preferred", "required")
        undo = max(machine.policy.undo, self.undo or "never", key=strict.index)
        policy = machine.policy.model_copy(update={"undo": undo})
        return machine.model_copy(update={"checks": machine.checks + checks, "policy": policy})


@dataclass(frozen=True, slots=True)
class Maintenance:
    """All configurations and freezes that stand beside one inventory."""

    configurations: tuple[MaintenanceConfiguration, ...]
    freezes: Mapping[str, tuple[Freeze, ...]] = field(default_factory=dict)

    def freezes_of(self, configuration: MaintenanceConfiguration) -> tuple[Freeze, ...]:
        """Return the freezes that hold for a configuration."""
        names = self.freezes if configuration.freezes == "all" else configuration.freezes
        return tuple(freeze for name in names for freeze in self.freezes[name])

    def windows(
        self, configuration: MaintenanceConfiguration, zone: str, since: datetime
    ) -> Iterator[Window]:
        """Return a configuration's windows in one zone that end after `since`."""
        table = configuration.schedule.timetable(configuration.name)
        return windows(table, zone, since, self.freezes_of(configuration))
