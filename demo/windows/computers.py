"""The three computers of the demo: what each of them is, is offered, and is to end as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from patchyard.testing.windows.host import AZURE_2022, SERVER_2022, Profile, SimulatedComputer
from patchyard.testing.windows.host.catalogue import HOTPATCH_2022, LCU_2022, Update
from patchyard.testing.windows.host.services import Service

LEGACY = "LegacyApp"
"""A service of the operator's own that does not start on a newer build of Windows."""

HOTPATCH = replace(HOTPATCH_2022, minutes=0.1)
CUMULATIVE = replace(LCU_2022, minutes=0.1, reboot_minutes=0.05)


def _named(profile: Profile) -> Profile:
    """Let the system call itself what it is, so that no report can be misread."""
    return replace(profile, caption=f"{profile.caption} (simulated)")


@dataclass(frozen=True)
class Staged:
    """One computer. `undone` says that its update is meant to be taken back."""

    name: str
    address: str
    profile: Profile
    update: Update
    scheme: str = "https"
    undone: bool = False
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def kb(self) -> str:
        """The update's name as people know it."""
        return f"KB{self.update.kb}"

    @property
    def before(self) -> str:
        """The build that it begins with."""
        return self.profile.baseline


STAGED = (
    Staged(
        "win-web-1",
        "127.22.0.1",
        _named(AZURE_2022),
        HOTPATCH,
        tags={"role": "web"},
    ),
    Staged(
        "win-sql-1",
        "127.22.0.2",
        _named(SERVER_2022),
        CUMULATIVE,
        tags={"role": "db"},
    ),
    Staged(
        "win-app-1",
        "127.22.0.3",
        _named(SERVER_2022),
        CUMULATIVE,
        scheme="http",
        undone=True,
        tags={"role": "app"},
    ),
)


class Computer(SimulatedComputer):
    """A computer whose time is ours, and whose Windows is quick, so that nobody need wait long."""

    def __init__(self, staged: Staged) -> None:
        self._certified = staged.profile.revision
        super().__init__(staged.name, staged.profile, factor=1.0)
        self.updates.searching_seconds, self.updates.removing_seconds = 1.0, 5.0
        self.supply.down_seconds, self.supply.starting_seconds = 4.0, 3.0
        self.supply.going_seconds = 1.0
        self.updates.offer(staged.update)
        if staged.undone:
            self.add_service(
                Service(LEGACY, "Legacy application", "Auto", "Running", path="C:\\Legacy\\app.exe")
            )

    def start_services(self) -> None:
        """Start what starts with the computer; the old application looks at the build first."""
        legacy = self.services.find(LEGACY)
        if legacy is not None:
            legacy.refuses = self.store.revision != self._certified
        super().start_services()
