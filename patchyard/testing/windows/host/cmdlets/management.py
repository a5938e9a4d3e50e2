"""Get-CimInstance and Invoke-CimMethod: the classes that are known, and what they show."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.inside import Inside as Host
from patchyard.testing.windows.host.net.common import when
from patchyard.testing.windows.powershell.command import Call, Commands
from patchyard.testing.windows.powershell.compare import equal, like
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import (
    Partial,
    Record,
    UInt16,
    UInt32,
    UInt64,
    Value,
)

TABLE = Commands()
CIM = "Microsoft.Management.Infrastructure.CimException"
GB = 1 << 30
Rows = Callable[[Host], list[list[tuple[str, Value]]]]
CLASSES: dict[tuple[str, str], Rows] = {}
ROOT = "root/cimv2"
NO_NAMESPACE = 0x8004100E
NO_CLASS = 0x80041010


def cim_class(name: str, namespace: str = ROOT) -> Callable[[Rows], Rows]:
    """Declare the instances of a class."""

    def add(rows: Rows) -> Rows:
        CLASSES[namespace.lower(), name.lower()] = rows
        return rows

    return add


@cim_class("Win32_OperatingSystem")
def _operating_system(host: Host) -> list[list[tuple[str, Value]]]:
    computer = host.computer
    profile = computer.profile
    return [
        [
            ("Caption", profile.caption),
            ("Version", f"10.0.{profile.build}"),
            ("BuildNumber", profile.build),
            ("OSArchitecture", "64-bit"),
            ("OperatingSystemSKU", UInt32(profile.sku)),
            ("ProductType", UInt32(3)),
            ("LastBootUpTime", when(computer.boot_time + computer.skew).local()),
            ("LocalDateTime", when(computer.clock.time() + computer.skew).local()),
            ("SystemDrive", "C:"),
            ("WindowsDirectory", "C:\\Windows"),
            ("OSLanguage", UInt32(1033)),
            ("FreePhysicalMemory", UInt64(6 * 1024 * 1024)),
            ("TotalVisibleMemorySize", UInt64(8 * 1024 * 1024)),
            ("CSName", computer.name.upper()),
        ]
    ]


@cim_class("Win32_ComputerSystem")
def _computer_system(host: Host) -> list[list[tuple[str, Value]]]:
    computer = host.computer
    return [
        [
            ("Name", computer.name.upper()),
            ("DNSHostName", computer.name),
            ("Domain", "WORKGROUP"),
            ("PartOfDomain", False),
            ("DomainRole", UInt16(2)),
            ("Manufacturer", "Simulated"),
            ("Model", "Virtual Machine"),
            ("TotalPhysicalMemory", UInt64(8 * GB)),
            ("HypervisorPresent", True),
            ("NumberOfLogicalProcessors", UInt32(4)),
        ]
    ]


@cim_class("Win32_DeviceGuard", "root/microsoft/windows/deviceguard")
def _device_guard(host: Host) -> list[list[tuple[str, Value]]]:
    status = UInt32(host.computer.vbs)
    return [[("VirtualizationBasedSecurityStatus", status)]]


@cim_class("Win32_LogicalDisk")
def _logical_disk(host: Host) -> list[list[tuple[str, Value]]]:
    computer = host.computer
    return [
        [
            ("DeviceID", "C:"),
            ("DriveType", UInt32(3)),
            ("FileSystem", "NTFS"),
            ("Size", UInt64(computer.files.size)),
            ("FreeSpace", UInt64(computer.free_bytes())),
            ("VolumeName", ""),
        ]
    ]


@cim_class("Win32_Volume")
def _volume(host: Host) -> list[list[tuple[str, Value]]]:
    computer = host.computer
    system = [
        ("DriveLetter", "C:"),
        ("Name", "C:\\"),
        ("Label", ""),
        ("DriveType", UInt32(3)),
        ("FileSystem", "NTFS"),
        ("SystemVolume", False),
        ("BootVolume", True),
        ("Capacity", UInt64(computer.files.size)),
        ("FreeSpace", UInt64(computer.free_bytes())),
    ]
    boot = [
        ("DriveLetter", None),
        ("Name", "\\\\?\\Volume{11111111-0000-0000-0000-100000000000}\\"),
        ("Label", "SYSTEM"),
        ("DriveType", UInt32(3)),
        ("FileSystem", "FAT32"),
        ("SystemVolume", True),
        ("BootVolume", False),
        ("Capacity", UInt64(100 * 1024 * 1024)),
        ("FreeSpace", UInt64(70 * 1024 * 1024)),
    ]
    return [system, boot]


@cim_class("Win32_Service")
def _service(host: Host) -> list[list[tuple[str, Value]]]:
    return [
        [
            ("Name", s.name),
            ("DisplayName", s.display),
            ("State", s.state),
            ("StartMode", s.start),
            ("Started", s.state == "Running"),
            ("DelayedAutoStart", s.delayed),
            ("ExitCode", UInt32(s.exit_code)),
            ("ProcessId", UInt32(s.pid)),
            ("PathName", s.path),
            ("StartName", s.account),
            ("Status", "OK"),
        ]
        for s in host.computer.services.all()
    ]


@cim_class("Win32_Process")
def _process(host: Host) -> list[list[tuple[str, Value]]]:
    return [
        [
            ("ProcessId", UInt32(p.pid)),
            ("Name", f"{p.name}.exe"),
            ("ParentProcessId", UInt32(p.parent)),
            ("CommandLine", p.arguments or None),
            ("CreationDate", when(p.started).local()),
        ]
        for p in list(host.computer.processes.running.values())
    ]


@cim_class("Win32_QuickFixEngineering")
def _quick_fix(host: Host) -> list[list[tuple[str, Value]]]:
    return [
        [("HotFixID", f"KB{kb}"), ("Description", "Security Update"), ("InstalledOn", moment)]
        for kb, moment in installed_fixes(host)
    ]


@cim_class("CCM_ClientUtilities", "root/ccm/clientsdk")
def _sccm(_host: Host) -> list[list[tuple[str, Value]]]:
    return []


def installed_fixes(host: Host) -> list[tuple[str, Value]]:
    """Return the KBs that CBS knows, each with the day of its installation."""
    found: dict[str, Value] = {}
    for package in host.computer.store.packages:
        if package.kb and package.state == "Installed":
            found.setdefault(package.kb, when(package.installed).local())
    return list(found.items())


def instances(call: Call, name: str, namespace: str) -> list[Value]:
    """Return the instances of a class.

    Raises:
        NotSimulated: it is not known whether there is such a class.
    """
    plain = namespace.replace("\\", "/").lower()
    rows = CLASSES.get((plain, name.lower()))
    if rows is None:
        raise NotSimulated(f"the CIM class {namespace}/{name}")
    if plain in call.around.computer.absent_namespaces:
        call.fail(
            CIM,
            "Invalid namespace ",
            error_id="HRESULT 0x8004100e",
            category="ObjectNotFound",
            hresult=NO_NAMESPACE,
        )
        return []
    kind = f"Microsoft.Management.Infrastructure.CimInstance#{plain}/{name}"
    return [Partial(row, kind) for row in rows(call.around)]


@TABLE.add(
    "Get-CimInstance",
    "ClassName:string@0 Namespace:string Filter:string Query:string "
    "Property:string[] OperationTimeoutSec:int KeyOnly:switch",
)
def get_cim_instance(call: Call) -> Iterable[Value]:
    """Return instances of a class, filtered."""
    name, condition = call.text("classname"), call.text("filter")
    if call.has("query"):
        found = re.fullmatch(
            r"\s*select\s+.+?\s+from\s+(\w+)(?:\s+where\s+(.+))?\s*",
            call.text("query"),
            re.IGNORECASE,
        )
        if found is None:
            raise NotSimulated(f"the query {call.text('query')!r}")
        name, condition = found[1], found[2] or ""
    rows = instances(call, name, call.text("namespace") or ROOT)
    return [row for row in rows if not condition or fulfils(row, condition)]


TERM = re.compile(
    r"\s*(\w+)\s*(=|<>|!=|<=|>=|<|>|\blike\b)\s*(?:'([^']*)'|\"([^\"]*)\"|(\w+))\s*", re.IGNORECASE
)


def fulfils(row: Value, condition: str) -> bool:
    """True where an instance fulfils a WQL condition of terms joined by `and`, or by `or`.

    Raises:
        NotSimulated: it has more than that.
    """
    alternatives = re.split(r"\bor\b", condition, flags=re.IGNORECASE)
    return any(
        all(_term(row, term) for term in re.split(r"\band\b", one, flags=re.IGNORECASE))
        for one in alternatives
    )


def _term(row: Value, text: str) -> bool:
    found = TERM.fullmatch(text)
    if found is None or found[1] not in row:
        raise NotSimulated(f"the WQL condition {text!r}")
    value = row[found[1]]
    wanted: Value = next(group for group in (found[3], found[4], found[5]) if group is not None)
    operator = found[2].lower()
    if isinstance(value, bool):
        wanted = str(wanted).lower() in {"true", "1"}
    if operator == "like":
        return like(value, str(wanted).replace("%", "*").replace("_", "?"))
    if operator in {"=", "<>", "!="}:
        same = value is None and wanted == "" if value is None else equal(value, wanted)
        return same == (operator == "=")
    left, right = int(value), int(wanted)
    return {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[
        operator
    ]


@TABLE.add(
    "Invoke-CimMethod",
    "ClassName:string@0 MethodName:string@1 Namespace:string "
    "Arguments InputObject| OperationTimeoutSec:int",
)
def invoke_cim_method(call: Call) -> Iterable[Value]:
    """Call a method of a class."""
    name, method = call.text("classname").lower(), call.text("methodname").lower()
    namespace = (call.text("namespace") or ROOT).replace("\\", "/").lower()
    if call.has("inputobject") or call.piped:
        raise NotSimulated("Invoke-CimMethod of an instance")
    if namespace in call.around.computer.absent_namespaces:
        call.fail(
            CIM,
            "Invalid namespace ",
            error_id="HRESULT 0x8004100e",
            category="ObjectNotFound",
            hresult=NO_NAMESPACE,
        )
        return []
    answers = call.around.computer.cim_methods.get((namespace, name, method))
    if answers is None:
        raise NotSimulated(f"the CIM method {namespace}/{name}.{method}")
    return [Record([(text_of(key), value) for key, value in answers.items()])]
