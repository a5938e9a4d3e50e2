"""The plan: a frozen choice of exact versions per machine, with a hash."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from functools import cached_property

from patchyard.domain.updates import Classification
from patchyard.domain.value import Known, Value


class WhyNot(StrEnum):
    """Why an available update is not in the plan (the why-not ledger)."""

    CLASSIFICATION = "classification"
    NOT_INCLUDED = "not_included"
    EXCLUDED = "excluded"
    REQUIRES_EXCLUDED = "requires_excluded"
    HELD = "held"
    PINNED = "pinned"
    PHASED = "phased"
    NEEDS_REMOVAL = "needs_removal"
    KEPT_BACK = "kept_back"
    ALREADY_INSTALLED = "already_installed"


class LeftOut(Value):
    """An available update that the plan does not install, with the reason."""

    name: str
    architecture: str
    installed: str
    candidate: str
    classification: Classification
    why: WhyNot
    detail: str = ""


class PlannedUpdate(Value):
    """One update the plan installs: exactly this version over exactly that one.

    `from_version` is empty for a package that comes along as a new dependency.
    """

    name: str
    architecture: str
    from_version: str
    to_version: str
    classification: Classification
    origin: str = ""
    source: str = ""
    requires: tuple[str, ...] = ()
    download_bytes: int | None = None
    installed_bytes: int | None = None
    restorable: Known = Known.UNKNOWN

    @property
    def key(self) -> str:
        """Name and architecture: the identity of a package on a machine."""
        return f"{self.name}:{self.architecture}"


class MachinePlan(Value):
    """What one machine gets, what it does not get, and why."""

    machine: str
    manager: str = ""
    updates: tuple[PlannedUpdate, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    reboot_already_required: Known = Known.UNKNOWN
    refused: str = ""


class Plan(Value):
    """The frozen choice for a run. Equal choices have equal hashes, whenever they were made."""

    inventory: str
    scope: str
    machines: tuple[MachinePlan, ...]
    waves: tuple[tuple[str, ...], ...]

    def canonical(self) -> str:
        """Return the one JSON text of this plan: sorted keys, no spaces."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical text, in hexadecimal."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def machine(self, name: str) -> MachinePlan:
        """Return one machine's part. Raises KeyError where the plan has none."""
        for machine in self.machines:
            if machine.machine == name:
                return machine
        raise KeyError(name)
