"""Who may use the update agent, and the smaller of its objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.com import ComObject, Strings, com_class, com_info
from patchyard.testing.windows.powershell.convert import to_int
from patchyard.testing.windows.powershell.errors import ComError
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import NOTHING, Value

if TYPE_CHECKING:
    from patchyard.testing.windows.host.inside import Inside

ACCESS_DENIED = 0x80070005
SERVICE_DISABLED = 0x80070422
POLICY = "SOFTWARE\\Policies\\Microsoft\\Windows\\WindowsUpdate"
POLICY_REFUSES = 0x8024002E
SHUTTING_DOWN = 0x8007045B
MICROSOFT_UPDATE = "7971f918-a847-4430-9279-4a52d1efe18d"
WINDOWS_UPDATE = "9482f4b4-e343-43b6-b170-9a65bc822c77"
WSUS = "3da21691-e39d-4da6-8a4b-b43877bcb1b7"


def must_be_allowed(inside: Inside) -> None:
    """Refuse the agent to a network logon, as Windows does since autumn 2025 even for a search.

    Raises:
        ComError: this logon may not, or the agent does not work at all.
    """
    inside.check()
    if inside.logon == "network":
        raise ComError(ACCESS_DENIED)


def must_work(inside: Inside) -> None:
    """Refuse what needs the service and the policy.

    Raises:
        ComError: the service is disabled, a policy forbids it, or the computer goes down.
    """
    must_be_allowed(inside)
    computer = inside.computer
    if computer.supply.going:
        raise ComError(SHUTTING_DOWN)
    if computer.services.get("wuauserv").start == "Disabled":
        raise ComError(SERVICE_DISABLED)
    if computer.registry.get(POLICY, "DisableWindowsUpdateAccess", 0) == 1:
        raise ComError(POLICY_REFUSES)
    computer.services.get("wuauserv").state = "Running"


def uses_wsus(inside: Inside) -> bool:
    """True where a policy points the agent to a server of the operator's own."""
    registry = inside.computer.registry
    return registry.get(f"{POLICY}\\AU", "UseWUServer", 0) == 1 and bool(
        registry.get(POLICY, "WUServer", "")
    )


@com_class("Microsoft.Update.SystemInfo")
class SystemInformation(ComObject):
    """ISystemInformation."""

    net = com_info("ISystemInformation")

    def __init__(self, inside: Inside) -> None:
        self.inside = inside

    @net.property("RebootRequired")
    def _reboot_required(self) -> Value:
        must_be_allowed(self.inside)
        return self.inside.computer.reboot_required()

    @net.property("OemHardwareSupportLink")
    def _link(self) -> Value:
        return ""


@com_class("Microsoft.Update.AgentInfo")
class AgentInfo(ComObject):
    """IWindowsUpdateAgentInfo."""

    net = com_info("IWindowsUpdateAgentInfo")

    def __init__(self, inside: Inside) -> None:
        self.inside = inside

    @net.method("GetInfo")
    def _get_info(self, _rt: Value, name: Value) -> Value:
        must_be_allowed(self.inside)
        profile = self.inside.computer.profile
        known = {
            "ProductVersionString": f"10.0.{profile.build}.1",
            "ApiMajorVersion": 8,
            "ApiMinorVersion": 0,
        }
        if text_of(name) not in known:
            raise NotSimulated(f"AgentInfo.GetInfo({text_of(name)})")
        return known[text_of(name)]


@com_class("Microsoft.Update.ServiceManager")
class ServiceManager(ComObject):
    """IUpdateServiceManager."""

    net = com_info("IUpdateServiceManager")

    def __init__(self, inside: Inside) -> None:
        self.inside = inside

    @net.property("Services")
    def _services(self) -> Value:
        must_be_allowed(self.inside)
        wsus = uses_wsus(self.inside)
        found: list[Value] = [
            UpdateService("Windows Update", WINDOWS_UPDATE, managed=False, default=not wsus)
        ]
        if wsus:
            found.append(
                UpdateService("Windows Server Update Service", WSUS, managed=True, default=True)
            )
        if self.inside.computer.updates.microsoft_update:
            found.append(
                UpdateService("Microsoft Update", MICROSOFT_UPDATE, managed=False, default=False)
            )
        return Strings(found)

    @net.method("AddService2")
    def _add_service(self, _rt: Value, service: Value, flags: Value, _cab: Value) -> Value:
        must_work(self.inside)
        if text_of(service).lower() != MICROSOFT_UPDATE or not to_int(flags) & 2:
            raise NotSimulated(f"AddService2({text_of(service)})")
        self.inside.computer.updates.microsoft_update = True
        return UpdateService("Microsoft Update", MICROSOFT_UPDATE, managed=False, default=False)


class UpdateService(ComObject):
    """IUpdateService2."""

    net = com_info("IUpdateService2")

    def __init__(self, name: str, identity: str, *, managed: bool, default: bool) -> None:
        self.name, self.identity, self.managed, self.default = name, identity, managed, default

    net.property("Name")(lambda target: target.name)
    net.property("ServiceID")(lambda target: target.identity)
    net.property("IsManaged")(lambda target: target.managed)
    net.property("IsDefaultAUService")(lambda target: target.default)
    net.property("IsRegisteredWithAU")(lambda _target: True)


@com_class("Microsoft.Update.AutoUpdate")
class AutomaticUpdates(ComObject):
    """IAutomaticUpdates2."""

    net = com_info("IAutomaticUpdates2")

    def __init__(self, inside: Inside) -> None:
        self.inside = inside

    @net.property("ServiceEnabled")
    def _service_enabled(self) -> Value:
        must_be_allowed(self.inside)
        return self.inside.computer.services.get("wuauserv").start != "Disabled"

    @net.method("DetectNow")
    def _detect(self, _rt: Value) -> Value:
        must_work(self.inside)
        return NOTHING
