"""Restore points: what makes going back possible."""

from __future__ import annotations

from patchyard.domain.value import Value


class PackageVersion(Value):
    """One package in one version on one architecture."""

    name: str
    architecture: str
    version: str

    @property
    def key(self) -> str:
        """Name and architecture: the identity of a package on a machine."""
        return f"{self.name}:{self.architecture}"

    @classmethod
    def of(cls, key: str, version: str) -> PackageVersion:
        """Make it from a package's key, `name:architecture`."""
        name, _, architecture = key.rpartition(":")
        return cls(name=name, architecture=architecture, version=version)


class Kept(Value):
    """One package's way back: the version that is kept, and from where it came."""

    key: str
    version: str
    file: str = ""
    method: str = ""
    problem: str = ""


class RestorePoint(Value):
    """The versions kept on the machine in `folder`, for going back without any repository."""

    folder: str
    kept: tuple[Kept, ...] = ()

    @property
    def missing(self) -> tuple[Kept, ...]:
        """The packages whose earlier version could not be had."""
        return tuple(kept for kept in self.kept if kept.problem)

    @property
    def complete(self) -> bool:
        """True where every package can go back."""
        return not self.missing


class UndoTarget(Value):
    """What an earlier run changed, and so what undoing it brings back.

    `packages` are the versions to go back to, `added` the packages that the run brought in,
    and `installed` the versions it left, by key: what differs from it now was changed since.
    `kept` is what its restore point said of each way back.
    """

    folder: str
    packages: tuple[PackageVersion, ...]
    added: tuple[str, ...] = ()
    installed: dict[str, str] = {}
    kept: tuple[Kept, ...] = ()
