"""The shape of a notifier. Its module ends in `NOTIFIER = Notifier(...)`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from patchyard.domain.inventory import Inventory
from patchyard.domain.noticing import Message


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way: where to, and the machines that it is about."""

    message: Message
    address: str
    inventory: Inventory
    machines: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Notifier:
    """One way to tell somebody.

    Attributes:
        name: as it stands in a configuration, below `to`.
        send: gives a letter, once. Answers why it could not be given, in words; empty where it was.
    """

    name: str
    send: Callable[[Letter], str]
