"""The way back of each kind of update (windows.md 1.6): known before it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from patchyard.domain.value import Known
from patchyard.managers.windows_update.categories import Kind

PACKAGE = "package"
"""Remove the packages that have come since the restore point (DISM)."""

PACKAGE_OR_WUSA = "package or wusa"
"""The same, and where the component store has no such package, by wusa.exe."""

DEFINITIONS = "definitions"
"""Go back to the definitions of before (MpCmdRun)."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a kind of update goes back; `problem` says why it cannot.

    `packages` are masks of its packages in the component store, where {kb} is its article.
    """

    method: str = ""
    packages: tuple[str, ...] = ()
    problem: str = ""


WAYS: Mapping[Kind, Way] = MappingProxyType(
    {
        Kind.CUMULATIVE: Way(PACKAGE, ("Package_for_RollupFix~*",)),
        Kind.HOTPATCH: Way(PACKAGE, ("Package_for_*Hotpatch*", "Package_for_RollupFix~*")),
        Kind.DOTNET: Way(PACKAGE, ("Package_for_DotNetRollup*", "Package_for_{kb}~*")),
        Kind.STANDALONE: Way(PACKAGE_OR_WUSA, ("Package_for_{kb}~*",)),
        Kind.DEFINITIONS: Way(DEFINITIONS),
        Kind.SERVICING_STACK: Way(problem="a servicing stack can never be removed"),
        Kind.REMOVAL_TOOL: Way(problem="the removal tool has run and cannot be taken back"),
        Kind.DRIVER: Way(problem="a driver goes back only by hand (pnputil), or by a snapshot"),
        Kind.UPGRADE: Way(problem="an upgrade goes back only by a snapshot or a backup"),
        Kind.OTHER: Way(problem="its own installer brings it: only a snapshot takes it back"),
    }
)
"""wusa refuses combined packages, so it is tried only for those that stand alone."""


def way_back(kind: Kind) -> Way:
    """Return how a kind of update goes back."""
    return WAYS[kind]


def restorable(kind: Kind) -> Known:
    """Say whether an update can be taken back, before it is planned."""
    return Known.of(not WAYS[kind].problem)
