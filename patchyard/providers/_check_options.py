"""The checks of an inventory, held against the kinds of checks that there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from pydantic import BaseModel, ValidationError

from patchyard.domain.filling import filled
from patchyard.domain.inventory import CheckSpec, Connection, Machine
from patchyard.domain.spelling import suggestion
from patchyard.registry import load
from patchyard.wording import Path, sentences

_ANY_MACHINE = Machine(
    name="machine", address="machine.example", connection=Connection(user="user")
)


@cache
def kinds() -> Mapping[str, type[BaseModel]]:
    """Return the options of every kind of check, by its name."""
    if find_spec("patchyard.checks.base") is None:
        return {}
    found = load("patchyard.checks", "CHECK", import_module("patchyard.checks.base").Check)
    return {name: check.options for name, check in found.items()}


def wrong(check: CheckSpec) -> Iterator[tuple[Path, str]]:
    """Say what is wrong with a check as written: its kind, or one of its options."""
    options = kinds().get(check.kind)
    if not kinds():
        return
    if options is None:
        yield (), f"{check.kind} is no kind of check; {suggestion(check.kind, kinds())}"
        return
    try:
        options.model_validate(filled(check.options, _ANY_MACHINE))
    except ValidationError as error:
        for path, said in sentences(error, options, written=_within(check.options)):
            yield (check.kind, *path), said


def _within(options: Any) -> Callable[[Path], bool]:
    def written(path: Path) -> bool:
        found = options
        try:
            for step in path:
                found = found[step]
        except (KeyError, IndexError, TypeError):
            return False
        return True

    return written
