"""The command `maintenance test-hooks`: calls hooks now, and tells them that it is a test."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from patchyard.domain.around import Hook
from patchyard.domain.inventory import Inventory, Machine
from patchyard.domain.maintenance import MaintenanceConfiguration
from patchyard.domain.outcome import Status
from patchyard.errors import ConfigurationError, MachineError
from patchyard.hooks.calling import call
from patchyard.hooks.occasion import Ended, Occasion, told_of_machines, told_of_run
from patchyard.link import Link
from patchyard.managers import manager_for
from patchyard.operations import Bench
from patchyard.providers import load_inventory, load_maintenance
from patchyard.store import MachineRecord, RunRecord
from patchyard.systems import system_for
from patchyard.transports import open_transport
from patchyard.untrusted import visible


def add_test_hooks(verbs: Any) -> None:
    """Add `test-hooks INVENTORY`."""
    parser = verbs.add_parser(
        "test-hooks",
        help="call the hooks of maintenance configurations now; they are told that it is a test",
    )
    parser.add_argument("inventory", metavar="INVENTORY", help="folder or name of the inventory")
    parser.add_argument("--configuration", metavar="NAME", help="only those of this configuration")
    parser.add_argument("--hook", metavar="NAME", help="only the hook of this name")
    parser.add_argument(
        "--machine", metavar="NAME", help="call hooks of machines for it (the first in scope)"
    )
    parser.set_defaults(answer=_test)


def _test(chosen: argparse.Namespace) -> int:
    inventory, found = load_inventory(chosen.inventory), load_maintenance(chosen.inventory)
    called = failed = 0
    for configuration in _chosen(inventory, found.configurations, chosen):
        for test in _tests(inventory, configuration, chosen):
            ended, seconds = test.call()
            called, failed = called + 1, failed + bool(ended.code)
            sys.stdout.write(f"{visible(test.line(ended, seconds))}\n")
    if not called:
        raise ConfigurationError.of("no hook is written that fits; see docs/maintenance.md")
    sys.stdout.write(f"{called} called as a test, {failed} failed\n")
    return 1 if failed else 0


def _chosen(
    inventory: Inventory,
    found: Iterable[MaintenanceConfiguration],
    chosen: argparse.Namespace,
) -> list[MaintenanceConfiguration]:
    """Return the configurations that were named, or that have the machine that was named.

    Raises:
        ConfigurationError: none of them has it.
    """
    fit = [each for each in found if chosen.configuration in {None, each.name}]
    if chosen.machine is None:
        return fit
    have = [each for each in fit if chosen.machine in _names(inventory, each)]
    if fit and not have:
        scopes = ", ".join(each.name for each in fit)
        raise ConfigurationError.of(f"no machine {chosen.machine!r} is in the scope of {scopes}")
    return have


def _names(inventory: Inventory, configuration: MaintenanceConfiguration) -> set[str]:
    return {machine.name for machine in configuration.machines(inventory)}


@dataclass(frozen=True, slots=True)
class _Trial:
    """One hook to be tried."""

    configuration: str
    inventory: Inventory
    occasion: Occasion

    def call(self) -> tuple[Ended, float]:
        """Call it. Answers what came of it, and the seconds that it took."""
        began = time.monotonic()
        ended = self._called()
        return ended, time.monotonic() - began

    def _called(self) -> Ended:
        occasion, machine = self.occasion, self.occasion.machine
        if not occasion.hook.script or machine is None:
            return call(occasion)
        try:
            with Link(lambda: open_transport(machine, self.inventory)) as link:
                return call(occasion, _bench(machine, link, occasion), occasion.hook.name)
        except MachineError as error:
            return Ended(error.code, str(error))

    def line(self, ended: Ended, seconds: float) -> str:
        """Tell it in one line."""
        hook = self.occasion.hook
        of = self.occasion.machine.name if self.occasion.machine else hook.of
        told = f"{ended.code or 'done'}{f': {ended.detail}' if ended.detail else ''}"
        return f"{self.configuration}  {hook.when} {of}  {hook.name}  {seconds:.1f} s  {told}"


def _bench(machine: Machine, link: Link, occasion: Occasion) -> Bench:
    return Bench(
        machine=machine,
        system=system_for(machine),
        manager=manager_for(machine),
        link=link,
        run_id=str(occasion.run["id"]),
        seed=secrets.token_hex(8),
        clock=lambda: datetime.now(UTC),
        sleep=time.sleep,
    )


def _tests(
    inventory: Inventory, configuration: MaintenanceConfiguration, chosen: argparse.Namespace
) -> Iterator[_Trial]:
    """Return the hooks in the order in which a run of one wave and one machine calls them."""
    machines = configuration.machines(inventory)
    machine = next((each for each in machines if chosen.machine in {None, each.name}), None)
    order = [*(("before", of) for of in ("run", "wave", "machine"))]
    order += [("after", of) for _, of in reversed(order)]
    hooks = [h for pair in order for h in configuration.hooks if (h.when, h.of) == pair]
    bare = _bare(inventory, configuration, machines)
    for hook in hooks:
        if chosen.hook not in {None, hook.name}:
            continue
        if machine is None and hook.of == "machine":
            told = f"no machine is in the scope of {configuration.name}, so {hook.name} is for none"
            raise ConfigurationError.of(told)
        yield _Trial(configuration.name, inventory, _occasion(bare, hook, machine))


def _bare(
    inventory: Inventory, configuration: MaintenanceConfiguration, machines: tuple[Machine, ...]
) -> Occasion:
    """Return what all hooks of a configuration are told alike."""
    at = datetime.now(UTC)
    run_id = f"test-{at:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    scope, begun = configuration.scope, Status.IN_PROGRESS
    record = RunRecord(run_id, "patch", inventory.name, scope, {}, begun, at)
    rows = [
        MachineRecord(run_id, machine.name, 1, position, Status.NOT_STARTED)
        for position, machine in enumerate(machines)
    ]
    return Occasion(
        hook=Hook(name="test", when="before", of="run", command=("true",)),
        key=run_id,
        run=told_of_run(record),
        machines=told_of_machines(inventory, rows),
        test=True,
        folder=inventory.folder,
    )


def _occasion(bare: Occasion, hook: Hook, machine: Machine | None) -> Occasion:
    is_after = hook.when == "after"
    return replace(
        bare,
        hook=hook,
        key=f"{bare.key}/{hook.when}/{hook.of}/{hook.name}",
        wave=None if hook.of == "run" else 1,
        machine=machine if hook.of == "machine" else None,
        status=Status.SUCCEEDED if is_after else None,
        reason="a test: nothing was done" if is_after else "",
    )
