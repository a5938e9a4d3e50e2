"""The table of baselines and hotpatches as it is written, and what is wrong with it.

Every problem goes into the document, with its line and what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from patchyard.yaml_text import Document, Path

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_KB = re.compile(r"KB\d{5,8}")
_BUILD = re.compile(r"\d{5}\.\d{1,6}")
_BASELINES = ("planned", "unplanned")


class Written:
    """The values of a table, asked for one by one; what cannot be used is noted and left out."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def schema(self, known: int) -> bool:
        """Say whether the file is of the schema that is known here."""
        given = self._mapping((), ("schema", "products")).get("schema")
        if given != known:
            self._note(("schema",), f"write schema: {known}, the only one that is known here")
        return given == known

    def products(self) -> tuple[str, ...]:
        """Return the products, by their build."""
        return tuple(self._mapping(("products",)))

    def months(self, product: str) -> tuple[str, ...]:
        """Return the months of a product."""
        self._mapping(("products", product), ("name", "months"))
        path: Path = ("products", product, "months")
        found = tuple(self._mapping(path))
        for name in found:
            if not _MONTH.fullmatch(name):
                self._note((*path, name), "is no month; write it as 2026-08")
        return tuple(name for name in found if _MONTH.fullmatch(name))

    def baseline(self, product: str, month: str) -> str:
        """Return what baseline a month has: planned, unplanned or none."""
        path: Path = ("products", product, "months", month)
        entry = self._mapping(path, ("baseline", "lcu", "hotpatch"))
        given = entry.get("baseline")
        if given is None:
            return ""
        if given not in _BASELINES:
            self._note((*path, "baseline"), "write planned or unplanned, or leave it out")
        elif entry.get("hotpatch"):
            self._note((*path, "hotpatch"), "a month with a baseline has no hotpatch; remove one")
        return str(given)

    def release(self, product: str, month: str, kind: str) -> tuple[str, str]:
        """Return the article and the build of one update; empty where they are not written."""
        path: Path = ("products", product, "months", month, kind)
        if self._at(path) is None:
            return "", ""
        entry = self._mapping(path, ("kb", "build"))
        kb, build = entry.get("kb"), entry.get("build")
        if kb is not None and not (isinstance(kb, str) and _KB.fullmatch(kb)):
            self._note((*path, "kb"), "write the article as KB5120242")
        if build is not None and not _is_build(build, product):
            self._note(
                (*path, "build"), f'write build and revision in quotes, such as "{product}.5499"'
            )
        return str(kb or ""), str(build or "")

    def _at(self, path: Path) -> Any:
        found = self._document.value
        for step in path:
            found = found.get(step) if isinstance(found, Mapping) else None
        return found

    def _mapping(self, path: Path, keys: tuple[str, ...] | None = None) -> Mapping[str, Any]:
        """Return a mapping; with `keys`, no others may stand in it."""
        found = self._at(path)
        if not isinstance(found, Mapping):
            self._note(path, f"write {', '.join(keys)} in it" if keys else "write its entries")
            return {}
        for key in found:
            if keys is not None and key not in keys:
                self._note((*path, key), f"is not known here; known are {', '.join(keys)}")
        return found

    def _note(self, path: Path, message: str) -> None:
        problem = self._document.problem(path, message)
        if problem not in self._document.problems:
            self._document.problems.append(problem)


def _is_build(build: Any, product: str) -> bool:
    """True for build and revision of this product, as text: as a number 5440 would be 544."""
    fits = isinstance(build, str) and _BUILD.fullmatch(build) is not None
    return fits and str(build).partition(".")[0] == product
