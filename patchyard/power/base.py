"""The shape of a power provider: whether a machine is on, and how it is started and stopped.

A provider's module ends in `POWER = PowerProvider(...)`; its name is what an inventory says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from patchyard.domain.filling import filled
from patchyard.domain.inventory import Inventory, Machine
from patchyard.domain.power import PowerState
from patchyard.errors import PowerFailed
from patchyard.registry import load

__all__ = ["PowerFailed", "PowerProvider", "PowerSwitch", "known_providers", "open_switch"]


class PowerSwitch(Protocol):
    """The power of one machine. Every verb ends within its limit, or raises PowerFailed."""

    def state(self) -> PowerState:
        """Say whether the machine is on; unknown for all that is neither on nor off."""
        ...

    def start(self) -> None:
        """Order the machine to start; it need not be there when this returns."""
        ...

    def stop(self) -> None:
        """Order the machine to shut down as its power button does; it need not be off yet."""
        ...


@dataclass(frozen=True, slots=True)
class PowerProvider:
    """One way to the power of machines: its name, its options, and how a switch is had.

    `open(options, folder)` gets the options with a machine's values filled in, and the
    inventory's folder.
    """

    name: str
    options: type[BaseModel]
    open: Callable[[Any, Path], PowerSwitch]


def known_providers() -> Mapping[str, PowerProvider]:
    """Return all providers by name."""
    return load("patchyard.power", "POWER", PowerProvider)


def open_switch(machine: Machine, inventory: Inventory) -> PowerSwitch | None:
    """Return the switch of a machine; None where its inventory says nothing of its power.

    Raises:
        PowerFailed: what is written of it cannot be used; loading an inventory tells it first.
    """
    if machine.power is None:
        return None
    provider = known_providers().get(machine.power.kind)
    if provider is None:
        raise PowerFailed(f"{machine.name}: there is no power provider {machine.power.kind!r}")
    try:
        options = _options(provider, machine.power.options, machine)
    except ValidationError as error:
        raise PowerFailed(f"{machine.name}: power.{provider.name}: {error}") from error
    return provider.open(options, Path(inventory.folder))


def _options(provider: PowerProvider, written: dict[str, Any], machine: Machine) -> BaseModel:
    """Return the options with the machine's values in them, those that are not written too."""
    whole = provider.options.model_validate(filled(written, machine)).model_dump()
    return provider.options.model_validate(filled(whole, machine))
