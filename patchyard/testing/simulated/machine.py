"""What a simulated machine is like, and what can be wrong with it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

FIRST_ADDRESS = ipaddress.IPv4Address("127.20.0.1")
"""Far from the addresses that other servers on a box take."""

ZONES = 3


class Fault(StrEnum):
    """What can be wrong with a simulated machine."""

    LOCKED = "lock"
    """Another process holds the package lock."""

    BROKEN_DATABASE = "broken"
    """dpkg was interrupted between unpacking and configuring."""

    DISK_FULL = "disk_full"
    """/var has no room left."""

    DEAD_SECURITY = "dead_security"
    """The repository of security fixes does not answer."""

    BREAKS_SERVICE = "breaks"
    """A service does not start with the newest version of its package."""

    SLOW_INSTALL = "slow"
    """A package transaction takes some seconds longer."""

    NEVER_BACK = "never_back"
    """The machine does not come back from its next reboot."""

    DROPS_LINK = "drops_link"
    """The next connection is cut after some bytes of output."""


@dataclass(frozen=True, slots=True)
class SimulatedMachine:
    """One machine of a simulated yard.

    `patched` machines have nothing to install; `kernel_pending` ones also have a newer kernel
    to install, which needs a reboot. `settings` are further fields of the inventory's entry.
    """

    name: str
    address: str
    groups: tuple[str, ...] = ()
    kernel_pending: bool = False
    patched: bool = False
    password: str = ""
    sudo_password: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """The name of the package state that it begins with."""
        if self.patched:
            return "patched"
        return "kernel" if self.kernel_pending else "behind"


def machines(count: int, *, kernel_every: int = 0) -> tuple[SimulatedMachine, ...]:
    """Return `count` machines with names and loopback addresses of their own.

    Args:
        count: how many.
        kernel_every: every how many-th machine also has a kernel to install; 0 for none.
    """
    return tuple(
        SimulatedMachine(
            name=f"sim-{number:04d}",
            address=str(FIRST_ADDRESS + number - 1),
            groups=("simulated",),
            kernel_pending=bool(kernel_every) and number % kernel_every == 0,
            settings={"zone": str(number % ZONES + 1)},
        )
        for number in range(1, count + 1)
    )
