"""Reading the facts that the scripts answer: JSON, of which nothing is taken for granted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from patchyard.errors import MalformedOutput
from patchyard.transcript import Section, Transcript

Facts = Mapping[str, Any]
"""One object of facts."""


def value_of(section: Section) -> Any:
    """Return what a section holds.

    Raises:
        ScriptFailed: the question failed.
        MalformedOutput: it holds no JSON.
    """
    text = section.require()
    try:
        return json.loads(text)
    except ValueError:
        raise MalformedOutput(f"{section.name}: {text[:80]!r} is no JSON") from None


def facts_of(section: Section) -> Facts:
    """Return a section's object.

    Raises:
        ScriptFailed: the question failed.
        MalformedOutput: it holds no object.
    """
    value = value_of(section)
    if not isinstance(value, dict):
        raise MalformedOutput(f"{section.name} holds no object")
    return value


def rows_of(section: Section) -> list[Facts]:
    """Return a section's list of objects.

    Raises:
        ScriptFailed: the question failed.
        MalformedOutput: it holds no list of objects.
    """
    value = as_list(value_of(section))
    if not all(isinstance(row, dict) for row in value):
        raise MalformedOutput(f"{section.name} holds no list of objects")
    return value


def known(transcript: Transcript, name: str) -> Facts:
    """Return the object of an optional question; empty where it failed or was not asked."""
    section = transcript.get(name)
    if section is None or section.status != 0:
        return {}
    value = value_of(section)
    return value if isinstance(value, dict) else {}


def known_rows(transcript: Transcript, name: str) -> list[Facts]:
    """Return the objects of an optional question; none where it failed or was not asked."""
    section = transcript.get(name)
    if section is None or section.status != 0:
        return []
    return [row for row in as_list(value_of(section)) if isinstance(row, dict)]


def answered(transcript: Transcript, name: str) -> bool:
    """True where a question was asked and answered."""
    section = transcript.get(name)
    return section is not None and section.status == 0


def as_list(value: Any) -> list[Any]:
    """Return a list, of whatever PowerShell makes of one: nothing, one thing, or its own wrapping.

    ConvertTo-Json of Windows PowerShell 5.1 writes some arrays as `{"value": [...], "Count": n}`.
    """
    if value is None:
        return []
    if isinstance(value, dict) and set(value) == {"value", "Count"}:
        return as_list(value["value"])
    return value if isinstance(value, list) else [value]


def number(value: Any) -> int | None:
    """Return a whole number; None where there is none."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return int(value)
    if isinstance(value, str) and value.strip().lstrip("-").isdigit():
        return int(value)
    return None


def word(value: Any) -> str:
    """Return text; empty where there is none."""
    return "" if value is None else str(value).strip()


def moment(value: Any) -> datetime | None:
    """Return a time that was told in UTC; None where there is none."""
    try:
        found = datetime.fromisoformat(word(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
