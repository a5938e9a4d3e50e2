"""Get-HotFix, and the cmdlets of DISM."""

from __future__ import annotations

from collections.abc import Iterable

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.cmdlets.management import installed_fixes
from patchyard.testing.windows.host.faults import Fault
from patchyard.testing.windows.host.native import REBOOT_REQUIRED, remove_package
from patchyard.testing.windows.host.net.common import when
from patchyard.testing.windows.host.packages import STATES, Package
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.command import Call, Commands
from patchyard.testing.windows.powershell.values import Partial, Value

TABLE = Commands()
STATE = kinds.enumeration("Microsoft.Dism.Commands.PackageFeatureState", STATES)
HEALTH = kinds.enumeration(
    "Microsoft.Dism.Commands.ImageHealthState", {"Healthy": 0, "Repairable": 1, "NonRepairable": 2}
)
RELEASE = kinds.enumeration(
    "Microsoft.Dism.Commands.ReleaseType",
    {
        "CriticalUpdate": 0,
        "Driver": 1,
        "FeaturePack": 2,
        "Hotfix": 3,
        "SecurityUpdate": 4,
        "SoftwareUpdate": 5,
        "Update": 6,
        "UpdateRollup": 7,
        "LanguagePack": 8,
        "Foundation": 9,
        "ServicePack": 10,
        "Product": 11,
    },
)
DISM_FAILED = "System.Runtime.InteropServices.COMException"
REPAIR_SECONDS = {"checkhealth": 5.0, "scanhealth": 240.0, "restorehealth": 600.0}


@TABLE.add("Get-HotFix", "Id:string[]@0 Description:string[]")
def get_hot_fix(call: Call) -> Iterable[Value]:
    """Return the updates that CBS knows by a KB."""
    wanted = {text.upper() for text in call.texts("id")}
    rows = [(f"KB{kb}", moment) for kb, moment in installed_fixes(call.around)]
    found = [(name, moment) for name, moment in rows if not wanted or name in wanted]
    if wanted and not found:
        call.fail(
            "System.ArgumentException",
            "Cannot find the requested hotfix on the "
            f"'{call.around.computer.name.upper()}' computer. Verify the input and run the "
            "command again.",
            error_id="GetHotFixNoEntriesFound",
            category="ObjectNotFound",
        )
    kind = "System.Management.ManagementObject#root/cimv2/Win32_QuickFixEngineering"
    return [
        Partial(
            [("HotFixID", name), ("Description", "Security Update"), ("InstalledOn", moment)], kind
        )
        for name, moment in found
    ]


def _must_be_online(call: Call) -> None:
    if not call.flag("online"):
        raise NotSimulated(f"{call.cmdlet.name} without -Online")


@TABLE.add("Get-WindowsPackage", "Online:switch PackageName:string")
def get_windows_package(call: Call) -> Iterable[Value]:
    """Return packages; one by its name tells more of itself."""
    _must_be_online(call)
    store = call.around.computer.store
    if not call.has("packagename"):
        call.around.sleep(4)
        return [_shown(package, full=False) for package in store.packages]
    package = store.find(call.text("packagename"))
    if package is None:
        call.fail(
            DISM_FAILED, "The specified package is not valid Windows package.", hresult=0x800F0805
        )
        return []
    call.around.sleep(1)
    return [_shown(package, full=True)]


def _shown(package: Package, *, full: bool) -> Value:
    entries: list[tuple[Value, Value]] = [
        ("PackageName", package.name),
        ("PackageState", kinds.enum_of(STATE.name, package.state)),
        ("ReleaseType", kinds.enum_of(RELEASE.name, package.release)),
        ("InstallTime", when(package.installed).local()),
        ("Online", True),
    ]
    if full:
        text = f"Fix for KB{package.kb}" if package.kb else "Servicing Stack"
        entries += [
            ("Description", text),
            ("DisplayName", ""),
            ("SupportInformation", f"https://support.microsoft.com/?kbid={package.kb}"),
        ]
    return Partial(entries, "Microsoft.Dism.Commands.BasicPackageObject")


@TABLE.add("Remove-WindowsPackage", "Online:switch PackageName:string NoRestart:switch")
def remove_windows_package(call: Call) -> Iterable[Value]:
    """Begin to remove a package."""
    _must_be_online(call)
    if not call.flag("norestart"):
        raise NotSimulated("Remove-WindowsPackage without -NoRestart, which may ask")
    code = remove_package(call.around, call.text("packagename"))
    if code not in {0, REBOOT_REQUIRED}:
        call.fail(
            DISM_FAILED, f"Remove-WindowsPackage failed. Error code = 0x{code:08x}", hresult=code
        )
        return []
    entries = [("Path", ""), ("Online", True), ("RestartNeeded", code == REBOOT_REQUIRED)]
    return [Partial(entries, "Microsoft.Dism.Commands.ImageObject")]


@TABLE.add(
    "Repair-WindowsImage",
    "Online:switch CheckHealth:switch ScanHealth:switch "
    "RestoreHealth:switch Source:string[] LimitAccess:switch NoRestart:switch",
)
def repair_windows_image(call: Call) -> Iterable[Value]:
    """Tell how the component store is, or repair it."""
    _must_be_online(call)
    store, faults = call.around.computer.store, call.around.computer.faults
    mode = next((name for name in REPAIR_SECONDS if call.flag(name)), None)
    if mode is None:
        raise NotSimulated("Repair-WindowsImage without a mode")
    call.around.sleep(REPAIR_SECONDS[mode])
    if mode == "restorehealth":
        failing = faults.strike(Fault.REPAIR_FAILS)
        if failing is not None:
            code = int(failing.get("hresult", 0x800F081F))
            call.fail(
                DISM_FAILED, f"Repair-WindowsImage failed. Error code = 0x{code:08x}", hresult=code
            )
            return []
        store.health = "Healthy"
        faults.heal(Fault.STORE_CORRUPT)
    entries = [
        ("ImageHealthState", kinds.enum_of(HEALTH.name, store.health)),
        ("Online", True),
        ("RestartNeeded", False),
    ]
    return [Partial(entries, "Microsoft.Dism.Commands.ImageObject")]
