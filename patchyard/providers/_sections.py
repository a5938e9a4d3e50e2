"""The sections of an inventory's files: what is written in each, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from patchyard.domain.inventory import NAME
from patchyard.domain.spelling import suggestion
from patchyard.errors import Problem
from patchyard.providers import _check_options
from patchyard.providers._file_format import (
    MAINTENANCE,
    GroupEntry,
    InventoryFile,
    MachineEntry,
    Settings,
    without_empty,
)
from patchyard.wording import sentences
from patchyard.yaml_text import Document, read
from patchyard.yaml_text import Path as Way


@dataclass(frozen=True, slots=True)
class Section:
    """One entry of a file: where it stands, as written, and as validated (None where wrong)."""

    document: Document
    way: Way
    written: dict[str, Any]
    entry: Settings | None

    def problem(self, way: Way, message: str) -> Problem:
        """Make a problem of something in this section."""
        return self.document.problem((*self.way, *way), message)

    def writes(self, way: Way) -> bool:
        """Say whether something is written under a path of this section."""
        return self.document.holds((*self.way, *way))

    def names(self, key: str) -> tuple[str, ...]:
        """Return a list of names, as far as it is one."""
        listed = self.written.get(key)
        return tuple(str(name) for name in listed) if isinstance(listed, list) else ()


@dataclass(slots=True)
class Sections:
    """All sections of all files, and all problems found so far."""

    defaults: Section | None = None
    groups: dict[str, Section] = field(default_factory=dict)
    machines: dict[str, Section] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_sections(folder: Path) -> Sections:
    """Read every YAML file of a folder, but none below it, nor the one about maintenance."""
    found = Sections()
    own = (path for path in folder.iterdir() if path.name != MAINTENANCE)
    files = sorted(path for path in own if not path.name.startswith("."))
    for path in files:
        if path.suffix == ".yaml" and path.is_file():
            _read_file(path, found)
        elif path.suffix in {".yml", ".YAML", ".YML"}:
            message = "is not read; files of an inventory end in .yaml: rename it"
            found.problems.append(Problem(message, str(path)))
    return found


def _read_file(path: Path, found: Sections) -> None:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        found.problems.append(Problem(f"cannot be read: {error.strerror}", str(path)))
    except UnicodeDecodeError:
        found.problems.append(Problem("is no text in UTF-8; save it as UTF-8", str(path)))
    else:
        document = read(text, file=str(path))
        _take(document, found)
        # What a field says of a value comes first; what YAML would have made of it, second.
        found.problems.extend(document.problems)


def _take(document: Document, found: Sections) -> None:
    top = document.value
    if not isinstance(top, dict | None):
        message = "must be a mapping with defaults, groups and machines"
        found.problems.append(document.problem((), message))
        return
    for key, value in (top or {}).items():
        if key not in InventoryFile.model_fields:
            message = f"is not known here; {suggestion(key, InventoryFile.model_fields)}"
            found.problems.append(document.problem((key,), message))
        elif not isinstance(value, dict | None):
            message = "must be a mapping: lines of `key: value`, indented below it"
            found.problems.append(document.problem((key,), message))
        elif key == "defaults":
            _take_defaults(document, value or {}, found)
        else:
            _take_entries(document, key, value or {}, found)


def _take_defaults(document: Document, value: dict[str, Any], found: Sections) -> None:
    if found.defaults is not None:
        place = _place(found.defaults)
        message = f"stand already in {place}; keep them in one file"
        found.problems.append(document.problem(("defaults",), message))
        return
    found.defaults = _section(document, ("defaults",), value, Settings, found)


def _take_entries(document: Document, kind: str, entries: dict[str, Any], found: Sections) -> None:
    model = GroupEntry if kind == "groups" else MachineEntry
    known = found.groups if kind == "groups" else found.machines
    for name, value in entries.items():
        way = (kind, name)
        section = _section(document, way, value, model, found)
        if name in known:
            message = f"is already in {_place(known[name])}; every name stands once"
            found.problems.append(document.problem(way, message))
        else:
            known[name] = section
        if kind == "machines" and not NAME.fullmatch(name):
            message = (
                "a machine's name begins with a letter or digit and goes on "
                "with letters, digits, dots, dashes and underscores, 128 at most"
            )
            found.problems.append(document.problem(way, message))


def _place(section: Section) -> str:
    return f"{section.document.file}:{section.document.line(section.way)}"


def _section(
    document: Document, way: Way, value: Any, model: type[Settings], found: Sections
) -> Section:
    if not isinstance(value, dict | None):
        message = "must be a mapping: lines of `key: value`, indented below it"
        found.problems.append(document.problem(way, message))
        return Section(document, way, {}, None)
    written = without_empty(value or {})
    try:
        section = Section(document, way, written, model.model_validate(written))
    except ValidationError as error:
        section = Section(document, way, written, None)
        told = sentences(error, model, written=section.writes)
        found.problems.extend(section.problem(path, _more(path, said)) for path, said in told)
    found.problems.extend(_wrong_checks(section))
    return section


def _more(path: Way, said: str) -> str:
    if path == ("address",) and said == "is missing":
        return "is missing; write the host name or the IP address of the machine"
    return said


def _wrong_checks(section: Section) -> Iterator[Problem]:
    checks = section.entry.checks if section.entry else ()
    for index, check in enumerate(checks):
        for path, said in _check_options.wrong(check):
            yield section.problem(("checks", index, *path), said)
