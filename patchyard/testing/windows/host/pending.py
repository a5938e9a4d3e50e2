"""Where Windows notes that a reboot is owed, and what else it says about servicing."""

from __future__ import annotations

from collections.abc import Callable

from patchyard.testing.windows.host.registry import Registry

CBS = "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Component Based Servicing"
AUTO_UPDATE = "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\WindowsUpdate\\Auto Update"
SERVICES = "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\WindowsUpdate\\Services"
SESSION_MANAGER = "SYSTEM\\CurrentControlSet\\Control\\Session Manager"
WINLOGON = "SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon"
LOGON_CHECKED = f"{WINLOGON}\\AutoLogonChecked"
INTERFACE = f"{CBS}\\Interface"
COMPUTER_NAME = "SYSTEM\\CurrentControlSet\\Control\\ComputerName"
TCPIP = "SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters"
NETLOGON = "SYSTEM\\CurrentControlSet\\Services\\Netlogon"


def mark(registry: Registry) -> None:
    """Note that servicing waits for a reboot."""
    registry.make(f"{CBS}\\RebootPending", volatile=True)
    registry.make(f"{CBS}\\PackagesPending", volatile=True)
    registry.make(f"{AUTO_UPDATE}\\RebootRequired", volatile=True)


def is_marked(registry: Registry) -> bool:
    """True where the update agent itself owes a reboot."""
    return registry.exists(f"{AUTO_UPDATE}\\RebootRequired")


def _key(path: str) -> Callable[[Registry], None]:
    def make(registry: Registry) -> None:
        registry.make(path, volatile=True)

    return make


def _value(path: str, name: str, data: object) -> Callable[[Registry], None]:
    def make(registry: Registry) -> None:
        registry.set(path, name, data)

    return make


REASONS: dict[str, Callable[[Registry], None]] = {
    "cbs_reboot_pending": _key(f"{CBS}\\RebootPending"),
    "cbs_reboot_in_progress": _key(f"{CBS}\\RebootInProgress"),
    "cbs_packages_pending": _key(f"{CBS}\\PackagesPending"),
    "cbs_sessions_pending": _value(f"{CBS}\\SessionsPending", "Exclusive", 1),
    "servicing_in_progress": _value(INTERFACE, "ServicingInProgress", 2),
    "reboot_required": _key(f"{AUTO_UPDATE}\\RebootRequired"),
    "post_reboot_reporting": _key(f"{AUTO_UPDATE}\\PostRebootReporting"),
    "services_pending": _key(f"{SERVICES}\\Pending\\9482f4b4-e343-43b6-b170-9a65bc822c77"),
    "file_renames": _value(
        SESSION_MANAGER,
        "PendingFileRenameOperations",
        ["\\??\\C:\\Windows\\Temp\\old.tmp", ""],
    ),
    "system_file_renames": _value(
        SESSION_MANAGER,
        "PendingFileRenameOperations",
        ["\\??\\C:\\Windows\\System32\\new.dll", "\\??\\C:\\Windows\\System32\\old.dll"],
    ),
    "file_renames_2": _value(
        SESSION_MANAGER, "PendingFileRenameOperations2", ["\\??\\C:\\Windows\\Temp\\x.tmp", ""]
    ),
    "update_exe_volatile": _value("SOFTWARE\\Microsoft\\Updates", "UpdateExeVolatile", 1),
    "server_manager": _value("SOFTWARE\\Microsoft\\ServerManager", "CurrentRebootAttempts", 1),
    "dvd_reboot_signal": _value(
        "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\RunOnce", "DVDRebootSignal", "1"
    ),
    "computer_renamed": _value(f"{COMPUTER_NAME}\\ComputerName", "ComputerName", "RENAMED"),
    "host_renamed": _value(TCPIP, "NV Hostname", "renamed"),
    "domain_join": _value(NETLOGON, "JoinDomain", "corp.test"),
}
"""Reasons for which a reboot is pending, by a name for tests."""


def settle_after_boot(registry: Registry) -> None:
    """Forget what a reboot has dealt with."""
    registry.forget_volatile()
    registry.delete(SESSION_MANAGER, "PendingFileRenameOperations")
    registry.delete(SESSION_MANAGER, "PendingFileRenameOperations2")
    registry.delete("SOFTWARE\\Microsoft\\Updates", "UpdateExeVolatile")
    registry.delete(f"{CBS}\\SessionsPending", "Exclusive")
    registry.delete(INTERFACE, "ServicingInProgress")
    registry.delete("SOFTWARE\\Microsoft\\ServerManager", "CurrentRebootAttempts")
    registry.delete("SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\RunOnce", "DVDRebootSignal")
    registry.delete(NETLOGON, "JoinDomain")
    name = registry.get(f"{COMPUTER_NAME}\\ComputerName", "ComputerName")
    registry.set(f"{COMPUTER_NAME}\\ActiveComputerName", "ComputerName", name)
    registry.set(TCPIP, "Hostname", registry.get(TCPIP, "NV Hostname"))
