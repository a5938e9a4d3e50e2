"""An expression of the operator's own, asked in Windows PowerShell as the login user."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field

from patchyard.checks.base import Check, Options, Text, excerpt
from patchyard.checks.windows_answers import value
from patchyard.domain.health import Finding, failed, passed
from patchyard.transcript import Section


class PowerShell(Options):
    """Options of the check `powershell`."""

    expression: Text = Field(
        min_length=1,
        max_length=16000,
        description="What Windows PowerShell 5.1 shall evaluate; it should give $true.",
    )
    equals: Text | None = Field(None, description="Text that it should give, in place of $true.")
    contains: Text | None = Field(
        None, min_length=1, description="Text that what it gives should contain."
    )


def judge(options: PowerShell, section: Section) -> Finding:
    """Compare what the expression gives with what it should give.

    Raises:
        MalformedOutput: the answer is no JSON.
    """
    if section.status != 0:
        return failed(f"ended with an error: {excerpt(section.stderr) or 'none is told'}")
    given = value(section)
    said = _words(given)
    if options.contains is not None and options.contains not in said:
        return failed(f"does not contain {options.contains!r}: {excerpt(said) or 'nothing'}")
    if options.equals is not None and options.equals != said:
        return failed(f"gives {excerpt(said) or 'nothing'}, not {options.equals!r}")
    if options.equals is None and options.contains is None and given is not True:
        return failed(f"gives {excerpt(said) or 'nothing'}, not True")
    return passed(excerpt(said))


def _words(given: Any) -> str:
    """Write a value as PowerShell does: True and False, numbers and texts as they are."""
    if isinstance(given, str | bool | int | float):
        return str(given)
    return "" if given is None else json.dumps(given, ensure_ascii=False)


CHECK = Check(
    name="powershell",
    options=PowerShell,
    subject="expression",
    powershell="powershell.ps1.j2",
    judge=judge,
    own=True,
)
