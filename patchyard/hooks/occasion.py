"""What a hook is told: as JSON on its standard input or as the body, in short as variables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from patchyard.domain.around import Hook
from patchyard.domain.inventory import Inventory, Machine
from patchyard.domain.outcome import Status
from patchyard.store import MachineRecord, RunRecord

FORMAT = "patchyard.hook/1"
"""Rises when a field goes away or changes its meaning."""

KEPT = 240
"""Characters of what a hook said that are kept: those of its end, which tell why it failed."""


def end_of(said: str) -> str:
    """Return the end of what a hook said, on one line."""
    line = " ".join(said.split())
    return line if len(line) <= KEPT else f"...{line[3 - KEPT :]}"


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a call. `code` is empty where it ended well."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Occasion:
    """One call of a hook: which one, of what, and how things stand.

    `status` and `reason` are how it ended that the hook comes after; before, there are none.
    `attempt` above 1 says that nobody saw how the one before ended.
    """

    hook: Hook
    key: str
    run: Mapping[str, Any]
    machines: tuple[Mapping[str, Any], ...]
    wave: int | None = None
    machine: Machine | None = None
    status: Status | None = None
    reason: str = ""
    test: bool = False
    attempt: int = 1
    folder: str = field(default=".")

    def text(self, *, only_machine: bool = False) -> str:
        """Return the JSON. `only_machine` leaves the other machines out: one goes to a machine."""
        name = self.machine.name if self.machine else ""
        mine = (row for row in self.machines if not only_machine or row["name"] == name)
        told = {
            "format": FORMAT,
            "test": self.test,
            "key": self.key,
            "attempt": self.attempt,
            "hook": self.hook.name,
            "when": self.hook.when,
            "of": self.hook.of,
            "run": dict(self.run),
            "wave": self.wave,
            "machine": name or None,
            "outcome": {"status": self.status, "reason": self.reason} if self.status else None,
            "machines": list(mine),
        }
        return json.dumps(told, ensure_ascii=False)

    @property
    def variables(self) -> dict[str, str]:
        """The same in short, for scripts that read no JSON."""
        return {
            "PATCHYARD_HOOK": self.hook.name,
            "PATCHYARD_HOOK_KEY": self.key,
            "PATCHYARD_HOOK_WHEN": self.hook.when,
            "PATCHYARD_HOOK_OF": self.hook.of,
            "PATCHYARD_RUN": str(self.run["id"]),
            "PATCHYARD_MACHINE": self.machine.name if self.machine else "",
            "PATCHYARD_TEST": "1" if self.test else "",
        }


def told_of_run(record: RunRecord, plan_hash: str = "") -> dict[str, Any]:
    """Return what a hook is told of its run."""
    return {
        "id": record.id,
        "kind": record.kind,
        "inventory": record.inventory,
        "scope": record.scope,
        "takes_back": record.takes_back,
        "plan": plan_hash or record.plan_hash or None,
        "started_at": record.started_at.isoformat(),
        "window": record.parameters.get("window"),
    }


def told_of_machines(
    inventory: Inventory, records: Iterable[MachineRecord]
) -> tuple[dict[str, Any], ...]:
    """Return what a hook is told of the machines of a run: who they are, and how each stands."""
    return tuple(
        {
            **told_of_machine(inventory.machine(record.machine), record.machine),
            "wave": record.wave,
            "status": str(record.status),
            "reason": record.reason,
        }
        for record in records
    )


def told_of_machine(machine: Machine | None, name: str) -> dict[str, Any]:
    """Return what a hook is told of a machine itself."""
    found = machine or Machine(name=name, address="127.0.0.1")
    return {
        "name": name,
        "address": machine.address if machine else None,
        "os_family": str(found.os_family),
        "platform": str(found.platform),
        "region": found.region,
        "zone": found.zone,
        "availability_set": found.availability_set,
        "cluster": found.cluster,
        "site": found.site,
        "tags": dict(found.tags),
        "groups": list(found.groups),
    }
