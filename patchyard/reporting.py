"""Renderings of a report: HTML and Markdown for people, JSON and CSV for machines.

The table for the terminal is in `patchyard.terminal_table`, and offered here too.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment
from pydantic_core import to_json

from patchyard import report_view
from patchyard.domain import meaning
from patchyard.domain.report import MachineReport, RunReport, UpdateReport
from patchyard.domain.verdict import verdict
from patchyard.templates import environment
from patchyard.terminal_table import render_table
from patchyard.untrusted import markdown, spreadsheet, visible

__all__ = [
    "SCHEMA_VERSION",
    "render_csv",
    "render_html",
    "render_json",
    "render_markdown",
    "render_table",
    "write_report",
]

_OUTSIDE_ASCII = re.compile(r"[^\x00-\x7f]")

SCHEMA_VERSION = 1
"""Rises when a field of the JSON report goes away or changes its meaning."""

OPEN_MACHINES = 20
"""Machines whose section is open when the HTML page is."""

SECTIONS = 2000
"""Sections of single machines in HTML. A run of more machines has them only for those that need
attention: a browser has its limits, and what is left out is in the JSON and CSV files."""

MARKDOWN_ROWS = 200
MARKDOWN_DETAILS = 25
MARKDOWN_ITEMS = 10
"""Items of one list in Markdown. An artifact travels through the Prefect server."""

CSV_COLUMNS = (
    *("run_id", "machine", "address", "platform", "os", "wave", "status", "reason", "path"),
    *("reboot", "undo", "compliance_before", "compliance_after"),
    *("update", "architecture", "classification", "severity", "before", "planned", "after"),
    *("state", "detail", "title"),
)


def render_html(report: RunReport, *, beside: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the report as one HTML page that needs nothing else.

    Args:
        report: what to show.
        beside: names of files with other renderings that lie in the same folder, by form.
    """
    attention, quiet = report.attention[:SECTIONS], _quiet(report)
    script = _html().get_template("report/report.js.j2").render()
    return (
        _html()
        .get_template("report/report.html.j2")
        .render(
            report=report,
            verdict=verdict(report),
            attention=attention,
            quiet=quiet,
            detailed={machine.name for machine in attention + quiet},
            number={machine.name: i for i, machine in enumerate(report.machines, start=1)},
            open_machines=OPEN_MACHINES,
            beside=beside,
            style=_html().get_template("report/report.css.j2").render(),
            script=script,
            script_hash=_script_hash(script),
        )
    )


def _quiet(report: RunReport) -> tuple[MachineReport, ...]:
    """Return the machines with nothing special that get a section of their own."""
    if len(report.machines) > SECTIONS:
        return ()
    attention = {machine.name for machine in report.attention}
    return tuple(machine for machine in report.machines if machine.name not in attention)


def _script_hash(script: str) -> str:
    """Return the hash by which the page's policy lets its own script run and no other."""
    return b64encode(hashlib.sha256(script.encode()).digest()).decode()


def render_markdown(report: RunReport) -> str:
    """Return the report as Markdown of bounded size: verdict, table, machines that need a look."""
    attention = report.attention
    first = {machine.name for machine in attention}
    rest = tuple(machine for machine in report.machines if machine.name not in first)
    template = _markdown().get_template("report/report.md.j2")
    return template.render(
        report=report,
        verdict=verdict(report),
        attention=attention,
        machines=attention + rest,
        rows=MARKDOWN_ROWS,
        details=MARKDOWN_DETAILS,
        items=MARKDOWN_ITEMS,
    )


def render_json(report: RunReport) -> str:
    """Return the report as JSON, whole and unchanged, in ASCII so that a terminal can show it."""
    content = {"schema_version": SCHEMA_VERSION, **report.model_dump(mode="json")}
    text = to_json(content, indent=1).decode()
    return f"{_OUTSIDE_ASCII.sub(_escaped, text)}\n"


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]


def render_csv(report: RunReport) -> str:
    """Return one row per machine and update, and one row for a machine without updates."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for machine in report.machines:
        own = {"run_id": report.run_id, **_machine_cells(machine)}
        for update in machine.updates or (None,):
            cells = own if update is None else own | _update_cells(update)
            writer.writerow({name: spreadsheet(cell) for name, cell in cells.items()})
    return text.getvalue()


def _machine_cells(machine: MachineReport) -> dict[str, str]:
    names = {"address", "platform", "os", "status", "reason", "path", "reboot", "undo"}
    names |= {"compliance_before", "compliance_after"}
    wave = "" if machine.wave is None else str(machine.wave)
    return {"machine": machine.name, "wave": wave} | machine.model_dump(include=names)


def _update_cells(update: UpdateReport) -> dict[str, str]:
    return {"update": update.name} | update.model_dump(exclude={"name"})


FORMS: Mapping[str, tuple[str, Callable[[RunReport], str]]] = MappingProxyType(
    {
        "markdown": ("report.md", render_markdown),
        "json": ("report.json", render_json),
        "csv": ("report.csv", render_csv),
    }
)


def write_report(report: RunReport, folder: Path) -> dict[str, Path]:
    """Write every rendering into `folder`, and return the files by form, HTML first.

    A file is whole or not there: each is written beside its place and then moved.

    Raises:
        OSError: the folder or a file in it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    beside = {form: name for form, (name, _) in FORMS.items()}
    texts = {"html": ("report.html", render_html(report, beside=beside))}
    texts |= {form: (name, render(report)) for form, (name, render) in FORMS.items()}
    return {form: _write(folder / name, text) for form, (name, text) in texts.items()}


def _write(path: Path, text: str) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8", newline="")
    return draft.replace(path)


_SHOWN = {
    name: getattr(report_view, name)
    for name in (
        *("tone", "state_tone", "reboot_tone", "check_tone", "judged", "missing"),
        *("moment", "duration", "version", "version_change", "timeline"),
    )
}


@cache
def _html() -> Environment:
    """Return the environment in which nothing from a machine is shown as it came."""
    made = environment().overlay(finalize=_for_html)
    made.globals = {**made.globals, **_SHOWN, "meaning": meaning}
    return made


@cache
def _markdown() -> Environment:
    made = environment().overlay(finalize=_for_markdown)
    made.globals = {**made.globals, **_SHOWN, "meaning": meaning}
    return made


def _for_html(value: object) -> object:
    """Make hidden characters visible; escaping is Jinja's. Finished markup passes."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(value, lines=True)
    return "" if value is None else value


def _for_markdown(value: object) -> object:
    if isinstance(value, str):
        return markdown(value)
    return "" if value is None else value
