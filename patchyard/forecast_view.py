"""A forecast as text for the terminal, and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from patchyard.domain.forecast import Forecast, Outlook
from patchyard.untrusted import columns, visible

SCHEMA_VERSION = 1
"""Rises when a field of the JSON goes away or changes its meaning."""

INDENT = "    "
_GAP = "  "
_HEADER = ("machine", "fix", "class", "outlook", "when (UTC)", "window")
_LONGEST = 60
"""Characters of one cell."""


def render_forecast(rows: Iterable[Forecast]) -> Iterator[str]:
    """Return a line for each fix on each machine, what is in its way below it, and a summary."""
    found = tuple(rows)
    cells = [_HEADER, *(_cells(row) for row in found)]
    widths = [max(columns(cell) for cell in column) for column in zip(*cells, strict=True)]
    if found:
        yield _line(_HEADER, widths)
    for row, shown in zip(found, cells[1:], strict=True):
        yield _line(shown, widths)
        yield from (visible(f"{INDENT}{reason.text}") for reason in row.in_the_way)
    yield from ["", _summary(found)] if found else ["no open security fix is known, on no machine"]


def _cells(row: Forecast) -> tuple[str, ...]:
    fix = f"{row.update} {row.candidate}" if row.update else "(what it may lack)"
    when = f"{row.at:%Y-%m-%d %H:%M}" if row.at else "-"
    told = (row.machine, fix, row.classification or "-", row.outlook, when, row.window or "-")
    return tuple(_cut(visible(cell)) for cell in told)


def _cut(text: str) -> str:
    return text if columns(text) <= _LONGEST else f"{text[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    padded = (
        f"{cell}{' ' * (size - columns(cell))}" for cell, size in zip(cells, widths, strict=True)
    )
    return _GAP.join(padded).rstrip()


def _summary(rows: tuple[Forecast, ...]) -> str:
    fixes = [row for row in rows if row.update]
    counts = Counter(row.outlook for row in fixes)
    told = ", ".join(f"{counts[each]:,} {each}" for each in Outlook if counts[each])
    machines = len({row.machine for row in fixes})
    unseen = len({row.machine for row in rows if not row.update})
    parts = [f"{_number(len(fixes), 'open fix', 'es')} on {_number(machines, 'machine')}"]
    parts = [f"{parts[0]}: {told}"] if told else parts
    if unseen:
        parts.append(f"what {_number(unseen, 'machine')} may lack is not wholly known")
    return f"{'; '.join(parts)}."


def _number(count: int, of: str, plural: str = "s") -> str:
    return f"{count:,} {of}{'' if count == 1 else plural}"


def forecast_document(inventory: str, now: datetime, rows: Iterable[Forecast]) -> str:
    """Return a forecast as JSON, in ASCII so that a terminal can show it."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "inventory": inventory,
        "at": now.isoformat(),
        "forecasts": [row.model_dump(mode="json") for row in rows],
    }
    return f"{json.dumps(content, indent=1)}\n"
