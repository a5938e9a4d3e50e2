"""The operator's own table of advisories as it is written, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from patchyard.domain.advisories import wrong_with_identifier
from patchyard.errors import ConfigurationError
from patchyard.managers.apt.advisories import Table
from patchyard.yaml_text import Document, Path, read

KEYS = ("ids", "release", "source", "fixed")

_RELEASE = re.compile(r"[a-z][a-z0-9-]*")
_SOURCE = re.compile(r"[a-z0-9][a-z0-9.+-]+")
_VERSION = re.compile(r"(\d+:)?\d[A-Za-z0-9.+~:-]*")

_PATTERNS = {
    "release": (_RELEASE, "write the release by its codename, such as jammy or bookworm"),
    "source": (_SOURCE, "write the source package, such as openssl; of libssl3 it is openssl too"),
    "fixed": (
        _VERSION,
        'write the first version with the fix in quotes, such as "3.0.2-1"; "0" is never affected',
    ),
}


def parse_own(text: str, file: str) -> Table:
    """Read the table.

    Raises:
        ConfigurationError: it cannot be used; every place is named by file, line and field.
    """
    document = read(text, file=file)
    rulings = {} if document.problems else _rulings(document)
    if document.problems:
        raise ConfigurationError(document.problems)
    return Table(rulings)


def _rulings(document: Document) -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = {}
    if not isinstance(document.value, list):
        _note(document, (), f"write a list, each entry with {', '.join(KEYS)}")
        return found
    for place, entry in enumerate(document.value):
        ids = tuple(_ids(document, place, entry)) if _is_entry(document, place, entry) else ()
        for identifier in ids:
            of = found.setdefault(entry["source"], {}).setdefault(identifier, {})
            if of.setdefault(entry["release"], entry["fixed"]) != entry["fixed"]:
                _note(document, (place,), _twice(identifier, entry))
    return found


def _twice(identifier: str, entry: Mapping[str, Any]) -> str:
    where = f"of {entry['source']} in {entry['release']}"
    return f"has another fixed version {where} for {identifier} than an entry before; remove one"


def _is_entry(document: Document, place: int, entry: Any) -> bool:
    """Say whether an entry can be used, and note what is wrong with it."""
    if not isinstance(entry, dict):
        return _note(document, (place,), f"write {', '.join(KEYS)} in it")
    wrong = [
        *_unknown(document, place, entry),
        *(
            _note(document, (place, key), told)
            for key, (pattern, told) in _PATTERNS.items()
            if not (isinstance(entry.get(key), str) and pattern.fullmatch(entry[key]))
        ),
    ]
    return not wrong


def _unknown(document: Document, place: int, entry: Mapping[str, Any]) -> Iterator[bool]:
    for key in entry:
        if key not in KEYS:
            yield _note(document, (place, key), f"is not known here; known are {', '.join(KEYS)}")


def _ids(document: Document, place: int, entry: Mapping[str, Any]) -> Iterator[str]:
    given = entry.get("ids")
    if not isinstance(given, list) or not given:
        _note(document, (place, "ids"), "write a list of ids, such as [CVE-2026-12345, USN-7000-1]")
        return
    for number, identifier in enumerate(given):
        wrong = wrong_with_identifier(str(identifier))
        if wrong:
            _note(document, (place, "ids", number), wrong)
        else:
            yield str(identifier).upper()


def _note(document: Document, path: Path, message: str) -> bool:
    document.problems.append(document.problem(path, message))
    return False
