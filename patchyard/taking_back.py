"""Taking a past run back: what it changed on each machine, and so what going back means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from patchyard.domain.actions import Install, Keep, Look
from patchyard.domain.availability import Availability
from patchyard.domain.outcome import Status
from patchyard.domain.plan import MachinePlan, Plan
from patchyard.domain.record import Step
from patchyard.domain.restore import PackageVersion, UndoTarget
from patchyard.errors import ConfigurationError
from patchyard.grouping import machine_of, waves_of
from patchyard.parameters import RollbackParameters
from patchyard.runs import Run
from patchyard.settings import settings
from patchyard.store import RunRecord, Store, open_store


@dataclass(frozen=True)
class Past:
    """A past run, and what taking it back means for each machine; why not, where it cannot be."""

    inventory: str
    scope: str
    parameters: dict[str, Any]
    targets: dict[str, UndoTarget]
    impossible: dict[str, str]


def past_run(parameters: RollbackParameters) -> Past:
    """Read what a past run changed.

    Raises:
        ConfigurationError: there is no such run, it changed nothing, or a machine was not in it.
    """
    store = open_store(settings().database_url)
    record = store.run(parameters.run_id)
    if record is None or record.kind not in {"patch", "emergency"}:
        raise ConfigurationError.of(
            f"there is no patch run {parameters.run_id!r}; `patchyard runs` lists them",
            field="run_id",
        )
    names = _named(store, record, parameters.machines)
    targets: dict[str, UndoTarget] = {}
    impossible: dict[str, str] = {}
    for name in names:
        found = _target(store, record.id, name)
        if isinstance(found, UndoTarget):
            targets[name] = found
        elif found:
            impossible[name] = found
    if not targets and not impossible:
        raise ConfigurationError.of(f"run {record.id} changed nothing on {', '.join(names)}")
    recorded = parameters.model_dump(mode="json")
    rules = Availability.model_validate(record.parameters.get("availability") or {})
    recorded["availability"] = rules.backwards().model_dump(mode="json")
    recorded |= _around(record) if parameters.hooks_and_notices else {}
    recorded["undo_targets"] = {n: t.model_dump(mode="json") for n, t in targets.items()}
    return Past(
        inventory=str(record.parameters["inventory"]),
        scope=f"run {record.id}",
        parameters=recorded,
        targets=targets,
        impossible=impossible,
    )


def _around(record: RunRecord) -> dict[str, Any]:
    """Return the hooks of a past run and who was told of it: they stand around its undo too."""
    return {name: record.parameters.get(name) or [] for name in ("hooks", "notices")}


def _named(store: Store, record: RunRecord, wanted: list[str]) -> list[str]:
    known = [machine.machine for machine in store.machines(record.id)]
    strange = [name for name in wanted if name not in known]
    if strange:
        raise ConfigurationError.of(
            f"{', '.join(strange)}: not in run {record.id}; it had {', '.join(known)}",
            field="machines",
        )
    return wanted or known


def _target(store: Store, run_id: str, name: str) -> UndoTarget | str:
    """Work out what undoing means here: words where it cannot be, empty if nothing was done."""
    steps = [
        Step.model_validate(
            {
                "action": s.action,
                "started_at": s.started_at,
                "finished_at": s.finished_at,
                "result": s.result,
            }
        )
        for s in store.steps(run_id, name)
    ]
    looks = [s.action.key for s in steps if isinstance(s.action, Look) and s.finished_at]
    seen = [a for a in (store.assessment(run_id, name, key) for key in looks) if a is not None]
    if not seen:
        return ""
    before, after = seen[0].packages, seen[-1].packages
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    moving = {key for look in (seen[0], seen[-1]) for key in look.moving}
    planned = {p.key for s in steps if isinstance(s.action, Install) for p in s.action.packages}
    changed -= moving - planned
    if not changed:
        return ""
    kept = next((s for s in steps if isinstance(s.action, Keep)), None)
    point = kept.result.restore_point if kept and kept.result else None
    if kept is None or point is None or not point.complete:
        return "the run kept no complete restore point"
    return UndoTarget(
        folder=point.folder,
        packages=tuple(PackageVersion.of(k, before[k]) for k in sorted(changed) if k in before),
        added=tuple(sorted(key for key in changed if key not in before)),
        installed={key: after.get(key, "") for key in sorted(changed - moving)},
        kept=point.kept,
    )


def plan_rollback(run: Run, past: Past) -> Plan:
    """Record the machines of a rollback, a wave for each stage, and answer its plan.

    Asked again it answers the same.
    """
    found = run.store.find_plan(run.id)
    if found is not None:
        return found
    names = [*past.targets, *past.impossible]
    waves = waves_of(run, [machine_of(run, name) for name in past.targets], ("rest",))
    number = {name: n for n, wave in enumerate(waves, 1) for name in wave}
    plan = Plan(
        inventory=run.inventory.name,
        scope=past.scope,
        machines=tuple(
            MachinePlan(machine=name, refused=past.impossible.get(name, "")) for name in names
        ),
        waves=waves,
    )
    run.store.add_machines(run.id, [(name, number.get(name), i) for i, name in enumerate(names)])
    run.store.set_plan(run.id, plan)
    for name, why in past.impossible.items():
        run.store.set_machine(run.id, name, Status.REFUSED, why, run.clock())
    return plan
