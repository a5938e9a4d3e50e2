"""The shape of a provider: where machines come from.

A provider's module ends in `PROVIDER = Provider(...)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from patchyard.domain.inventory import Inventory


@dataclass(frozen=True, slots=True)
class Provider:
    """A source of machines. `load(folder)` reads all of it, or raises ConfigurationError."""

    name: str
    load: Callable[[Path], Inventory]
