"""The component store: packages and their states, the build that runs, and what a reboot does."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from patchyard.testing.windows.host.catalogue import Update

STATES = {
    "Installed": 4,
    "InstallPending": 7,
    "UninstallPending": 5,
    "Staged": 2,
    "Superseded": 6,
    "NotPresent": 0,
}
"""States as DISM's cmdlets number them."""


@dataclass
class Package:
    """One package of the component store."""

    name: str
    state: str
    kb: str = ""
    build: str = ""
    release: str = "SecurityUpdate"
    installed: float = 0.0
    permanent: bool = False
    update: str = ""
    """The id of the update that brought it."""


class ComponentStore:
    """The packages of one computer.

    `health` is Healthy, Repairable or NonRepairable, as Repair-WindowsImage tells it.
    """

    def __init__(self, build: str, revision: int) -> None:
        self.build = build
        self.revision = revision
        self.health = "Healthy"
        self.reset_base = False
        self.packages: list[Package] = []
        self.removals: Counter[str] = Counter()
        """How often each package was begun to be removed."""

    @property
    def version(self) -> str:
        """Build and revision, such as 20348.5499."""
        return f"{self.build}.{self.revision}"

    def find(self, name: str) -> Package | None:
        """Return a package by its name."""
        return next((p for p in self.packages if p.name.lower() == name.lower()), None)

    def of_update(self, identity: str) -> list[Package]:
        """Return the packages that an update brought."""
        return [package for package in self.packages if package.update == identity]

    def install(self, update: Update, now: float) -> None:
        """Install an update's packages; what needs a reboot waits for it."""
        if update.servicing_package:
            self._add(update.servicing_package, "Installed", update, now, permanent=True)
        if update.package:
            state = "InstallPending" if update.reboot else "Installed"
            permanent = update.kind == "ssu"
            self._add(update.package, state, update, now, permanent=permanent)
        if update.kind == "hotpatch":
            self.revision = revision_of(update.build)

    def _add(self, name: str, state: str, update: Update, now: float, *, permanent: bool) -> None:
        self.packages = [p for p in self.packages if p.name != name]
        build = update.servicing if "ServicingStack" in name and update.servicing else update.build
        self.packages.append(
            Package(
                name, state, update.kb, build, installed=now, permanent=permanent, update=update.id
            )
        )

    def pending(self) -> list[Package]:
        """Return what waits for a reboot."""
        return [p for p in self.packages if p.state in {"InstallPending", "UninstallPending"}]

    def complete(self, update: Update, now: float) -> None:
        """Do what a reboot does to an update that waited for it."""
        for package in self.of_update(update.id):
            if package.state == "InstallPending":
                package.state, package.installed = "Installed", now
                if update.kind == "lcu":
                    self._supersede(package)
                    self.revision = revision_of(update.build)

    def _supersede(self, newest: Package) -> None:
        for package in self.packages:
            older = package is not newest and "RollupFix" in package.name
            if older and package.state == "Installed":
                package.state = "Superseded"

    def roll_back(self, update: Update) -> None:
        """Undo in the reboot what waited for it; the servicing stack stays."""
        self.packages = [
            p
            for p in self.packages
            if p.update != update.id or p.permanent or p.state != "InstallPending"
        ]

    def remove(self, package: Package, *, at_once: bool) -> None:
        """Begin to remove a package; `at_once` needs no reboot."""
        self.removals[package.name] += 1
        if at_once:
            self._removed(package)
        else:
            package.state = "UninstallPending"

    def complete_removals(self) -> list[Package]:
        """Do what a reboot does to what was being removed; return it."""
        gone = [p for p in self.packages if p.state == "UninstallPending"]
        for package in gone:
            self._removed(package)
        return gone

    def _removed(self, package: Package) -> None:
        self.packages.remove(package)
        older = [p for p in self.packages if p.state == "Superseded" and "RollupFix" in p.name]
        if "RollupFix" in package.name and older:
            before = max(older, key=lambda p: revision_of(p.build))
            before.state = "Installed"
            self.revision = revision_of(before.build)

    def state(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {
            "build": self.build,
            "revision": self.revision,
            "health": self.health,
            "reset_base": self.reset_base,
            "packages": [asdict(package) for package in self.packages],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what `state` returned."""
        self.build, self.revision = state["build"], state["revision"]
        self.health, self.reset_base = state["health"], state["reset_base"]
        self.packages = [Package(**entry) for entry in state["packages"]]


def revision_of(build: str) -> int:
    """Return the revision (UBR) in a build such as 20348.5499."""
    return int(build.split(".")[1])
