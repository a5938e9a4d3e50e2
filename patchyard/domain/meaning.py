"""What the words of the results mean, in one plain sentence each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from patchyard.domain.outcome import InstallationState, RebootStatus, Status
from patchyard.domain.plan import WhyNot
from patchyard.domain.updates import Compliance

STATUSES: Mapping[Status, str] = MappingProxyType(
    {
        Status.UNKNOWN: "What happened could not be established; look before doing more.",
        Status.NOT_STARTED: "Nothing was begun on the machine in this run.",
        Status.IN_PROGRESS: "Work has begun on the machine and has not ended.",
        Status.SUCCEEDED: "A fresh look shows all that was planned, and the checks hold.",
        Status.COMPLETED_WITH_WARNINGS: "What was planned is installed, but something is owed.",
        Status.FAILED: "The plan was not carried out in full, or a check went bad and stayed so.",
        Status.ROLLED_BACK: "It went bad, and the machine is back on its earlier versions.",
        Status.NEEDS_REPAIR: "It went bad and could not be undone; a person must repair it.",
        Status.LOST_CONTACT: "The machine did not come back within its deadline.",
        Status.UNREACHABLE: "The machine could not be reached, so nothing was begun on it.",
        Status.REFUSED: "A rule forbade work on the machine, and nothing on it was changed.",
        Status.CANCELLED: "The run was cancelled before work on the machine began.",
        Status.SKIPPED: "The machine is off, and was left out as its policy says.",
    }
)

STATES: Mapping[InstallationState, str] = MappingProxyType(
    {
        InstallationState.UNKNOWN: "Whether it is installed could not be established.",
        InstallationState.INSTALLED: "The planned version is on the machine.",
        InstallationState.FAILED: "The planned version is not on the machine.",
        InstallationState.EXCLUDED: "Left out because someone said so.",
        InstallationState.NOT_SELECTED: "Left out because nothing selected it.",
        InstallationState.PENDING: "Planned or available, and not installed yet.",
    }
)

REBOOTS: Mapping[RebootStatus, str] = MappingProxyType(
    {
        RebootStatus.UNKNOWN: "Whether a reboot is owed could not be established.",
        RebootStatus.NOT_NEEDED: "No reboot is owed.",
        RebootStatus.REQUIRED: "A reboot is owed and has not been done.",
        RebootStatus.STARTED: "A reboot was ordered, and its end was not seen.",
        RebootStatus.FAILED: "The machine did not come back as it should.",
        RebootStatus.COMPLETED: "The machine came back with a new boot id.",
    }
)

COMPLIANCES: Mapping[Compliance, str] = MappingProxyType(
    {
        Compliance.COMPLIANT: "Nothing that should be installed is missing.",
        Compliance.MISSING: "Updates that should be installed are missing.",
        Compliance.UNKNOWN: "It cannot be proven that nothing is missing.",
    }
)

WHY_NOTS: Mapping[WhyNot, str] = MappingProxyType(
    {
        WhyNot.CLASSIFICATION: "Its classification was not asked for.",
        WhyNot.NOT_INCLUDED: "No include mask names it.",
        WhyNot.EXCLUDED: "An exclude mask names it.",
        WhyNot.REQUIRES_EXCLUDED: "It needs an update that is excluded.",
        WhyNot.HELD: "It is held on the machine.",
        WhyNot.PINNED: "The machine's preferences pin it.",
        WhyNot.PHASED: "The distribution has not yet released it to this machine.",
        WhyNot.NEEDS_REMOVAL: "It would remove other packages.",
        WhyNot.KEPT_BACK: "The package manager keeps it back.",
        WhyNot.NOT_HOTPATCH: "It may ask for a reboot, and only hotpatches were wanted.",
        WhyNot.NOT_PROMOTED: "The ring before this one has not proven this version.",
        WhyNot.ALREADY_INSTALLED: "It is installed already.",
    }
)
