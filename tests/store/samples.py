"""Values of the size and shape that the store is made for."""

from __future__ import annotations

from datetime import datetime

from patchyard.domain.plan import MachinePlan, Plan, PlannedUpdate
from patchyard.domain.updates import Assessment, Classification, Kernel, OperatingSystem
from patchyard.domain.value import Known


def assessment(machine: str, at: datetime, *, packages: int = 3) -> Assessment:
    """An assessment with so many installed packages; 680 make 30 KB."""
    return Assessment(
        machine=machine,
        manager="apt",
        taken_at=at,
        os=OperatingSystem(id="debian", version_id="12"),
        packages={f"package-name-{n}:amd64": "1.2.3-4+deb12u5" for n in range(packages)},
        updates=(),
        complete=Known.YES,
        kernel=Kernel(running="6.1.0-30-amd64"),
    )


def plan(*machines: str, version: str = "3.0.15-1") -> Plan:
    """A plan that installs one version of openssl on machines, in one wave."""
    update = PlannedUpdate(
        name="openssl",
        architecture="amd64",
        from_version="3.0.14-1",
        to_version=version,
        classification=Classification.SECURITY,
    )
    parts = tuple(MachinePlan(machine=name, updates=(update,)) for name in machines)
    return Plan(inventory="yard", scope="*", machines=parts, waves=(machines,))
