"""Short ways to run a few lines, for the tests of the language."""

from __future__ import annotations

from typing import Any

from patchyard.testing.windows.powershell import run
from patchyard.testing.windows.powershell.errors import ErrorRecord
from patchyard.testing.windows.powershell.kinds import type_name_of

STRICT = "Set-StrictMode -Version Latest\n"


def values(text: str) -> list[Any]:
    """Return what a script puts out; it must end without an error."""
    ran = run(text)
    assert ran.error is None, ran.error.exception.message
    return ran.output


def value(text: str) -> Any:
    """Return the one value that a script puts out."""
    found = values(text)
    assert len(found) == 1, found
    return found[0]


def typed(text: str) -> tuple[str, Any]:
    """Return the one value with the name of its type."""
    found = value(text)
    return type_name_of(found).removeprefix("System."), found


def error(text: str) -> ErrorRecord:
    """Return the error with which a script ends."""
    ran = run(text)
    assert ran.error is not None, ran.output
    return ran.error


def strict_error(text: str) -> str:
    """Return the id of the error with which a script ends under the strict mode."""
    return error(STRICT + text).error_id
