"""Reading what PowerShell answers to a check: its value as JSON."""

from __future__ import annotations

import json
from typing import Any

from patchyard.errors import MalformedOutput
from patchyard.transcript import Section


def value(section: Section) -> Any:
    """Return the value that a question led to.

    Raises:
        ScriptFailed: the machine could not be asked.
        MalformedOutput: it is no JSON.
    """
    said = section.require()
    try:
        return json.loads(said)
    except ValueError:
        raise MalformedOutput(f"{said[:80]!r} is no JSON") from None


def rows(section: Section) -> list[dict[str, Any]]:
    """Return a list of objects.

    Raises:
        ScriptFailed: the machine could not be asked.
        MalformedOutput: it is no list of objects.
    """
    found = value(section)
    if not isinstance(found, dict) or not isinstance(found.get("rows"), list):
        raise MalformedOutput(f"{section.stdout[:80]!r} holds no rows")
    if not all(isinstance(row, dict) for row in found["rows"]):
        raise MalformedOutput(f"{section.stdout[:80]!r} holds rows that are no objects")
    return list(found["rows"])


def text(row: dict[str, Any], name: str) -> str:
    """Return the text of a field.

    Raises:
        MalformedOutput: there is no such field.
    """
    if row.get(name) is None:
        raise MalformedOutput(f"{json.dumps(row)[:80]} has no {name}")
    return str(row[name])
