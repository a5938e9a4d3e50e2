"""What a machine is expected to get in its next window, by what was last seen of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from patchyard.domain.admission import History, Needed, Work, needed
from patchyard.domain.inventory import Machine
from patchyard.domain.maintenance import MaintenanceConfiguration
from patchyard.domain.path import PathKind, RebootSetting, choose_path
from patchyard.domain.plan import PlannedUpdate
from patchyard.domain.selection import select
from patchyard.domain.updates import Assessment
from patchyard.domain.value import Known

KERNEL = re.compile(r"linux-image-|kernel(-core|-default|-uek)?$")
"""Packages after which a machine is rebooted."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a machine is expected to get. `updates` is None where it was never assessed."""

    machine: Machine
    updates: int | None
    reboot: Known
    time: Needed
    seen_at: datetime | None = None

    @property
    def idle(self) -> bool:
        """True where nothing is to be done: the machine will be in no wave."""
        return self.updates == 0 and self.reboot == Known.NO


def expect(
    configuration: MaintenanceConfiguration,
    machine: Machine,
    assessments: Mapping[str, Assessment],
    histories: Mapping[str, History],
    *,
    is_off: bool = False,
) -> Expected:
    """Say what a machine would get by a configuration. What was never seen is unknown.

    One that `is_off` is to be started first.
    """
    history = histories.get(machine.name, History())
    seen = assessments.get(machine.name)
    setting = RebootSetting(machine.policy.reboot or configuration.reboot)
    undo = configuration.under(machine).policy.undo != "never"
    if seen is None:
        never = setting == RebootSetting.NEVER
        least = Work.at_least_one(machine.os_family, reboot=not never, undo=undo)
        reboot = Known.NO if never else Known.UNKNOWN
        return Expected(machine, None, reboot, needed(replace(least, is_off=is_off), history))
    updates, _ = select(seen, configuration.selection(machine.os_family))
    reboot = _reboot(seen, setting, updates)
    reboots = reboot != Known.NO
    work = Work.of(machine.os_family, updates, reboot=reboots, undo=undo, is_off=is_off)
    return Expected(machine, len(updates), reboot, needed(work, history), seen.taken_at)


def _reboot(seen: Assessment, setting: RebootSetting, updates: tuple[PlannedUpdate, ...]) -> Known:
    """Say whether a machine will be rebooted. What most updates ask for is seen only later."""
    if setting == RebootSetting.NEVER:
        return Known.NO
    owed = choose_path(seen, setting, changed=False).kind == PathKind.REBOOT
    if owed or any(KERNEL.match(update.name) for update in updates):
        return Known.YES
    return Known.NO if all(update.hotpatch for update in updates) else Known.UNKNOWN
