"""Services and processes."""

from __future__ import annotations

from collections.abc import Iterable

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.inside import Inside
from patchyard.testing.windows.host.net.processes import ProcessObject
from patchyard.testing.windows.host.services import Service
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.command import Call, Commands
from patchyard.testing.windows.powershell.compare import like
from patchyard.testing.windows.powershell.convert import to_int
from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import NOTHING, Value

TABLE = Commands()
STATUS = kinds.enumeration(
    "System.ServiceProcess.ServiceControllerStatus",
    {"Stopped": 1, "StartPending": 2, "StopPending": 3, "Running": 4, "Paused": 7},
)
START = kinds.enumeration(
    "System.ServiceProcess.ServiceStartMode", {"Automatic": 2, "Manual": 3, "Disabled": 4}
)
START_NAMES = {"Auto": "Automatic", "Manual": "Manual", "Disabled": "Disabled"}
FAILED = "Microsoft.PowerShell.Commands.ServiceCommandException"
NO_PROCESS = "Microsoft.PowerShell.Commands.ProcessCommandException"
SERVICE_SECONDS = 2.0


class Controller(NetObject):
    """System.ServiceProcess.ServiceController."""

    net = NetInfo("System.ServiceProcess.ServiceController", base=kinds.OBJECT)

    def __init__(self, inside: Inside, service: Service) -> None:
        self.inside, self.service = inside, service
        self.seen = service.state

    def shown(self) -> str:
        """Return what ToString gives."""
        return self.service.name

    net.property("Name")(lambda target: target.service.name)
    net.property("ServiceName")(lambda target: target.service.name)
    net.property("DisplayName")(lambda target: target.service.display)
    net.property("Status")(lambda target: kinds.enum_of(STATUS.name, target.seen))
    net.property("StartType")(
        lambda target: kinds.enum_of(START.name, START_NAMES[target.service.start])
    )

    @net.method("Refresh")
    def _refresh(self, _rt: Value) -> Value:
        self.seen = self.service.state
        return NOTHING

    @net.method("WaitForStatus")
    def _wait(self, _rt: Value, _status: Value, _longest: Value = None) -> Value:
        self.seen = self.service.state
        return NOTHING


def _chosen(call: Call) -> Iterable[Service]:
    services = call.around.computer.services
    names = [path_name(item) for item in call.items] if call.piped else call.texts("name")
    if not names:
        yield from services.all()
    for name in names:
        found = [s for s in services.all() if like(s.name, name) or like(s.display, name)]
        if not found and "*" not in name:
            call.fail(
                FAILED,
                f"Cannot find any service with service name '{name}'.",
                error_id="NoServiceFoundForGivenName",
                category="ObjectNotFound",
                target=name,
            )
        yield from found


def path_name(item: Value) -> str:
    """Return a service's name from an object or a string."""
    return item.service.name if isinstance(item, Controller) else text_of(item)


@TABLE.add("Get-Service", "Name:string[]@0| DisplayName:string[]")
def get_service(call: Call) -> Iterable[Value]:
    """Return services."""
    return [Controller(call.around, service) for service in _chosen(call)]


@TABLE.add("Start-Service", "Name:string[]@0| PassThru:switch")
def start_service(call: Call) -> None:
    """Start services."""
    for service in list(_chosen(call)):
        start_one(call, service)


def start_one(call: Call, service: Service) -> None:
    """Start a service, or report why it does not start."""
    call.around.sleep(SERVICE_SECONDS)
    if service.refuses or service.start == "Disabled":
        call.fail(
            FAILED,
            f"Service '{service.display} ({service.name})' cannot be started due to the following "
            f"error: Cannot start service {service.name} on computer '.'.",
            error_id="CouldNotStartService",
            category="OpenError",
        )
        return
    service.state, service.exit_code = "Running", 0


@TABLE.add("Stop-Service", "Name:string[]@0| Force:switch NoWait:switch")
def stop_service(call: Call) -> None:
    """Stop services."""
    for service in list(_chosen(call)):
        call.around.sleep(SERVICE_SECONDS)
        service.state = "Stopped"


@TABLE.add("Restart-Service", "Name:string[]@0| Force:switch")
def restart_service(call: Call) -> None:
    """Stop services and start them again."""
    for service in list(_chosen(call)):
        service.state = "Stopped"
        start_one(call, service)


@TABLE.add("Set-Service", "Name:string@0| StartupType:string Status:string")
def set_service(call: Call) -> None:
    """Set how a service starts."""
    if call.has("status"):
        raise NotSimulated("Set-Service -Status")
    modes = {"automatic": "Auto", "manual": "Manual", "disabled": "Disabled"}
    for service in list(_chosen(call)):
        service.start = modes[call.text("startuptype").lower()]


@TABLE.add("Get-Process", "Name:string[]@0 Id:int[]| IncludeUserName:switch")
def get_process(call: Call) -> Iterable[Value]:
    """Return processes by name or number."""
    running = call.around.computer.processes.running
    if call.has("id"):
        for pid in call.get("id"):
            process = running.get(to_int(pid))
            if process is None:
                _no_process(
                    call,
                    f"Cannot find a process with the process identifier {pid}.",
                    "NoProcessFoundForGivenId",
                )
            else:
                yield ProcessObject(call.around, process)
        return
    names = call.texts("name")
    everything = sorted(running.values(), key=lambda p: (p.name.lower(), p.pid))
    for name in names or ["*"]:
        found = [p for p in everything if like(p.name, name)]
        if not found and "*" not in name:
            _no_process(
                call,
                f'Cannot find a process with the name "{name}". Verify the process '
                "name and call the cmdlet again.",
                "NoProcessFoundForGivenName",
            )
        yield from (ProcessObject(call.around, process) for process in found)


def _no_process(call: Call, message: str, error_id: str) -> None:
    call.fail(NO_PROCESS, message, error_id=error_id, category="ObjectNotFound")


@TABLE.add("Stop-Process", "Id:int[]@0| Name:string[] InputObject Force:switch PassThru:switch")
def stop_process(call: Call) -> None:
    """End processes."""
    processes = call.around.computer.processes
    given = [item.process for item in call.items if isinstance(item, ProcessObject)]
    for pid in [] if call.piped else call.get("id") or []:
        found = processes.running.get(to_int(pid))
        if found is None:
            _no_process(
                call,
                f"Cannot find a process with the process identifier {pid}.",
                "NoProcessFoundForGivenId",
            )
        else:
            given.append(found)
    for name in call.texts("name"):
        given += processes.named(name)
    for process in given:
        processes.end(process, -1)


@TABLE.add("Wait-Process", "Id:int[]@0 Name:string[] Timeout:int")
def wait_process(call: Call) -> None:
    """Wait until processes have ended."""
    left = float(call.number("timeout", 1 << 30))
    wanted = [to_int(pid) for pid in call.get("id") or []]
    while any(pid in call.around.computer.processes.running for pid in wanted) and left > 0:
        call.around.sleep(1)
        left -= 1


@TABLE.add(
    "Start-Process",
    "FilePath:string@0! ArgumentList:string[]@1 Wait:switch PassThru:switch "
    "NoNewWindow:switch WindowStyle:string WorkingDirectory:string "
    "RedirectStandardOutput:string RedirectStandardError:string",
)
def start_process(call: Call) -> Iterable[Value]:
    """Run a program; what it writes is lost unless it goes to a file."""
    if call.has("redirectstandardoutput") or call.has("redirectstandarderror"):
        raise NotSimulated("Start-Process with a redirection")
    name = call.text("filepath")
    run = call.around.native(name)
    if run is None:
        raise NotSimulated(f"Start-Process {name}")
    if not call.flag("wait"):
        raise NotSimulated("Start-Process without -Wait: what it starts dies with the shell")
    # Start-Process joins its arguments with blanks and quotes nothing.
    words = " ".join(call.texts("argumentlist")).split()
    around, computer = call.around, call.around.computer
    process = computer.processes.start(
        name.removesuffix(".exe"),
        around.process.user,
        around.time(),
        job=around.process.job,
        parent=around.process.pid,
    )
    code, _, _ = run(words, [])
    computer.processes.end(process, code)
    if call.flag("passthru"):
        yield ProcessObject(around, process)
