"""The registry: finds additions by scanning a folder for one upper-case constant per module."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar, cast

from patchyard.errors import ConfigurationError

T = TypeVar("T")


@cache
def _scan(package: str, constant: str) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    paths = importlib.import_module(package).__path__
    for module in pkgutil.iter_modules(paths):
        if module.name.startswith("_"):  # a part of an addition; it may want what others do without
            continue
        addition = getattr(importlib.import_module(f"{package}.{module.name}"), constant, None)
        if addition is None:
            continue
        if addition.name in found:
            raise ConfigurationError.of(f"{package} has two additions named {addition.name!r}")
        found[addition.name] = addition
    return MappingProxyType(found)


def load(package: str, constant: str, kind: type[T]) -> Mapping[str, T]:
    """Return all additions of a folder by name.

    Raises:
        ConfigurationError: two modules use one name, or a constant is of the wrong kind.
    """
    found = _scan(package, constant)
    for name, addition in found.items():
        if not isinstance(addition, kind):
            raise ConfigurationError.of(f"{package}: {constant} of {name!r} is no {kind.__name__}")
    return cast(Mapping[str, T], found)
