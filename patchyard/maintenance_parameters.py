"""From a maintenance configuration, and the machines of one of its windows, to a run."""

from __future__ import annotations

from typing import Any

from patchyard.domain.inventory import OsFamily
from patchyard.domain.maintenance import MaintenanceConfiguration
from patchyard.domain.maintenance_windows import Window
from patchyard.domain.preview import Lane
from patchyard.domain.scope import parse
from patchyard.parameters import PatchParameters, WindowParameters

MINUTE = 60


def patch_parameters(
    inventory: str, lane: Lane, *, dry_run: bool, window: Window | None = None
) -> PatchParameters:
    """Return the parameters of the run that a window of a lane begins: one for all its machines.

    What Windows machines get is said wherever it differs, whether or not there are any today: a
    machine that joins the scope before the run begins gets what is written for it.
    """
    configuration = lane.configuration
    scope = parse(configuration.scope_in(lane.zone)).condition
    return PatchParameters.model_validate(
        {
            "inventory": inventory,
            "scope": str(scope),
            "dry_run": dry_run,
            "window": _window(configuration, window),
            **_updates(configuration),
            **_rules(configuration),
        }
    )


def _window(
    configuration: MaintenanceConfiguration, window: Window | None
) -> WindowParameters | None:
    if window is None:
        return None
    ahead = configuration.prepare
    return WindowParameters(
        key=window.key,
        start=window.start,
        end=window.end,
        prepare_from=window.start - ahead if ahead else None,
    )


def bare_key(key: str) -> str:
    """Return the key of a window itself.

    Earlier versions had two runs in some windows, `KEY#linux` and `KEY#windows`. Their records,
    and what is still booked of them, are about the window KEY.
    """
    return key.partition("#")[0]


def _updates(configuration: MaintenanceConfiguration) -> dict[str, Any]:
    linux = _selected(configuration, OsFamily.DEBIAN)
    windows = _selected(configuration, OsFamily.WINDOWS)
    return {
        **linux,
        "hotpatch_only": configuration.path == "hotpatch_only",
        "windows": None if windows == linux else windows,
    }


def _selected(configuration: MaintenanceConfiguration, family: OsFamily) -> dict[str, Any]:
    selection = configuration.selection(family)
    return {
        "classifications": sorted(selection.classifications),
        "include": list(selection.include),
        "exclude": list(selection.exclude),
    }


def _rules(configuration: MaintenanceConfiguration) -> dict[str, Any]:
    return {
        "reboot": configuration.reboot.value,
        "waves": list(configuration.waves),
        "soak_minutes": configuration.soak.total_seconds() / MINUTE,
        "slots": configuration.slots,
        "max_failures": configuration.budget.max_failures,
        "max_failure_percent": configuration.budget.max_failure_percent,
        "domain_limit": configuration.domain_limit,
        "availability": configuration.availability,
        "approval": configuration.approval.of,
        "approvers": list(configuration.approval.by),
        "hooks": list(configuration.hooks),
        "notices": list(configuration.notices),
    }
