"""What Debian's security tracker publishes of all its advisories, as a table.

The file is some 70 MB. What is not asked for is dropped while it is read: of the description, the
bug and the rest of an entry nothing is ever held.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cmp_to_key
from typing import Any

from patchyard.errors import ConfigurationError, Problem
from patchyard.managers.apt.advisories import OPEN, UNDETERMINED, Rulings, Table
from patchyard.managers.debian_version import compare

_FORM = (
    "is not what Debian's security tracker publishes; write "
    '{"openssl": {"CVE-2026-1234": {"releases": {"bookworm": {"status": "resolved", '
    '"fixed_version": "3.0.9-1"}}}}}'
)

_Pairs = list[tuple[str, Any]]


class _Ruling(str):
    """What an entry says of one release; no text of the file is taken for it."""

    __slots__ = ()


class _Releases(dict[str, str]):
    """What an entry says of all releases."""


def parse_tracker(text: str, file: str) -> Table:
    """Read what the tracker publishes.

    Raises:
        ConfigurationError: it cannot be used; the place is named.
    """
    try:
        found = json.loads(text, object_pairs_hook=_Kept().keep)
    except json.JSONDecodeError as error:
        problem = Problem(f"is no valid JSON: {error.msg}; fetch it anew", file, error.lineno)
        raise ConfigurationError([problem]) from None
    except RecursionError:
        raise ConfigurationError([Problem(_FORM, file)]) from None
    wrong = next(_wrong(found), None)
    if wrong is not None:
        raise ConfigurationError([Problem(_FORM, file, field=wrong)])
    return Table(found, _covered(found))


def _wrong(found: Any) -> Iterator[str]:
    """Name the places that are not as they should be."""
    if not isinstance(found, dict) or not found:
        yield ""
        return
    for source, listed in found.items():
        if not isinstance(listed, dict):
            yield source
            continue
        yield from (f"{source}.{each}" for each, of in listed.items() if type(of) is not _Releases)


def _covered(found: Rulings) -> dict[str, frozenset[str]]:
    """Return the releases that each source is told of, as few sets as there are."""
    known: dict[frozenset[str], frozenset[str]] = {}
    covered: dict[str, frozenset[str]] = {}
    for source, listed in found.items():
        releases = frozenset(release for of in listed.values() for release in of)
        covered[source] = known.setdefault(releases, releases)
    return covered


class _Kept:
    """What is kept of each object of the file; what is equal is kept once."""

    def __init__(self) -> None:
        self._rulings: dict[str, _Ruling] = {}
        self._releases: dict[tuple[tuple[str, str], ...], _Releases] = {}

    def keep(self, pairs: _Pairs) -> Any:
        """Return what is kept of an object, whose inner ones were asked for before it."""
        given = dict(pairs)
        releases = given.get("releases")
        if isinstance(releases, dict) and all(type(of) is _Ruling for of in releases.values()):
            return self._entry(releases)
        if isinstance(given.get("status"), str):
            ruling = _ruling(given)
            return self._rulings.setdefault(ruling, _Ruling(ruling))
        return given

    def _entry(self, releases: Mapping[str, str]) -> _Releases:
        key = tuple(releases.items())
        return self._releases.setdefault(key, _Releases(releases))


def _ruling(given: Mapping[str, Any]) -> str:
    status, fixed = given["status"], given.get("fixed_version")
    if status == "resolved" and isinstance(fixed, str) and fixed:
        return fixed
    if status == "open":
        offered = given.get("repositories")
        return OPEN + _newest(offered if isinstance(offered, dict) else {})
    return UNDETERMINED


def _newest(offered: Mapping[str, Any]) -> str:
    """Return the newest version of the repositories, all of which lack the fix."""
    versions = {version for version in offered.values() if isinstance(version, str)}
    if len(versions) < 2:  # noqa: PLR2004 - there is nothing to compare
        return next(iter(versions), "")
    return max(versions, key=cmp_to_key(compare))
