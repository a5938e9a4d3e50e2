"""What can be done to a machine."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from patchyard.domain.around import Hook
from patchyard.domain.outcome import Status
from patchyard.domain.restore import Kept, PackageVersion
from patchyard.domain.value import Value


class Look(Value):
    """Assess the machine afresh. `refresh` asks the repositories anew first."""

    kind: Literal["look"] = "look"
    key: str
    refresh: bool = False
    not_before: datetime | None = None


class Ask(Value):
    """Ask the machine's health checks once, before anything is changed."""

    kind: Literal["ask"] = "ask"
    key: str


class Keep(Value):
    """Make a restore point: keep the present versions of these packages on the machine.

    `coming` is what the run is going to install: where an update is a thing of its own, the way
    back is to remove it, and whether that can be done is to be known before.
    """

    kind: Literal["keep"] = "keep"
    key: str
    folder: str
    packages: tuple[PackageVersion, ...]
    coming: tuple[PackageVersion, ...] = ()


class Repair(Value):
    """Bring an interrupted package database to an end, once."""

    kind: Literal["repair"] = "repair"
    key: str


class Download(Value):
    """Fetch exactly these versions onto the machine, and install nothing.

    It is done ahead of the machine's run, which goes the same way with it and without it.
    """

    kind: Literal["download"] = "download"
    key: str
    packages: tuple[PackageVersion, ...]


class Install(Value):
    """Install exactly these versions, in one package transaction."""

    kind: Literal["install"] = "install"
    key: str
    packages: tuple[PackageVersion, ...]


class RestartServices(Value):
    """Restart these services, so that they run what is installed."""

    kind: Literal["restart"] = "restart"
    key: str
    services: tuple[str, ...]
    reason: str


class Reboot(Value):
    """Reboot the machine and wait until it is back. `boot_id` is the one that must change."""

    kind: Literal["reboot"] = "reboot"
    key: str
    boot_id: str
    reason: str


class Verify(Value):
    """Ask the health checks until they hold, and compare with the answers before."""

    kind: Literal["verify"] = "verify"
    key: str


class Undo(Value):
    """Go back to exactly these versions and remove what was added, from the restore point.

    `kept` is what the restore point said of each way back.
    """

    kind: Literal["undo"] = "undo"
    key: str
    folder: str
    packages: tuple[PackageVersion, ...]
    remove: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()


class Call(Value):
    """Call a hook, a step of the operator's own, before the machine is changed or after its end.

    `status` and `reason` are how it ended; before, there are none.
    """

    kind: Literal["hook"] = "hook"
    key: str
    hook: Hook
    status: Status | None = None
    reason: str = ""


Action = Annotated[
    Look
    | Ask
    | Keep
    | Repair
    | Install
    | RestartServices
    | Reboot
    | Verify
    | Undo
    | Call
    | Download,
    Field(discriminator="kind"),
]


CHANGES = (Repair, Install, RestartServices, Reboot, Undo)
"""The acts after which a machine is no longer what it was: it is then taken to its end."""


class Wait(Value):
    """Nothing is to be done before this time."""

    until: datetime


class Finish(Value):
    """The end for this machine in this run, with the judged verdict."""

    status: Status
    reason: str
