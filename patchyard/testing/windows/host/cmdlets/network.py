"""Ports and HTTP, as far as checks need them."""

from __future__ import annotations

from collections.abc import Iterable

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.command import Call, Commands
from patchyard.testing.windows.powershell.convert import to_int
from patchyard.testing.windows.powershell.errors import ErrorRecord, NetException
from patchyard.testing.windows.powershell.values import Partial, Record, UInt16, UInt32, Value

TABLE = Commands()
CIM = "Microsoft.PowerShell.Cmdletization.Cim.CimJobException"
OK = 200
ERRORS_FROM = 400


@TABLE.add("Get-NetTCPConnection", "State:string[] LocalPort:int[] RemotePort:int[]")
def get_net_tcp_connection(call: Call) -> Iterable[Value]:
    """Return the ports on which somebody listens."""
    states = {text.lower() for text in call.texts("state")}
    if states and states != {"listen"}:
        raise NotSimulated("Get-NetTCPConnection of anything but -State Listen")
    wanted = {to_int(port) for port in call.get("localport") or []}
    ports = sorted(call.around.computer.listening)
    found = [port for port in ports if not wanted or port in wanted]
    if wanted and not found:
        call.fail(
            CIM,
            "No matching MSFT_NetTCPConnection objects found by CIM query for instances "
            "of the ROOT/StandardCimv2/MSFT_NetTCPConnection class on the CIM server",
            error_id="CmdletizationQuery_NotFound",
            category="ObjectNotFound",
        )
    kind = (
        "Microsoft.Management.Infrastructure.CimInstance#ROOT/StandardCimv2/MSFT_NetTCPConnection"
    )
    return [
        Partial(
            [
                ("LocalAddress", "::"),
                ("LocalPort", UInt16(port)),
                ("State", "Listen"),
                ("OwningProcess", UInt32(4)),
            ],
            kind,
        )
        for port in found
    ]


@TABLE.add(
    "Invoke-WebRequest",
    "Uri:string@0! UseBasicParsing:switch TimeoutSec:int Method:string "
    "Headers MaximumRedirection:int",
)
def invoke_web_request(call: Call) -> Iterable[Value]:
    """Ask a web server that the computer was told of."""
    if not call.flag("usebasicparsing"):
        raise NotSimulated("Invoke-WebRequest without -UseBasicParsing, which needs a browser")
    if call.text("method", "get").lower() not in {"get", "head"}:
        raise NotSimulated("Invoke-WebRequest but for GET and HEAD")
    answer = call.around.computer.web.get(call.text("uri"))
    if answer is None:
        raise NotSimulated(f"what {call.text('uri')} answers")
    status, body = answer
    if status == 0 or status >= ERRORS_FROM:
        words = (
            "Unable to connect to the remote server"
            if status == 0
            else f"The remote server returned an error: ({status})."
        )
        exception = WebException(words, status)
        call.report(ErrorRecord(exception, error_id="WebCmdletWebResponseException"))
        return []
    return [
        Record(
            [("StatusCode", status), ("StatusDescription", "OK"), ("Content", body)],
            "Microsoft.PowerShell.Commands.BasicHtmlWebResponseObject",
        )
    ]


class WebException(NetException):
    """System.Net.WebException."""

    net = NetException.net

    def __init__(self, message: str, status: int) -> None:
        super().__init__("System.Net.WebException", message)
        self.status = status


@NetException.net.property("Response")
def _response(target: NetException) -> Value:
    status = getattr(target, "status", 0)
    if target.kind != "System.Net.WebException":
        raise NotSimulated(f"the property Response of a {target.kind}")
    return Record([("StatusCode", status)], "System.Net.HttpWebResponse") if status else None
