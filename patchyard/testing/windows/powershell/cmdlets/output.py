"""Cmdlets that write to streams, and those about the session itself."""

from __future__ import annotations

from collections.abc import Iterable

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.command import Call, Commands
from patchyard.testing.windows.powershell.convert import elements
from patchyard.testing.windows.powershell.errors import ErrorRecord, NetException
from patchyard.testing.windows.powershell.invoke import call_block
from patchyard.testing.windows.powershell.runtime import Scope
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import Record, Value

TABLE = Commands()
WRITE_ERROR = "Microsoft.PowerShell.Commands.WriteErrorException"


@TABLE.add("Write-Output", "InputObject@0| NoEnumerate:switch", each=True)
def write_output(call: Call) -> Iterable[Value]:
    """Put its input out, unrolled once."""
    if call.piped:
        return list(call.items)
    value = call.get("inputobject")
    found = None if call.flag("noenumerate") else elements(value)
    return [value] if found is None else list(found)


@TABLE.add(
    "Write-Error", "Message@0| Exception ErrorRecord ErrorId:string Category:string TargetObject"
)
def write_error(call: Call) -> None:
    """Write an error that need not end the script."""
    if call.has("errorrecord"):
        call.report(call.get("errorrecord"))
        return
    exception = call.get("exception")
    if exception is None:
        exception = NetException(WRITE_ERROR, call.text("message"))
    elif call.has("message"):
        raise NotSimulated("Write-Error with both -Exception and -Message")
    shown = call.text("errorid") or exception.kind
    call.report(ErrorRecord(exception, error_id=shown, target=call.get("targetobject")))


def _written(stream: str, preference: str) -> object:
    def write(call: Call) -> None:
        action = text_of(call.get("warningaction", "")) or call.rt.preference(preference)
        if action.lower() == "stop":
            raise NotSimulated(f"${preference} Stop")
        if action.lower() == "continue" or call.flag("verbose"):
            call.rt.tell(stream, call.text("message"))

    return write


for _name, _stream, _preference in (
    ("Write-Warning", "3", "warningpreference"),
    ("Write-Verbose", "4", "verbosepreference"),
    ("Write-Debug", "5", "debugpreference"),
):
    TABLE.add(_name, "Message:string@0|")(_written(_stream, _preference))  # type: ignore[arg-type]


@TABLE.add(
    "Write-Progress",
    "Activity:string@0 Status:string@1 PercentComplete:int Id:int Completed:switch",
)
def write_progress(call: Call) -> None:
    """Show nothing where the preference says so."""
    if call.rt.preference("progresspreference") != "silentlycontinue":
        raise NotSimulated("Write-Progress while $ProgressPreference is not SilentlyContinue")


@TABLE.add("Write-Host", "Object@0|")
def write_host(call: Call) -> None:
    """Write to the host, which is standard output of powershell.exe."""
    if "6" not in call.rt.sinks[-1]:
        call.rt.write("1", text_of(call.get("object", call.items[0] if call.items else "")))


@TABLE.add("Set-StrictMode", "Version:string Off:switch")
def set_strict_mode(call: Call) -> None:
    """Turn the strict mode on or off."""
    version = call.text("version").lower()
    if not call.flag("off") and version not in {"latest", "3.0", "3", "2.0", "2"}:
        raise NotSimulated(f"Set-StrictMode -Version {version}")
    call.rt.strict = not call.flag("off")


@TABLE.add("Out-String", "InputObject| Width:int Stream:switch")
def out_string(call: Call) -> Iterable[Value]:
    """Return text as one string; how objects would be shown is not known."""
    if any(isinstance(item, Record) for item in call.items):
        raise NotSimulated("how Out-String shows an object")
    return ["".join(f"{text_of(item)}\r\n" for item in call.items)]


@TABLE.add("Get-Variable", "Name:string@0 ValueOnly:switch Scope:string")
def get_variable(call: Call) -> Iterable[Value]:
    """Return a variable, or its value."""
    name = call.text("name").lower()
    found = next((s for s in reversed(call.rt.scopes) if name in s.variables), None)
    if found is None:
        call.fail(
            "System.Management.Automation.ItemNotFoundException",
            f"Cannot find a variable with the name '{name}'.",
            error_id="VariableNotFound",
            category="ObjectNotFound",
        )
        return []
    value = found.variables[name]
    if call.flag("valueonly"):
        return [value]
    return [Record([("Name", name), ("Value", value)], "System.Management.Automation.PSVariable")]


@TABLE.add("Set-Variable", "Name:string@0 Value@1 Scope:string")
def set_variable(call: Call) -> None:
    """Set a variable of the scope where it is called."""
    call.rt.set(call.text("name").lower(), call.get("value"), call.text("scope").lower())


@TABLE.add("Remove-Variable", "Name:string[]@0 Scope:string")
def remove_variable(call: Call) -> None:
    """Remove variables of the scope where it is called."""
    for name in call.texts("name"):
        call.rt.scope.variables.pop(name.lower(), None)


@TABLE.add("Get-Command", "Name:string[]@0 CommandType:string")
def get_command(call: Call) -> Iterable[Value]:
    """Return what is known of commands by their exact names."""
    for name in call.texts("name"):
        known = call.rt.commands.get(name.lower())
        native = getattr(call.around, "native", lambda _: None)(name)
        if known is None and native is None and not call.rt.function(name):
            _no_such_command(call, name)
            continue
        kind = "Cmdlet" if known else "Application" if native else "Function"
        entries = [("Name", known.name if known else name), ("CommandType", kind)]
        yield Record(entries, "System.Management.Automation.CommandInfo")


def _no_such_command(call: Call, name: str) -> None:
    absent: frozenset[str] = getattr(call.around, "absent_commands", frozenset())
    if name.lower() not in absent:
        raise NotSimulated(f"whether there is a command {name}")
    call.fail(
        "System.Management.Automation.CommandNotFoundException",
        f"The term '{name}' is not recognized as the name of a cmdlet, function, script file, "
        "or operable program.",
        error_id="CommandNotFoundException",
        category="ObjectNotFound",
    )


@TABLE.add("Invoke-Command", "ScriptBlock@0 ArgumentList NoNewScope:switch")
def invoke_command(call: Call) -> Iterable[Value]:
    """Run a block here; another computer is not known."""
    found: list[Value] = []
    value = call.get("argumentlist")
    arguments = elements(value)
    given = ([] if value is None else [value]) if arguments is None else arguments
    scope = call.rt.scope if call.flag("nonewscope") else Scope()
    call_block(call.rt, call.get("scriptblock").script, found.append, given, scope=scope)
    return found
