"""Durations as ISO 8601 writes them. Clients write one limit in several ways: PT20S, P0DT20S."""

from __future__ import annotations

import re

_FORM = re.compile(
    r"P(?=[\dT])(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?"
    r"(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
_SECONDS = (86400, 3600, 60, 1)


def seconds(text: str) -> float:
    """Return a duration in seconds.

    Raises:
        ValueError: it is no duration, or has years or months, which have no fixed length.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no duration")
    years, months, *parts = (float(part or 0) for part in found.groups())
    if years or months:
        raise ValueError(f"{text!r} has years or months; their length is not fixed")
    return sum(part * unit for part, unit in zip(parts, _SECONDS, strict=True))


def written(duration: float) -> str:
    """Write seconds as WinRM does: PT7200.000S."""
    return f"PT{duration:.3f}S"
