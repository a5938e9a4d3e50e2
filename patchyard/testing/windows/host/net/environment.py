"""System.Environment, System.Console, and the present moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.files import SYSTEM
from patchyard.testing.windows.host.net.common import inside_of
from patchyard.testing.windows.host.standard_input import InputStream
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.convert import to_int
from patchyard.testing.windows.powershell.dates import DateTime
from patchyard.testing.windows.powershell.errors import Exited
from patchyard.testing.windows.powershell.net.streams import Stream
from patchyard.testing.windows.powershell.net.text import Encoding
from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import NOTHING, Value

if TYPE_CHECKING:
    from patchyard.testing.windows.host.inside import Inside
    from patchyard.testing.windows.powershell.runtime import Runtime

ENVIRONMENT = NetInfo("System.Environment", base=kinds.OBJECT)
CONSOLE = NetInfo("System.Console", base=kinds.OBJECT)
FOLDERS = {"CommonApplicationData": 35, "System": 37, "Windows": 36, "ProgramFiles": 38}
kinds.enumeration("System.Environment+SpecialFolder", FOLDERS)
MILLISECONDS = 1000
TICK_LIMIT = 1 << 32

ENVIRONMENT.static_property("MachineName")(lambda rt: inside_of(rt).variable("COMPUTERNAME"))
ENVIRONMENT.static_property("NewLine")(lambda _rt: "\r\n")
ENVIRONMENT.static_property("Is64BitProcess")(lambda _rt: True)
ENVIRONMENT.static_property("Is64BitOperatingSystem")(lambda _rt: True)
ENVIRONMENT.static_property("UserName")(lambda rt: inside_of(rt).variable("USERNAME"))
ENVIRONMENT.static_property("ProcessorCount")(lambda _rt: 4)
ENVIRONMENT.static_property("SystemDirectory")(lambda _rt: "C:\\Windows\\system32")


@ENVIRONMENT.static_property("TickCount")
def _ticks(rt: Runtime) -> Value:
    computer = inside_of(rt).computer
    passed = int((computer.clock.time() - computer.boot_time) * MILLISECONDS) % TICK_LIMIT
    return passed - TICK_LIMIT if passed >= TICK_LIMIT // 2 else passed


@ENVIRONMENT.static_property("OSVersion")
def _os_version(rt: Runtime) -> Value:
    return OsVersion(inside_of(rt))


class OsVersion(NetObject):
    """System.OperatingSystem."""

    net = NetInfo("System.OperatingSystem", base=kinds.OBJECT)

    def __init__(self, inside: Inside) -> None:
        self.inside = inside

    @net.property("Version")
    def _version(self) -> Value:
        return kinds.Version((10, 0, int(self.inside.computer.profile.build), 0))

    net.property("Platform")(lambda _target: "Win32NT")


@ENVIRONMENT.static("GetEnvironmentVariable")
def _get_variable(rt: Runtime, name: Value, _target: Value = None) -> Value:
    return inside_of(rt).variable(text_of(name))


@ENVIRONMENT.static("SetEnvironmentVariable")
def _set_variable(rt: Runtime, name: Value, value: Value, target: Value = None) -> Value:
    if target is not None and text_of(target).lower() != "process":
        raise NotSimulated("an environment variable beyond this process")
    inside_of(rt).set_variable(text_of(name), text_of(value) or None)
    return NOTHING


@ENVIRONMENT.static("GetFolderPath")
def _folder(rt: Runtime, folder: Value) -> Value:
    variables = {
        "commonapplicationdata": "ProgramData",
        "windows": "SystemRoot",
        "programfiles": "ProgramFiles",
    }
    name = text_of(folder).lower()
    if name == "system":
        return "C:\\Windows\\system32"
    if name not in variables:
        raise NotSimulated(f"the folder {text_of(folder)}")
    return inside_of(rt).variable(variables[name])


@ENVIRONMENT.static("Exit")
def _exit(_rt: Runtime, code: Value) -> Value:
    raise Exited(to_int(code))


class Output(NetObject):
    """[Console]::Out and [Console]::Error."""

    net = NetInfo("System.IO.TextWriter", base=kinds.OBJECT)

    def __init__(self, inside: Inside, *, error: bool) -> None:
        self._write = inside.console.write_error if error else inside.console.write_out

    @net.method("WriteLine")
    def _write_line(self, _rt: Value, text: Value = "") -> Value:
        self._write(f"{text_of(text)}\r\n")
        return NOTHING

    @net.method("Write")
    def _write_text(self, _rt: Value, text: Value) -> Value:
        self._write(text_of(text))
        return NOTHING

    @net.method("Flush")
    def _flush(self, _rt: Value) -> Value:
        return NOTHING


class Input(NetObject):
    """[Console]::In."""

    net = NetInfo("System.IO.TextReader", base=kinds.OBJECT)

    def __init__(self, inside: Inside) -> None:
        self._inside = inside
        self._lines: list[str] | None = None

    @net.method("ReadToEnd")
    def _read_to_end(self, _rt: Value) -> Value:
        return self._inside.console.stdin.rest().decode("utf-8", "replace")

    @net.method("ReadLine")
    def _read_line(self, _rt: Value) -> Value:
        if self._lines is None:
            self._lines = self._inside.console.stdin.lines()
        return self._lines.pop(0) if self._lines else None


class OutputStream(Stream):
    """What [Console]::OpenStandardOutput gives."""

    net = NetInfo("System.IO.__ConsoleOutputStream", base=Stream.net)

    def __init__(self, inside: Inside) -> None:
        super().__init__()
        self._inside = inside

    def write(self, data: bytes) -> None:
        """Write it to standard output."""
        self._inside.console.write_out(data.decode("utf-8", "replace"))


CONSOLE.static_property("In")(lambda rt: Input(inside_of(rt)))
CONSOLE.static_property("Out")(lambda rt: Output(inside_of(rt), error=False))
CONSOLE.static_property("Error")(lambda rt: Output(inside_of(rt), error=True))
CONSOLE.static_property("OutputEncoding")(lambda _rt: Encoding("utf-8"))
CONSOLE.static("OpenStandardInput")(lambda rt, *_size: InputStream(inside_of(rt).console.stdin))
CONSOLE.static("OpenStandardOutput")(lambda rt, *_size: OutputStream(inside_of(rt)))


@CONSOLE.static("WriteLine")
def _write_line(rt: Runtime, text: Value = "") -> Value:
    inside_of(rt).console.write_out(f"{text_of(text)}\r\n")
    return NOTHING


@CONSOLE.static("Write")
def _write(rt: Runtime, text: Value) -> Value:
    inside_of(rt).console.write_out(text_of(text))
    return NOTHING


DateTime.net.static_property("UtcNow")(lambda rt: DateTime.of(rt.around.now()))
DateTime.net.static_property("Now")(lambda rt: DateTime.of(rt.around.now()).local())

IDENTITY = NetInfo("System.Security.Principal.WindowsIdentity", base=kinds.OBJECT)


class Identity(NetObject):
    """Who a script runs as."""

    net = IDENTITY

    def __init__(self, inside: Inside) -> None:
        self.inside = inside

    @net.property("Name")
    def _name(self) -> Value:
        return self.inside.process.user

    @net.property("IsSystem")
    def _is_system(self) -> Value:
        return self.inside.is_system

    @net.property("User")
    def _user(self) -> Value:
        from patchyard.testing.windows.host.access import Sid  # noqa: PLC0415

        return Sid(SYSTEM if self.inside.is_system else "S-1-5-21-1-2-3-500")


IDENTITY.static("GetCurrent")(lambda rt: Identity(inside_of(rt)))
kinds.enumeration("System.Security.Principal.WindowsBuiltInRole", {"Administrator": 544})


class WindowsPrincipal(NetObject):
    """What may be asked about who a script runs as: everybody here is an administrator."""

    net = NetInfo("System.Security.Principal.WindowsPrincipal", base=kinds.OBJECT)

    @net.method("IsInRole")
    def _is_in_role(self, _rt: Value, role: Value) -> Value:
        if text_of(role) not in {"Administrator", "S-1-5-32-544"}:
            raise NotSimulated(f"whether a user is in the role {text_of(role)}")
        return True


WindowsPrincipal.net.constructor(lambda _rt, _identity: WindowsPrincipal())
