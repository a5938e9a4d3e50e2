"""The report as a table for the terminal: aligned, no wider than asked, the verdict last."""

from __future__ import annotations

import textwrap

from patchyard.domain.outcome import Status
from patchyard.domain.report import MachineReport, RunReport
from patchyard.domain.verdict import verdict
from patchyard.untrusted import columns, visible

ROWS = 200
"""Machines in the table. Above this, those that need a look come first and the rest is counted."""

_HEADER = ("machine", "wave", "status", "updates", "path", "reboot", "undo")
_LONGEST = {"machine": 28, "path": 16}
_GAP = "  "
_INDENT = "    "


def render_table(report: RunReport, *, width: int = 100) -> str:
    """Return one row per machine, the reason under each that needs a look, and the verdict.

    Updates are counted as installed/planned.
    """
    shown = _shown(report)
    attention = {machine.name for machine in report.attention}
    cells = [_HEADER, *(_cells(machine) for machine in shown)]
    widths = _widths(cells)
    lines = [_row(cells[0], widths, width), _rule(widths, width)]
    for machine, row in zip(shown, cells[1:], strict=True):
        lines.append(_row(row, widths, width))
        if machine.name in attention:
            lines += _wrapped(_why(machine), width)
    lines += _rest(report, len(shown))
    return "\n".join([*lines, "", *_wrapped(visible(verdict(report)), width, indent=""), ""])


def _shown(report: RunReport) -> tuple[MachineReport, ...]:
    if len(report.machines) <= ROWS:
        return report.machines
    chosen = {m.name for m in (*report.attention, *report.machines)[:ROWS]}
    return tuple(machine for machine in report.machines if machine.name in chosen)


def _cells(machine: MachineReport) -> tuple[str, ...]:
    cells = (
        machine.name,
        "" if machine.wave is None else str(machine.wave),
        str(machine.status),
        f"{machine.installed}/{machine.planned}",
        machine.path or "-",
        str(machine.reboot),
        machine.undo or ("nothing to do" if _idle(machine) else "-"),
    )
    return tuple(
        _cut(visible(cell), _LONGEST.get(name, 400))
        for name, cell in zip(_HEADER, cells, strict=True)
    )


def _idle(machine: MachineReport) -> bool:
    """True where nothing was planned because nothing is missing."""
    return machine.status == Status.SUCCEEDED and machine.wave is None and not machine.planned


def _widths(rows: list[tuple[str, ...]]) -> list[int]:
    return [max(columns(cell) for cell in column) for column in zip(*rows, strict=True)]


def _row(cells: tuple[str, ...], widths: list[int], width: int) -> str:
    padded = (
        _pad(cell, size, right=name in {"wave", "updates"})
        for name, cell, size in zip(_HEADER, cells, widths, strict=True)
    )
    return _cut(_GAP.join(padded).rstrip(), width)


def _rule(widths: list[int], width: int) -> str:
    return "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * min(width, sum(widths) + len(_GAP) * 6)


def _pad(cell: str, size: int, *, right: bool) -> str:
    space = " " * (size - columns(cell))
    return f"{space}{cell}" if right else f"{cell}{space}"


def _cut(text: str, width: int) -> str:
    """Cut a text that is too wide, and show that it was cut."""
    if columns(text) <= width:
        return text
    kept = text[:width]
    while columns(kept) > width - 1:
        kept = kept[:-1]
    return f"{kept}\N{HORIZONTAL ELLIPSIS}"


def _why(machine: MachineReport) -> str:
    """Give the reason, and the checks that regressed where the reason does not name them."""
    checks = (c.check for c in machine.regressed if c.check not in machine.reason)
    named = (f"{check} regressed" for check in checks)
    return visible("; ".join(part for part in (machine.reason, *named) if part), limit=400)


def _wrapped(text: str, width: int, *, indent: str = _INDENT) -> list[str]:
    lines = textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
    return [_cut(line, width) for line in lines]


def _rest(report: RunReport, shown: int) -> list[str]:
    more = len(report.machines) - shown
    return [f"and {more:,} more machines: see the report file"] if more else []
