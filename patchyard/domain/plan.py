"""The plan: a frozen choice of exact versions per machine, with a hash."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from operator import itemgetter
from typing import Any, Self

from pydantic import model_validator

from patchyard.domain.rings import Promotion
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
    NOT_HOTPATCH = "not_hotpatch"
    NOT_A_FIX = "not_a_fix"
    UNKNOWN_FIX = "unknown_fix"
    ALREADY_INSTALLED = "already_installed"
    NOT_PROMOTED = "not_promoted"


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

    `from_version` is empty for a package that comes along as a new dependency. `requires` names
    what it cannot be installed without. Updates with a common name in `together` are never
    installed apart. `title`, `alone`, `hotpatch`, `build` and `severity` are those of the update.
    `fixes` are those of the vulnerabilities and advisories that were named which it fixes.
    """

    name: str
    architecture: str
    from_version: str
    to_version: str
    classification: Classification
    origin: str = ""
    source: str = ""
    requires: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    download_bytes: int | None = None
    installed_bytes: int | None = None
    restorable: Known = Known.UNKNOWN
    title: str = ""
    alone: bool = False
    hotpatch: str | None = None
    build: str = ""
    severity: str = ""
    fixes: tuple[str, ...] = ()

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
    """The frozen choice for a run. Equal choices have equal hashes, whenever they were made.

    Waves have an order, and so have the machines within one. All else is a set: in which order
    it was found out makes no difference. `promoted` tells which ring has proven its versions.
    """

    inventory: str
    scope: str
    machines: tuple[MachinePlan, ...]
    waves: tuple[tuple[str, ...], ...]
    promoted: Promotion | None = None

    @model_validator(mode="after")
    def _every_machine_once(self) -> Self:
        for what, names in (
            ("the plan", [part.machine for part in self.machines]),
            ("the waves", [name for wave in self.waves for name in wave]),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise ValueError(f"more than once in {what}: {', '.join(twice)}")
        strangers = {name for wave in self.waves for name in wave} - self._by_name.keys()
        if strangers:
            raise ValueError(f"in a wave but not in the plan: {', '.join(sorted(strangers))}")
        return self

    def canonical(self) -> str:
        """Return the one JSON text of this plan: sorted, without spaces."""
        plan = self.model_dump(mode="json")
        if self.promoted is None:
            del plan["promoted"]
        plan["machines"].sort(key=itemgetter("machine"))
        for part in plan["machines"]:
            for entries in (part["updates"], part["left_out"]):
                entries.sort(key=itemgetter("name", "architecture"))
            for update in part["updates"]:
                update["requires"] = sorted(set(update["requires"]))
                update["together"] = sorted(set(update["together"]))
                update["fixes"] = sorted(set(update["fixes"]))
                # Plans of before, and those in which nothing is named, keep their hash.
                if not update["fixes"]:
                    del update["fixes"]
        return json.dumps(plan, sort_keys=True, separators=(",", ":"))

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical text, in hexadecimal."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    @cached_property
    def _by_name(self) -> dict[str, MachinePlan]:
        return {part.machine: part for part in self.machines}

    def machine(self, name: str) -> MachinePlan:
        """Return one machine's part. Raises KeyError where the plan has none."""
        return self._by_name[name]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with changes. What was worked out for the original is forgotten."""
        copied = super().model_copy(update=update, deep=deep)
        for known in ("hash", "_by_name"):
            copied.__dict__.pop(known, None)
        return copied
