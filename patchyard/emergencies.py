"""An emergency: what stands in its way now, and whether it is let in."""

from __future__ import annotations

from datetime import datetime

from patchyard.approving import emergency_of
from patchyard.domain.emergency import NOT_BYPASSED, Scene, declare, ends, soak, under_all
from patchyard.domain.keeping import (
    availability,
    budget,
    domain_limit,
    excluded,
    hooks,
    notices,
    slots,
)
from patchyard.domain.limits import Budget
from patchyard.domain.scope import parse
from patchyard.errors import ConfigurationError
from patchyard.openings import Closed
from patchyard.parameters import EmergencyParameters, EmergencyRun, WindowParameters
from patchyard.providers import find_maintenance, load_inventory
from patchyard.runs import Run

_KEPT = ("exclude", "max_failures", "max_failure_percent", "slots", "domain_limit")
_OWN = frozenset({"requested_by", "reason", "bypass", *_KEPT})
"""What is not handed on as it is."""


def declared(parameters: EmergencyParameters, now: datetime) -> EmergencyRun:
    """Return what an emergency does that begins now, with the evidence of what it bypasses.

    What is not bypassed holds: the longest soak of its configurations is waited for, the strictest
    budget, limits and availability rules count, their hooks are called, and where a window ends or
    a freeze begins, the run ends. What they exclude stays out, unless a person has named what is
    to be installed.

    Raises:
        ConfigurationError: the inventory, its maintenance or the scope cannot be used, or the rules
            of its configurations cannot be one; or there is no machine in scope.
    """
    inventory = load_inventory(parameters.inventory)
    machines = parse(parameters.scope).select(inventory.machines)
    if not machines:
        told = f"no machine of {inventory.name} is in the scope {parameters.scope}"
        raise ConfigurationError.of(told, field="scope")
    scene = Scene(find_maintenance(inventory.folder), inventory, machines, now)
    emergency = declare(
        scene,
        reason=parameters.reason,
        requested_by=parameters.requested_by,
        fixes=parameters.fixes,
        bypass=parameters.bypassed,
    )
    end = ends(scene, parameters.bypassed)
    window = WindowParameters(key="emergency", start=now, end=end) if end else None
    named = parameters.fixes or parameters.include
    kept = budget(scene, Budget(parameters.max_failures, parameters.max_failure_percent))
    return EmergencyRun(
        **parameters.model_dump(exclude=set(_OWN)),
        exclude=[*parameters.exclude, *(() if named else excluded(scene))],
        max_failures=kept.max_failures,
        max_failure_percent=kept.max_failure_percent,
        slots=slots(scene, parameters.slots),
        domain_limit=domain_limit(scene, parameters.domain_limit),
        availability=availability(scene),
        hooks=list(hooks(scene)),
        notices=list(notices(scene)),
        soak_minutes=soak(scene, parameters.bypassed).total_seconds() / 60,
        resume="never",
        window=window,
        emergency=emergency,
    )


def let_in(run: Run) -> Closed | None:
    """Let an emergency begin, under the checks and undo policies of its machines' configurations.

    What stood in its way when it was declared is recorded: one that was refused and is taken up
    again, for its controller died before it could say so, is refused again.
    """
    emergency = emergency_of(run)
    if emergency is not None and emergency.refused:
        return Closed(NOT_BYPASSED, emergency.refused)
    run.inventory = under_all(find_maintenance(run.inventory.folder), run.inventory)
    return None
