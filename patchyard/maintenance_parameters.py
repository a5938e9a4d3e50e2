"""From a maintenance configuration, and the machines of one of its windows, to runs."""

from __future__ import annotations

from collections.abc import Iterator

from patchyard.domain.conditions import Both, Compared, Condition, Not
from patchyard.domain.inventory import OsFamily
from patchyard.domain.maintenance import MaintenanceConfiguration
from patchyard.domain.maintenance_windows import Window
from patchyard.domain.preview import Lane
from patchyard.domain.scope import parse
from patchyard.domain.selection import Selection
from patchyard.parameters import PatchParameters, WindowParameters

MINUTE = 60
PARTS = ("linux", "windows")
"""A window may have a run for each; one run for all of it has both."""


def patch_parameters(
    inventory: str, lane: Lane, *, dry_run: bool, window: Window | None = None
) -> tuple[PatchParameters, ...]:
    """Return the parameters of the runs that a window of a lane begins.

    It is one run, unless Windows and Linux machines are to get different updates: a run has one
    selection, so each kind of system then has a run of its own.
    """
    configuration = lane.configuration
    return tuple(
        _parameters(inventory, configuration, str(scope), selection, dry_run=dry_run).model_copy(
            update={"window": _window(configuration, window, part)}
        )
        for part, scope, selection in _shares(lane)
    )


def _window(
    configuration: MaintenanceConfiguration, window: Window | None, part: str
) -> WindowParameters | None:
    if window is None:
        return None
    ahead = configuration.prepare
    return WindowParameters(
        key=run_key(window.key, part),
        start=window.start,
        end=window.end,
        prepare_from=window.start - ahead if ahead else None,
    )


def run_key(key: str, part: str = "") -> str:
    """Return the key of a window's run, which may be for one kind of systems only."""
    return f"{key}#{part}" if part else key


def key_and_parts(key: str) -> tuple[str, tuple[str, ...]]:
    """Return the window's key, and which parts of it a run is for."""
    bare, _, part = key.partition("#")
    return bare, (part,) if part else PARTS


def _shares(lane: Lane) -> Iterator[tuple[str, Condition, Selection]]:
    """Return parts with their scopes, and what the machines in them get; "" is all of it."""
    configuration = lane.configuration
    scope = parse(configuration.scope_in(lane.zone)).condition
    families = {machine.os_family for machine in lane.machines}
    windows = configuration.selection(OsFamily.WINDOWS)
    linux = configuration.selection(OsFamily.DEBIAN)
    if OsFamily.WINDOWS not in families or windows == linux:
        yield "", scope, linux
    elif families == {OsFamily.WINDOWS}:
        yield "", scope, windows
    else:
        is_windows = Compared("os_family", "==", OsFamily.WINDOWS.value)
        yield "linux", Both((scope, Not(is_windows))), linux
        yield "windows", Both((scope, is_windows)), windows


def _parameters(
    inventory: str,
    configuration: MaintenanceConfiguration,
    scope: str,
    selection: Selection,
    *,
    dry_run: bool,
) -> PatchParameters:
    return PatchParameters.model_validate(
        {
            "inventory": inventory,
            "scope": scope,
            "dry_run": dry_run,
            "classifications": sorted(selection.classifications),
            "include": list(selection.include),
            "exclude": list(selection.exclude),
            "reboot": configuration.reboot.value,
            "hotpatch_only": selection.hotpatch_only,
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
    )
