"""Errors of scripts: exceptions, error records, and the ways in which control leaves a place."""

from __future__ import annotations

from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.values import NOTHING, Record, Value

BASES = {
    "System.SystemException": "System.Exception",
    "System.ArgumentException": "System.SystemException",
    "System.ArgumentNullException": "System.ArgumentException",
    "System.ArgumentOutOfRangeException": "System.ArgumentException",
    "System.FormatException": "System.SystemException",
    "System.OverflowException": "System.ArithmeticException",
    "System.ArithmeticException": "System.SystemException",
    "System.DivideByZeroException": "System.ArithmeticException",
    "System.IndexOutOfRangeException": "System.SystemException",
    "System.InvalidOperationException": "System.SystemException",
    "System.InvalidCastException": "System.SystemException",
    "System.NotSupportedException": "System.SystemException",
    "System.UnauthorizedAccessException": "System.SystemException",
    "System.TimeoutException": "System.SystemException",
    "System.ComponentModel.Win32Exception": "System.Runtime.InteropServices.ExternalException",
    "System.Runtime.InteropServices.ExternalException": "System.SystemException",
    "System.Runtime.InteropServices.COMException": (
        "System.Runtime.InteropServices.ExternalException"
    ),
    "System.Net.Sockets.SocketException": "System.ComponentModel.Win32Exception",
    "System.Net.WebException": "System.InvalidOperationException",
    "System.Diagnostics.Eventing.Reader.EventLogNotFoundException": "System.Exception",
    "System.Threading.AbandonedMutexException": "System.SystemException",
    "System.IO.IOException": "System.SystemException",
    "System.IO.EndOfStreamException": "System.IO.IOException",
    "System.IO.FileNotFoundException": "System.IO.IOException",
    "System.IO.DirectoryNotFoundException": "System.IO.IOException",
    "System.IO.InvalidDataException": "System.SystemException",
    "System.Management.Automation.RuntimeException": "System.SystemException",
    "System.Management.Automation.ParseException": (
        "System.Management.Automation.RuntimeException"
    ),
    "System.Management.Automation.ParentContainsErrorRecordException": "System.SystemException",
    "System.Management.Automation.PropertyNotFoundException": (
        "System.Management.Automation.ExtendedTypeSystemException"
    ),
    "System.Management.Automation.ExtendedTypeSystemException": (
        "System.Management.Automation.RuntimeException"
    ),
    "System.Management.Automation.MethodException": (
        "System.Management.Automation.ExtendedTypeSystemException"
    ),
    "System.Management.Automation.MethodInvocationException": (
        "System.Management.Automation.MethodException"
    ),
    "System.Management.Automation.GetValueInvocationException": (
        "System.Management.Automation.ExtendedTypeSystemException"
    ),
    "System.Management.Automation.SetValueInvocationException": (
        "System.Management.Automation.ExtendedTypeSystemException"
    ),
    "System.Management.Automation.PSInvalidCastException": "System.InvalidCastException",
    "System.Management.Automation.CommandNotFoundException": (
        "System.Management.Automation.RuntimeException"
    ),
    "System.Management.Automation.ParameterBindingException": (
        "System.Management.Automation.RuntimeException"
    ),
    "System.Management.Automation.RemoteException": (
        "System.Management.Automation.RuntimeException"
    ),
    "System.Management.Automation.SessionStateException": (
        "System.Management.Automation.RuntimeException"
    ),
    "System.Management.Automation.ItemNotFoundException": (
        "System.Management.Automation.SessionStateException"
    ),
    "System.Management.Automation.DriveNotFoundException": (
        "System.Management.Automation.SessionStateException"
    ),
    "System.Management.Automation.PSArgumentException": "System.ArgumentException",
    "Microsoft.PowerShell.Commands.WriteErrorException": "System.Exception",
    "Microsoft.PowerShell.Commands.ServiceCommandException": "System.SystemException",
    "Microsoft.PowerShell.Commands.ProcessCommandException": "System.SystemException",
    "Microsoft.Management.Infrastructure.CimException": "System.Exception",
}
"""Known exceptions, and what each derives from; anything else derives from System.Exception."""

HRESULTS = {
    "System.Exception": 0x80131500,
    "System.ArgumentException": 0x80070057,
    "System.ArgumentNullException": 0x80004003,
    "System.ArgumentOutOfRangeException": 0x80131502,
    "System.FormatException": 0x80131537,
    "System.InvalidOperationException": 0x80131509,
    "System.InvalidCastException": 0x80004002,
    "System.NotSupportedException": 0x80131515,
    "System.UnauthorizedAccessException": 0x80070005,
    "System.TimeoutException": 0x80131505,
    "System.IO.IOException": 0x80131620,
    "System.IO.FileNotFoundException": 0x80070002,
    "System.IO.DirectoryNotFoundException": 0x80070003,
    "System.IO.InvalidDataException": 0x80131501,
    "System.DivideByZeroException": 0x80020012,
    "System.OverflowException": 0x80131516,
    "System.IndexOutOfRangeException": 0x80131508,
}
RUNTIME = "System.Management.Automation.RuntimeException"
INVOCATION = "System.Management.Automation.MethodInvocationException"
COM = "System.Runtime.InteropServices.COMException"
SYSTEM_EXCEPTION = 0x80131501
MAPPED = {
    0x80070002: (
        "System.IO.FileNotFoundException",
        "The system cannot find the file specified.",
    ),
    0x80070003: (
        "System.IO.DirectoryNotFoundException",
        "The system cannot find the path specified.",
    ),
    0x80070005: ("System.UnauthorizedAccessException", "Access is denied."),
    0x80070057: ("System.ArgumentException", "Value does not fall within the expected range."),
}
"""Codes for which .NET raises something else than a COMException."""


def signed(value: int) -> int:
    """Return a 32-bit number as HRESULTs arrive: with a sign."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


class NetException(NetObject):
    """An exception object."""

    net = NetInfo("System.Exception")

    def __init__(
        self, kind: str, message: str, hresult: int | None = None, inner: Value = None
    ) -> None:
        self.kind = kind
        self.message = message
        self.hresult = signed(HRESULTS.get(kind, SYSTEM_EXCEPTION) if hresult is None else hresult)
        self.inner = inner

    @property
    def type_name(self) -> str:
        """The full name of its type."""
        return self.kind

    def shown(self) -> str:
        """Return what ToString gives."""
        return f"{self.kind}: {self.message}"

    def is_a(self, name: str) -> bool:
        """True where it is of that type or derives from it."""
        kind = self.kind
        while kind not in {name, "System.Exception"}:
            kind = BASES.get(kind, "System.Exception")
        return kind == name or name in {"System.Exception", "System.Object"}

    @net.property("Message")
    def _message(self) -> str:
        return self.message

    @net.property("HResult")
    def _hresult(self) -> int:
        return self.hresult

    @net.property("ErrorCode")
    def _code(self) -> int:
        return self.hresult

    @net.property("InnerException")
    def _inner(self) -> Value:
        return self.inner

    @net.method("GetBaseException")
    def _base(self, _rt: Value) -> Value:
        found: Value = self
        while found.inner is not None:
            found = found.inner
        return found


class ErrorRecord(NetObject):
    """System.Management.Automation.ErrorRecord."""

    net = NetInfo("System.Management.Automation.ErrorRecord")

    def __init__(
        self,
        exception: NetException,
        *,
        error_id: str = "",
        category: str = "NotSpecified",
        target: Value = None,
    ) -> None:
        self.exception = exception
        self.error_id = error_id or exception.kind
        self.category = category
        self.target = target
        self.line = 0

    def shown(self) -> str:
        """Return what ToString gives."""
        return self.exception.message

    @net.property("Exception")
    def _exception(self) -> Value:
        return self.exception

    @net.property("FullyQualifiedErrorId")
    def _id(self) -> str:
        return self.error_id

    @net.property("TargetObject")
    def _target(self) -> Value:
        return self.target

    @net.property("ErrorDetails")
    def _details(self) -> Value:
        return None

    @net.property("CategoryInfo")
    def _category(self) -> Value:
        reason = self.exception.kind.rpartition(".")[2]
        return Record([("Category", self.category), ("Reason", reason)])

    @net.property("ScriptStackTrace")
    def _stack(self) -> str:
        return f"at <ScriptBlock>, <No file>: line {self.line}"

    @net.property("InvocationInfo")
    def _invocation(self) -> Value:
        return Record(
            [("ScriptLineNumber", self.line), ("PositionMessage", f"At line:{self.line}")]
        )


class Thrown(Exception):
    """A terminating error on its way to a catch."""

    def __init__(self, record: ErrorRecord) -> None:
        super().__init__(record.exception.message)
        self.record = record


class NetError(Exception):
    """What a member of a .NET type raises; whoever called it makes it an error of the script."""

    def __init__(self, kind: str, message: str, hresult: int | None = None) -> None:
        super().__init__(message)
        self.exception = NetException(kind, message, hresult)


class ComError(NetError):
    """What a member of a COM object raises; .NET has exceptions of its own for some codes."""

    def __init__(self, hresult: int, message: str = "") -> None:
        code = hresult & 0xFFFFFFFF
        kind, words = MAPPED.get(code, (COM, ""))
        shown = f"Exception from HRESULT: 0x{code:08X}"
        text = message or (f"{words} ({shown})" if words else shown)
        super().__init__(kind, text, hresult)


class Leaving(Exception):
    """Control leaves a loop, a function or the script; no catch of a script sees it."""


class BreakLoop(Leaving):
    """`break`."""

    def __init__(self, label: str = "") -> None:
        super().__init__(label)
        self.label = label


class ContinueLoop(BreakLoop):
    """`continue`."""


class Returned(Leaving):
    """`return`."""


class Exited(Leaving):
    """`exit`."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Enough(Leaving):
    """A later command of a pipeline wants nothing more from the earlier ones."""

    def __init__(self, stage: object) -> None:
        super().__init__()
        self.stage = stage


class Stopped(BaseException):
    """The process that runs the script has been ended: nothing of it runs any more."""


def failure(
    message: str, kind: str = RUNTIME, *, error_id: str = "", target: Value = None
) -> Thrown:
    """Return a terminating error of the language itself."""
    exception = NetException(kind, message)
    return Thrown(ErrorRecord(exception, error_id=error_id or "RuntimeException", target=target))


def invocation_failure(name: str, count: int, error: NetError) -> Thrown:
    """Return how an exception from a method looks to a script: wrapped, unless it is COM's."""
    if isinstance(error, ComError):
        return Thrown(ErrorRecord(error.exception, error_id=COM, category="OperationStopped"))
    inner = error.exception
    message = f'Exception calling "{name}" with "{count}" argument(s): "{inner.message}"'
    outer = NetException(INVOCATION, message, SYSTEM_EXCEPTION, inner)
    return Thrown(ErrorRecord(outer, error_id=inner.kind.rpartition(".")[2]))


def unset(value: Value) -> Value:
    """Return a value as anything but a pipeline sees it: nothing is $null."""
    return None if value is NOTHING else value
