"""Script blocks made from text, and exceptions made by a script."""

from __future__ import annotations

from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.errors import (
    BASES,
    ErrorRecord,
    NetException,
    signed,
)
from patchyard.testing.windows.powershell.evaluate import folded
from patchyard.testing.windows.powershell.invoke import call_block
from patchyard.testing.windows.powershell.objects import NetInfo
from patchyard.testing.windows.powershell.runtime import Runtime, ScriptBlock
from patchyard.testing.windows.powershell.statements import parse
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import Value

_B = ScriptBlock.net


@_B.static("Create")
def _create(_rt: Runtime, text: Value) -> Value:
    return ScriptBlock(parse(text_of(text)))


@_B.method("Invoke")
def _invoke(block: ScriptBlock, rt: Runtime, *arguments: Value) -> Value:
    found: list[Value] = []
    call_block(rt, block.script, found.append, list(arguments))
    return found


@_B.method("InvokeReturnAsIs")
def _invoke_as_is(block: ScriptBlock, rt: Runtime, *arguments: Value) -> Value:
    found: list[Value] = []
    call_block(rt, block.script, found.append, list(arguments))
    return folded(found)


def _declare(name: str) -> None:
    info = (
        NetException.net if name == NetException.net.name else NetInfo(name, base=NetException.net)
    )

    def make(_rt: Value, *given: Value) -> Value:
        message = text_of(given[0]) if given else f"Exception of type '{name}' was thrown."
        second = given[1] if len(given) > 1 else None
        hresult = signed(int(second)) if isinstance(second, int) else None
        inner = second if isinstance(second, NetException) else None
        return NetException(name, message, hresult, inner)

    info.constructor(make)
    info.converter(lambda value: NetException(name, text_of(value)))


for _name in ("System.Exception", *BASES):
    _declare(_name)


@ErrorRecord.net.constructor
def _new_record(
    _rt: Value, exception: Value, error_id: Value, category: Value, target: Value
) -> Value:
    return ErrorRecord(
        exception, error_id=text_of(error_id), category=text_of(category), target=target
    )


kinds.enumeration(
    "System.Management.Automation.ErrorCategory",
    {"NotSpecified": 0, "InvalidOperation": 9, "ObjectNotFound": 13, "OperationStopped": 14},
    "management.automation.errorcategory",
)
