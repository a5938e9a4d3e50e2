"""External programs: shutdown.exe, wusa.exe, dism.exe, sc.exe and a few more."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.packages import Package

if TYPE_CHECKING:
    from patchyard.testing.windows.host.inside import Inside

Result = tuple[int, str, str]
Native = Callable[["Inside", list[str], list[str]], Result]
PROGRAMS: dict[str, Native] = {}
REBOOT_REQUIRED = 3010
CANNOT_UNINSTALL = 0x800F0825
UNKNOWN_PACKAGE = 0x800F080C
ALREADY_GONE = 2359303
NOT_SCHEDULED = 1116
SIGNATURES = "SOFTWARE\\Microsoft\\Windows Defender\\Signature Updates"
PLACES = (
    "c:\\windows\\system32\\",
    "c:\\windows\\sysnative\\",
    "c:\\program files\\windows defender\\",
)
SAID = {
    0: "",
    5: "Access is denied.(5)",
    1115: "A system shutdown is in progress.(1115)",
    1116: "Unable to abort the system shutdown because no shutdown was in progress.(1116)",
    1190: "A system shutdown has already been scheduled.(1190)",
}


def program(*names: str) -> Callable[[Native], Native]:
    """Declare an external program."""

    def add(run: Native) -> Native:
        for name in names:
            PROGRAMS[name] = run
        return run

    return add


def native_program(inside: Inside, name: str) -> Callable[[list[str], list[str]], Result] | None:
    """Return an external program by its name or path."""
    plain = name.strip('"').lower().replace("/", "\\")
    for place in PLACES:
        plain = plain.removeprefix(place)
    run = PROGRAMS.get(plain.removesuffix(".exe"))
    return None if run is None else lambda arguments, items: run(inside, arguments, items)


def _options(arguments: list[str]) -> dict[str, str]:
    """Return /x values of a command line, by lower-case letter."""
    found: dict[str, str] = {}
    waiting = ""
    for argument in arguments:
        if argument[:1] in "/-":
            name, _, value = argument[1:].partition(":")
            found[name.lower()] = value
            waiting = "" if value else name.lower()
        elif waiting:
            found[waiting], waiting = argument, ""
    return found


@program("shutdown")
def shutdown(inside: Inside, arguments: list[str], _items: list[str]) -> Result:
    """Restart, power off, or call it off."""
    options = _options(arguments)
    unknown = set(options) - {"r", "s", "a", "t", "c", "f", "d"}
    if unknown:
        raise NotSimulated(f"shutdown.exe /{min(unknown)}")
    supply = inside.computer.supply
    if "a" in options:
        code = supply.abort()
    elif "r" in options or "s" in options:
        seconds = float(options.get("t") or 30)
        code = supply.shut_down(
            seconds, restart="r" in options, reason=options.get("c", ""), user=inside.process.user
        )
    else:
        raise NotSimulated("shutdown.exe without /r, /s or /a")
    if code not in SAID:
        return code, "", f"shutdown.exe ended with {code}"
    return code, "", SAID[code]


@program("msg")
def message(inside: Inside, arguments: list[str], _items: list[str]) -> Result:
    """Show a message to everybody who is logged in."""
    if len(arguments) != 3 or arguments[0] != "*" or arguments[1].upper()[:6] != "/TIME:":  # noqa: PLR2004
        raise NotSimulated(f"msg.exe {' '.join(arguments[:-1])}")
    inside.computer.shown.append(arguments[2])
    return 0, "", ""


@program("sc")
def service_control(inside: Inside, arguments: list[str], _items: list[str]) -> Result:
    """Set how a service starts."""
    words = [argument.lower() for argument in arguments]
    if len(words) < 2 or words[0] not in {"config", "start", "stop", "query"}:  # noqa: PLR2004
        raise NotSimulated(f"sc.exe {' '.join(words[:1])}")
    service = inside.computer.services.find(words[1])
    if service is None:
        said = "[SC] OpenService FAILED 1060:\r\n\r\nThe specified service does not exist.\r\n"
        return 1060, said, ""
    if words[0] == "config" and words[2:3] == ["start="]:
        kinds = {"auto": "Auto", "demand": "Manual", "disabled": "Disabled", "delayed-auto": "Auto"}
        service.start = kinds[words[3]]
        service.delayed = words[3] == "delayed-auto"
        return 0, "[SC] ChangeServiceConfig SUCCESS\r\n", ""
    raise NotSimulated(f"sc.exe {' '.join(words)}")


@program("wusa")
def wusa(inside: Inside, arguments: list[str], _items: list[str]) -> Result:
    """Remove a package by its KB; a combined one is refused."""
    options = _options(arguments)
    if "uninstall" not in options or "kb" not in options:
        raise NotSimulated("wusa.exe but for /uninstall /kb:N")
    wanted = options["kb"].lower().removeprefix("kb")
    store = inside.computer.store
    found = [p for p in store.packages if p.kb == wanted and p.state != "NotPresent"]
    inside.sleep(20)
    if not found:
        return ALREADY_GONE, "", ""
    if any("RollupFix" in p.name or p.permanent for p in found):
        return CANNOT_UNINSTALL - (1 << 32), "", ""
    for package in found:
        store.remove(package, at_once=False)
    inside.computer.mark_pending()
    return REBOOT_REQUIRED, "", ""


@program("dism")
def dism(inside: Inside, arguments: list[str], _items: list[str]) -> Result:
    """Remove a package, list packages, or check and repair the component store."""
    options = {k: v for k, v in _options(arguments).items() if k != "english"}
    if "online" not in options:
        raise NotSimulated("dism.exe without /Online")
    if "remove-package" in options:
        return _remove_package(inside, options.get("packagename", ""))
    if "cleanup-image" in options:
        return _clean_up(inside, options)
    if "get-packages" in options:
        return 0, _listing(inside), ""
    raise NotSimulated(f"dism.exe {' '.join(arguments)}")


BANNER = "\r\nDeployment Image Servicing and Management tool\r\nVersion: 10.0.20348.1\r\n\r\n"


def _remove_package(inside: Inside, name: str) -> Result:
    code = remove_package(inside, name)
    if code not in {0, REBOOT_REQUIRED}:
        return code - (1 << 32), f"{BANNER}\r\nError: 0x{code:08x}\r\n", ""
    return code, f"{BANNER}The operation completed successfully.\r\n", ""


def remove_package(inside: Inside, name: str) -> int:
    """Begin to remove a package; return 3010, or the HRESULT of what refuses."""
    computer = inside.computer
    package = computer.store.find(name)
    if package is None or package.state in {"NotPresent", "Superseded"}:
        return UNKNOWN_PACKAGE
    if package.permanent or computer.store.reset_base:
        return CANNOT_UNINSTALL
    inside.sleep(computer.updates.removing_seconds)
    computer.store.remove(package, at_once=False)
    _mark_removal(inside, package)
    return REBOOT_REQUIRED


def _mark_removal(inside: Inside, package: Package) -> None:
    computer = inside.computer
    offer = computer.updates.offers.get(package.update)
    if offer is not None:
        offer.reboot_required = offer.removing = True
        computer.updates.remember(offer.update, 2, 2, 0, "DISM Package Manager")
    computer.mark_pending()


def _clean_up(inside: Inside, options: dict[str, str]) -> Result:
    store = inside.computer.store
    if "startcomponentcleanup" in options:
        inside.sleep(300)
        if "resetbase" in options:
            store.reset_base = True
            store.packages = [p for p in store.packages if p.state != "Superseded"]
        return 0, f"{BANNER}The operation completed successfully.\r\n", ""
    if "checkhealth" in options:
        text = (
            "No component store corruption detected."
            if store.health == "Healthy"
            else "The component store is repairable."
        )
        return 0, f"{BANNER}{text}\r\nThe operation completed successfully.\r\n", ""
    raise NotSimulated(f"dism.exe /Cleanup-Image /{', /'.join(options)}")


def _listing(inside: Inside) -> str:
    parts = (
        f"Package Identity : {p.name}\r\nState : {re.sub('(?<=[a-z])(?=[A-Z])', ' ', p.state)}\r\n"
        for p in inside.computer.store.packages
    )
    return BANNER + "\r\n".join(parts) + "\r\nThe operation completed successfully.\r\n"


@program("mpcmdrun")
def defender(inside: Inside, arguments: list[str], _items: list[str]) -> Result:
    """Go back to the definitions that were there before the last ones."""
    words = [argument.lower() for argument in arguments]
    if words[:1] != ["-removedefinitions"]:
        raise NotSimulated(f"MpCmdRun.exe {' '.join(arguments)}")
    inside.sleep(10)
    updates = inside.computer.updates
    for offer in updates.offers.values():
        if offer.update.kind == "definition":
            offer.installed = False
    inside.computer.registry.delete(SIGNATURES, "AVSignatureVersion")
    return 0, "", ""


@program("whoami")
def whoami(inside: Inside, arguments: list[str], _items: list[str]) -> Result:
    """Tell who it is."""
    if arguments:
        raise NotSimulated(f"whoami.exe {' '.join(arguments)}")
    return 0, f"{inside.process.user.lower()}\r\n", ""


@program("hostname")
def hostname(inside: Inside, _arguments: list[str], _items: list[str]) -> Result:
    """Tell the host name."""
    return 0, f"{inside.computer.name}\r\n", ""


@program("icacls")
def icacls(inside: Inside, arguments: list[str], _items: list[str]) -> Result:
    """Change an access list; what is asked is told in a table."""
    from patchyard.testing.windows.host.access import run_icacls  # noqa: PLC0415

    return run_icacls(inside, arguments)
