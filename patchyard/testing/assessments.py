"""Builders of assessments and plans for tests: a healthy machine, changed where it matters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from patchyard.domain.plan import MachinePlan, PlannedUpdate
from patchyard.domain.updates import (
    Assessment,
    Classification,
    Filesystem,
    Kernel,
    OperatingSystem,
)
from patchyard.domain.value import Known

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
GIB = 1024**3
BOOT_ID = "11111111-2222-3333-4444-555555555555"


def assessment(machine: str = "web-1", **changes: Any) -> Assessment:
    """Return the assessment of a healthy, current machine, with some fields changed."""
    fields: dict[str, Any] = {
        "machine": machine,
        "manager": "apt",
        "taken_at": NOON,
        "os": OperatingSystem(id="debian", version_id="12", pretty_name="Debian 12"),
        "boot_id": BOOT_ID,
        "clock_skew": 0.0,
        "packages": {},
        "updates": (),
        "complete": Known.YES,
        "reboot_required": Known.NO,
        "kernel": Kernel(running="6.1.0-30", applicable=Known.YES, outdated=Known.NO),
        "outdated_services_known": Known.YES,
        "filesystems": (
            Filesystem(
                mount="/", size=20 * GIB, free=10 * GIB, inodes=10**6, inodes_free=9 * 10**5
            ),
        ),
    }
    return Assessment.model_validate({**fields, **changes})


def planned(name: str, to_version: str = "2", **changes: Any) -> PlannedUpdate:
    """Return one planned update from version 1."""
    fields: dict[str, Any] = {
        "name": name,
        "architecture": "amd64",
        "from_version": "1",
        "to_version": to_version,
        "classification": Classification.SECURITY,
        "download_bytes": 1024,
        "installed_bytes": 4096,
    }
    return PlannedUpdate.model_validate({**fields, **changes})


def machine_plan(*updates: PlannedUpdate, machine: str = "web-1") -> MachinePlan:
    """Return the plan of one machine."""
    return MachinePlan(machine=machine, manager="apt", updates=updates)
