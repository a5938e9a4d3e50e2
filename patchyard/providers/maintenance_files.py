"""Maintenance configurations from YAML files beside an inventory.

`maintenance.yaml` in the inventory's folder and every `*.yaml` in its folder `maintenance` are
put together. Everything that is wrong in any of them is told at once, with file, line and field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from patchyard.domain.freezes import Freeze
from patchyard.domain.ics import read_calendar
from patchyard.domain.maintenance import Maintenance, MaintenanceConfiguration
from patchyard.domain.spelling import suggestion
from patchyard.errors import ConfigurationError, Problem
from patchyard.providers import _check_options
from patchyard.providers._file_format import MAINTENANCE as FILE
from patchyard.providers._maintenance_format import (
    EMPTY_MEANS_NOTHING,
    ConfigurationEntry,
    FreezeEntry,
    MaintenanceFile,
)
from patchyard.wording import sentences
from patchyard.yaml_text import Document, read
from patchyard.yaml_text import Path as Way

FOLDER = "maintenance"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
KINDS: dict[str, type[BaseModel]] = {
    "configurations": ConfigurationEntry,
    "freezes": FreezeEntry,
}
A_MAPPING = "must be a mapping: lines of `key: value`, indented below it"


@dataclass(frozen=True, slots=True)
class _Section:
    """One configuration or freeze as it stands in a file; `entry` is None where it is wrong."""

    document: Document
    way: Way
    entry: Any

    def problem(self, way: Way, message: str) -> Problem:
        return self.document.problem((*self.way, *way), message)

    @property
    def place(self) -> str:
        return f"{self.document.file}:{self.document.line(self.way)}"


@dataclass(slots=True)
class _Found:
    """All sections of all files, and all problems found so far."""

    configurations: dict[str, _Section] = field(default_factory=dict)
    freezes: dict[str, _Section] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def of(self, kind: str) -> dict[str, _Section]:
        return self.configurations if kind == "configurations" else self.freezes


def load(folder: Path) -> Maintenance:
    """Load what stands beside the inventory of a folder.

    Raises:
        ConfigurationError: there is nothing, or anything in it is wrong; all problems are listed.
    """
    found = _Found()
    for path in _files(folder, found):
        _read_file(path, found)
    freezes = {name: tuple(_freezes(s, folder, found)) for name, s in found.freezes.items()}
    found.problems.extend(_unknown_freezes(found))
    found.problems.extend(_rings_that_lead_nowhere(found))
    if not found.configurations and not found.problems:
        message = f"has no maintenance configurations; write them in {FILE} or in {FOLDER}/*.yaml"
        found.problems.append(Problem(message, str(folder)))
    if found.problems:
        raise ConfigurationError(_in_order(found.problems))
    return Maintenance(
        tuple(_configuration(name, s.entry) for name, s in found.configurations.items()), freezes
    )


def stands_in(folder: Path) -> bool:
    """Say whether a folder has maintenance files."""
    return (folder / FILE).is_file() or any((folder / FOLDER).glob("*.yaml"))


def _files(folder: Path, found: _Found) -> Iterator[Path]:
    if (folder / FILE).is_file():
        yield folder / FILE
    below = folder / FOLDER
    for path in sorted(below.iterdir()) if below.is_dir() else []:
        if path.name.startswith("."):
            continue
        if path.suffix == ".yaml" and path.is_file():
            yield path
        elif path.suffix in {".yml", ".YAML", ".YML"}:
            message = "is not read; maintenance files end in .yaml: rename it"
            found.problems.append(Problem(message, str(path)))


def _text(path: Path, found: _Found) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        found.problems.append(Problem(f"cannot be read: {error.strerror}", str(path)))
    except UnicodeDecodeError:
        found.problems.append(Problem("is no text in UTF-8; save it as UTF-8", str(path)))
    return None


def _read_file(path: Path, found: _Found) -> None:
    text = _text(path, found)
    if text is None:
        return
    document = read(text, file=str(path))
    if isinstance(document.value, dict | None):
        _take(document, document.value or {}, found)
    else:
        message = "must be a mapping with configurations and freezes"
        found.problems.append(document.problem((), message))
    # What a field says of a value comes first; what YAML would have made of it, second.
    found.problems.extend(document.problems)


def _take(document: Document, top: dict[str, Any], found: _Found) -> None:
    for key, value in top.items():
        if key not in KINDS:
            message = f"is not known here; {suggestion(key, MaintenanceFile.model_fields)}"
            found.problems.append(document.problem((key,), message))
        elif not isinstance(value, dict | None):
            found.problems.append(document.problem((key,), A_MAPPING))
        else:
            for name, written in (value or {}).items():
                _take_entry(document, key, name, written, found)


def _take_entry(document: Document, kind: str, name: str, written: Any, found: _Found) -> None:
    known, way = found.of(kind), (kind, name)
    section = _section(document, way, written, found)
    if name in known:
        message = f"is already in {known[name].place}; every name stands once"
        found.problems.append(document.problem(way, message))
    else:
        known[name] = section
    if not NAME.fullmatch(name):
        message = (
            "a name begins with a letter or digit and goes on with letters, digits, dots, "
            "dashes and underscores, 100 at most"
        )
        found.problems.append(document.problem(way, message))


def _section(document: Document, way: Way, written: Any, found: _Found) -> _Section:
    model = KINDS[str(way[0])]
    section = _Section(document, way, None)
    if not isinstance(written, dict | None):
        found.problems.append(document.problem(way, A_MAPPING))
        return section
    try:
        entry = model.model_validate(_without_empty(written or {}))
    except ValidationError as error:
        told = sentences(error, model, written=lambda path: document.holds((*way, *path)))
        found.problems.extend(section.problem(path, said) for path, said in told)
        return section
    found.problems.extend(_wrong_checks(section, entry))
    return _Section(document, way, entry)


def _without_empty(written: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in written.items()
        if value is not None or key not in EMPTY_MEANS_NOTHING
    }


def _wrong_checks(section: _Section, entry: BaseModel) -> Iterator[Problem]:
    checks = entry.checks if isinstance(entry, ConfigurationEntry) else ()
    for index, check in enumerate(checks):
        for path, said in _check_options.wrong(check):
            yield section.problem(("checks", index, *path), said)


def _unknown_freezes(found: _Found) -> Iterator[Problem]:
    for section in found.configurations.values():
        entry = section.entry
        names = entry.freezes if entry and entry.freezes != "all" else ()
        for index, name in enumerate(names):
            if name not in found.freezes:
                message = f"there is no freeze of that name; {suggestion(name, found.freezes)}"
                yield section.problem(("freezes", index), message)


def _rings_that_lead_nowhere(found: _Found) -> Iterator[Problem]:
    """Each ring follows another configuration, and none follows itself, however far around."""
    after = {
        name: section.entry.ring.after
        for name, section in found.configurations.items()
        if section.entry and section.entry.ring
    }
    for name, before in after.items():
        section = found.configurations[name]
        if before not in found.configurations:
            instead = suggestion(before, found.configurations)
            told = f"there is no configuration of that name; {instead}"
            yield section.problem(("ring", "after"), told)
            continue
        way = [name]
        while before in after and before not in way:
            way.append(before)
            before = after[before]  # noqa: PLW2901 - the walk goes on from it
        if before == name:
            told = f"goes round: {' after '.join([*way, name])}; one of them must have no ring"
            yield section.problem(("ring", "after"), told)


def _freezes(section: _Section, folder: Path, found: _Found) -> Iterator[Freeze]:
    entry: FreezeEntry | None = section.entry
    name = str(section.way[-1])
    if entry is None:
        return
    if entry.calendar is not None:
        yield from _calendar(section, folder / entry.calendar, found)
    elif entry.start is not None and entry.end is not None:
        told = f"{name}: {entry.reason}" if entry.reason else name
        yield Freeze.between(told, entry.start, entry.end, entry.time_zone or "")


def _calendar(section: _Section, path: Path, found: _Found) -> tuple[Freeze, ...]:
    if not path.is_file():
        found.problems.append(section.problem(("calendar",), "leads to no file"))
        return ()
    text = _text(path, found)
    try:
        events = () if text is None else read_calendar(text, file=str(path))
    except ConfigurationError as error:
        found.problems.extend(error.problems)
        return ()
    name = section.way[-1]
    return tuple(replace(event, name=f"{name}: {event.name}") for event in events)


def _configuration(name: str, entry: ConfigurationEntry) -> MaintenanceConfiguration:
    fields = {key: getattr(entry, key) for key in ConfigurationEntry.model_fields}
    return MaintenanceConfiguration.model_validate({**fields, "name": name})


def _in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    """Sort problems by place. Of several at one place the first found says it best."""
    best: dict[tuple[str, int | None, str], Problem] = {}
    for problem in problems:
        best.setdefault((problem.file, problem.line, problem.field), problem)
    return tuple(sorted(best.values(), key=lambda each: (each.file, each.line or 0, each.field)))
