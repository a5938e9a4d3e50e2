"""Parameters of the flows: what a person fills in, in the Prefect UI, in YAML or in Python.

The order of fields is the order of the form. Defaults are safe: nothing is changed by a run
that was started without a word.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from patchyard.domain.advisories import wrong_with_identifier
from patchyard.domain.around import Hook, Notice, named_twice
from patchyard.domain.availability import Availability
from patchyard.domain.emergency import Bypass, Emergency
from patchyard.domain.inventory import OsFamily
from patchyard.domain.limits import DomainLimit
from patchyard.domain.masks import wrong_with
from patchyard.domain.os_updates import WindowsClass
from patchyard.domain.selection import Selection
from patchyard.domain.updates import Classification
from patchyard.domain.waves import WHOLE, parse_waves

Name = Annotated[str, Field(min_length=1, max_length=200)]


def _field(default: Any, position: int, title: str, description: str, **limits: Any) -> Any:
    """Make a field with its place in the form. Prefect orders nested fields by `position`."""
    return Field(
        default,
        title=title,
        description=description,
        json_schema_extra={"position": position},
        **limits,
    )


def _identifiers(given: list[str]) -> list[str]:
    wrong = [told for text in given if (told := wrong_with_identifier(text))]
    if wrong:
        raise ValueError("; ".join(wrong))
    return given


class Parameters(BaseModel):
    """What every flow over a fleet needs to know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    inventory: Name = _field(
        ..., 0, "Inventory", "Folder of the inventory, or the name of one below inventories/."
    )
    scope: str = _field(
        "all", 1, "Scope", "Which machines, for example: tags.role == web and not zone == 1"
    )
    slots: int = _field(10, 20, "Slots", "How many machines are at work at once.", ge=1, le=500)


class AssessParameters(Parameters):
    """Assess a fleet: see what every machine has and could have. Changes nothing."""

    refresh: bool = _field(
        True, 2, "Refresh", "Ask the repositories anew; otherwise the machines' last answer counts."
    )


class WindowParameters(BaseModel):
    """The maintenance window that a run belongs to. `dispatch` fills it in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Name = _field(
        ...,
        0,
        "Key",
        "Configuration and local date, as the preview shows it: web@2026-03-14. One run has it.",
    )
    start: AwareDatetime = _field(..., 1, "Start", "Nothing begins before it.")
    end: AwareDatetime = _field(..., 2, "End", "What does not end before it does not begin.")
    prepare_from: AwareDatetime | None = _field(
        None,
        3,
        "Prepare from",
        "The run begins here, plans, asks and downloads.",
    )

    @property
    def begins(self) -> datetime:
        """When the run is to begin: with the window, or before it to prepare."""
        return self.prepare_from or self.start

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.end <= self.start:
            raise ValueError("ends before it starts")
        if self.begins > self.start:
            raise ValueError("is prepared after it has started")
        return self


class OnWindows(BaseModel):
    """Which updates Windows machines get, where these are others than those of the rest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    classifications: list[WindowsClass] = _field(
        ["Critical", "Security"],
        0,
        "Classifications",
        "Classes of updates to install on Windows machines.",
    )
    include: list[str] = _field(
        [], 1, "Include", "Also install updates by these masks, such as KB5041160."
    )
    exclude: list[str] = _field(
        [], 2, "Exclude", "Never install updates by these masks, nor what needs them."
    )

    @field_validator("include", "exclude")
    @classmethod
    def _masks(cls, given: list[str], info: ValidationInfo) -> list[str]:
        versions = info.field_name == "include"
        if wrong := [told for mask in given if (told := wrong_with(mask, versions=versions))]:
            raise ValueError("; ".join(wrong))
        return given


class PatchParameters(Parameters):
    """Patch a fleet: assess, freeze a plan, install it in waves, verify, undo what went bad."""

    dry_run: bool = _field(
        True, 2, "Dry run", "Assess and plan only. Nothing is installed while this is on."
    )
    classifications: list[
        Literal[
            "Critical",
            "Security",
            "Other",
            "UpdateRollUp",
            "FeaturePack",
            "ServicePack",
            "Definition",
            "Tools",
            "Updates",
        ]
    ] = _field(
        ["Critical", "Security"],
        3,
        "Classifications",
        "Classes of updates to install; Linux has the first three, Windows all but Other.",
    )
    include: list[str] = _field(
        [], 4, "Include", "Also install packages by these masks, such as nginx* or curl=7.88*."
    )
    exclude: list[str] = _field(
        [], 5, "Exclude", "Never install packages by these masks, nor what needs them."
    )
    reboot: Literal["if_required", "never", "always"] = _field(
        "if_required", 6, "Reboot", "What may be done where a reboot is owed."
    )
    hotpatch_only: bool = _field(
        False, 15, "Hotpatches only", "Where a system has hotpatches: install nothing else."
    )
    waves: list[str] = _field(
        ["1", "25%", "rest"],
        7,
        "Waves",
        "Sizes of the waves in order: a count, a share of the fleet, or rest.",
        min_length=1,
    )
    soak_minutes: float = _field(
        0, 8, "Soak time", "Minutes to wait between two waves.", ge=0, le=10080
    )
    max_failures: int | None = _field(
        None, 9, "Most failures", "The run stops when more machines than this have failed.", ge=0
    )
    max_failure_percent: float = _field(
        10, 10, "Most failures, percent", "The same as a share of the fleet.", ge=0, le=100
    )
    domain_limit: DomainLimit = _field(
        1,
        11,
        "Limit per domain",
        "Machines of one availability set or cluster at work at once: a count, or a share such as "
        "20%, with one at a time where there are fewer than 10.",
    )
    resume: str = _field(
        "auto",
        12,
        "Resume",
        "auto continues an unfinished run of the last day that nobody works on and that was to do "
        "the same; never begins a new one; or the id of a run.",
    )
    forgive: list[str] = _field(
        [], 13, "Forgive", "With resume: machines whose failure no longer counts in the budget."
    )
    approval: Literal["none", "run", "wave"] = _field(
        "none", 16, "Approval", "What a person must say yes to: nothing, the plan, or every wave."
    )
    approvers: list[str] = _field(
        [], 17, "Approvers", "Who may say yes, by name; everybody who can answer where empty."
    )
    hooks: list[Hook] = _field(
        [], 30, "Hooks", "Steps of your own before and after the run, its waves and machines."
    )
    notices: list[Notice] = _field(
        [], 31, "Notices", "Who is told when it begins, after waves, of failures and of its end."
    )
    window: WindowParameters | None = _field(
        None, 18, "Window", "The maintenance window of this run; none where somebody starts it."
    )
    availability: Availability = _field(
        Availability(),
        19,
        "Availability first",
        "Which machines are never away at once, and which come after which.",
    )
    fixes: list[str] = _field(
        [],
        23,
        "Fixes",
        "Only what is known to fix these, such as CVE-2026-12345 or KB5041160, whatever its class; "
        "and what an include names.",
    )
    windows: OnWindows | None = _field(
        None,
        14,
        "Windows machines",
        "What Windows machines get instead of the classifications, include and exclude above; "
        "the same as all others where there is nothing here.",
    )

    @field_validator("fixes")
    @classmethod
    def _ids(cls, given: list[str]) -> list[str]:
        return _identifiers(given)

    def selection(self, family: OsFamily) -> Selection:
        """Return which updates a machine of a family of systems gets.

        Raises:
            ConfigurationError: a mask cannot be used.
        """
        own = self.windows if family == OsFamily.WINDOWS else None
        asked = own or self
        return Selection(
            classifications=frozenset(Classification(name) for name in asked.classifications),
            include=tuple(asked.include),
            exclude=tuple(asked.exclude),
            hotpatch_only=self.hotpatch_only,
            fixes=tuple(self.fixes),
        )

    @field_validator("hooks")
    @classmethod
    def _each_once(cls, given: list[Hook]) -> list[Hook]:
        if twice := named_twice(given):
            raise ValueError(twice)
        return given


class EmergencyParameters(Parameters):
    """Patch now: what is named here is bypassed, everything else holds. A person must say yes."""

    dry_run: bool = _field(
        True, 2, "Dry run", "Assess and plan only. Nothing is installed while this is on."
    )
    requested_by: Name = _field(
        ..., 3, "Your name", "Who wants this. It is kept as evidence; nothing proves it."
    )
    reason: str = _field(
        ..., 4, "Reason", "Why it cannot wait; kept as evidence.", min_length=3, max_length=2000
    )
    fixes: list[str] = _field(
        [],
        5,
        "Fixes",
        "Only what is known to fix these, such as CVE-2026-12345 or KB5041160; all critical and "
        "security updates where nothing is named.",
    )
    include: list[str] = _field(
        [], 6, "Include", "Packages of which you know that they fix it, by masks such as openssl*."
    )
    exclude: list[str] = _field(
        [], 7, "Exclude", "Never install packages by these masks, nor what needs them."
    )
    bypass: list[Literal["windows", "freezes", "soak"]] = _field(
        [], 8, "Bypass", "What does not hold for this run: each by name. Nothing where empty."
    )
    approvers: list[str] = _field(
        [], 9, "Approvers", "Who may say yes, by name; everybody who can answer where empty."
    )
    approval: Literal["run", "wave"] = _field(
        "run", 10, "Approval", "What a person must say yes to: the plan, or every wave."
    )
    reboot: Literal["if_required", "never", "always"] = _field(
        "if_required", 11, "Reboot", "What may be done where a reboot is owed."
    )
    waves: list[str] = _field(
        ["1", "rest"],
        12,
        "Waves",
        "Sizes of the waves in order. The first is a canary: 1, or a share of at most 50%.",
        min_length=1,
    )
    max_failures: int | None = _field(
        None, 13, "Most failures", "The run stops when more machines than this have failed.", ge=0
    )
    max_failure_percent: float = _field(
        10, 14, "Most failures, percent", "The same as a share of the fleet.", ge=0, le=100
    )
    domain_limit: int = _field(
        1,
        15,
        "Limit per domain",
        "Machines of one availability set or cluster at work at once.",
        ge=1,
        le=1000,
    )

    @field_validator("fixes")
    @classmethod
    def _ids(cls, given: list[str]) -> list[str]:
        return _identifiers(given)

    @field_validator("waves")
    @classmethod
    def _canary(cls, given: list[str]) -> list[str]:
        """Refuse a first wave that could be the whole fleet: an emergency keeps its canary."""
        first = parse_waves(given)[0]
        share = first.percent is not None and first.percent * 2 <= WHOLE
        if first.count != 1 and not share:
            raise ValueError(f"begin with a canary, {given[0]!r} is none; write 1, or at most 50%")
        return given

    @property
    def bypassed(self) -> frozenset[Bypass]:
        """What is bypassed."""
        return frozenset(Bypass(name) for name in self.bypass)


class EmergencyRun(PatchParameters):
    """What an emergency is recorded with: what is done, and the evidence of why it was let in."""

    emergency: Emergency


class RollbackParameters(BaseModel):
    """Undo a past run, or some of its machines: back to exactly the versions before it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_id: Name = _field(..., 0, "Run", "Id of the run to undo, as its report shows it.")
    machines: list[str] = _field(
        [], 1, "Machines", "Only these machines of the run; all that it changed where empty."
    )
    dry_run: bool = _field(
        True, 2, "Dry run", "Say what would go back. Nothing is changed while this is on."
    )
    reboot: Literal["if_required", "never", "always"] = _field(
        "if_required", 3, "Reboot", "What may be done where a reboot is owed."
    )
    slots: int = _field(5, 4, "Slots", "How many machines are at work at once.", ge=1, le=500)
    resume: str = _field(
        "auto", 5, "Resume", "auto continues an unfinished rollback of this run; or never."
    )
    hooks_and_notices: bool = _field(
        True,
        6,
        "Hooks and notices",
        "Call the hooks of the run that is undone, and tell whom it told. Off: nobody is.",
    )


class ResumeParameters(BaseModel):
    """Continue runs that lost their controller: a stopped worker, a crash, a reboot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_id: str = _field(
        "", 0, "Run", "Id of one run; every unfinished run that nobody works on where empty."
    )


class DispatchParameters(BaseModel):
    """Look ahead, and book a run for every maintenance window at its exact time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    inventory: str = _field(
        "",
        0,
        "Inventory",
        "Folder or name; every one below inventories/ that has maintenance files where empty.",
    )
    ahead_hours: float = _field(
        48,
        1,
        "Look ahead",
        "Hours in which windows get their runs before they begin.",
        gt=0,
        le=720,
    )
    dry_run: bool = _field(
        True, 2, "Dry run", "The runs that are booked assess and plan only while this is on."
    )
    deployment: Name = _field(
        "patch/window", 3, "Deployment", "Deployment of the patch flow that carries the runs out."
    )


__all__ = [
    "AssessParameters",
    "DispatchParameters",
    "EmergencyParameters",
    "EmergencyRun",
    "OnWindows",
    "Parameters",
    "PatchParameters",
    "ResumeParameters",
    "RollbackParameters",
    "WindowParameters",
]
