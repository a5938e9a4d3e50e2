"""What can be wrong with a simulated computer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Fault(StrEnum):
    """What can be wrong. The words after each tell what `cause` takes for it."""

    SEARCH_FAILS = "search_fails"
    """hresult, times: a search ends with that error."""

    SEARCH_WARNS = "search_warns"
    """hresult: a search ends with SucceededWithErrors and that warning."""

    DOWNLOAD_FAILS = "download_fails"
    """update, hresult, times."""

    INSTALL_FAILS = "install_fails"
    """update, hresult, times: that update fails; `times` 1 only the first time."""

    INSTALL_REFUSED = "install_refused"
    """hresult: Install itself fails before it begins anything."""

    ROLLS_BACK = "rolls_back"
    """update, times: it installs well, and is undone in the reboot."""

    LIES = "lies"
    """update: it tells success, and is offered again."""

    BUSY = "busy"
    """Another installer is at work: TiWorker runs, the installer says it is busy."""

    SLOW_READY = "slow_ready"
    """seconds: after a boot AutoLogonChecked comes so much later."""

    SERVICING_AFTER_BOOT = "servicing_after_boot"
    """seconds: after a boot ServicingInProgress is 2 for so long."""

    NEVER_BACK = "never_back"
    """The computer does not come back from its next reboot."""

    SLOW_REBOOT = "slow_reboot"
    """seconds: reboots take so much longer."""

    REBOOT_REFUSED = "reboot_refused"
    """code: shutdown.exe ends with that code and nothing happens; 5 is access denied."""

    SERVICE_STAYS_DOWN = "service_stays_down"
    """service: it does not start with the next boots."""

    TASK_NEVER_RUNS = "task_never_runs"
    """name: a scheduled task stays queued (0x41325) and the task log tells why."""

    TASK_KILLED = "task_killed"
    """seconds: the process of the next scheduled task is killed after so long."""

    NULL_CALLBACKS_REFUSED = "null_callbacks_refused"
    """BeginDownload and BeginInstall refuse $null as callbacks, as some hosts do."""

    DISK_FULL = "disk_full"
    """bytes: so much is free on C: and no more; 0 if it is not given."""

    STORE_CORRUPT = "store_corrupt"
    """The component store needs a repair; LCUs fail with 0x80073712 until then."""

    REPAIR_FAILS = "repair_fails"
    """hresult: Repair-WindowsImage -RestoreHealth fails, such as with 0x800F081F."""

    BROKEN_TYPE_LIBRARY = "broken_type_library"
    """update: reading its Title fails, as a preview of June 2024 did."""


@dataclass
class Caused:
    """A fault that is there, with what it was told; `left` is how often it still strikes."""

    fault: Fault
    detail: dict[str, Any]
    left: int


class Faults:
    """The faults of one computer."""

    def __init__(self) -> None:
        self.caused: list[Caused] = []

    def cause(self, fault: Fault, *, times: int = -1, **detail: Any) -> None:
        """Make something wrong; without `times` it stays until it is healed."""
        self.caused.append(Caused(fault, detail, times))

    def heal(self, fault: Fault) -> None:
        """End a fault. What it has led to stays."""
        self.caused = [caused for caused in self.caused if caused.fault != fault]

    def look(self, fault: Fault, **wanted: Any) -> dict[str, Any] | None:
        """Return what a fault was told, if it is there; nothing is used up."""
        found = self._find(fault, wanted)
        return None if found is None else found.detail

    def strike(self, fault: Fault, **wanted: Any) -> dict[str, Any] | None:
        """Return what a fault was told, if it is there; it is used up by one."""
        found = self._find(fault, wanted)
        if found is None:
            return None
        if found.left > 0:
            found.left -= 1
            if found.left == 0:
                self.caused.remove(found)
        return found.detail

    def _find(self, fault: Fault, wanted: dict[str, Any]) -> Caused | None:
        for caused in self.caused:
            if caused.fault == fault and all(
                caused.detail.get(name, value) == value for name, value in wanted.items()
            ):
                return caused
        return None
