"""The store: the memory of Patchyard, whole."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from patchyard.store.approvals import Approvals
from patchyard.store.assessments import Assessments
from patchyard.store.dispatches import Dispatches
from patchyard.store.histories import Histories
from patchyard.store.hook_calls import HookCalls
from patchyard.store.leases import Leases
from patchyard.store.machines import Machines
from patchyard.store.notices import Notices
from patchyard.store.other_runs import OtherRuns
from patchyard.store.plans import Plans
from patchyard.store.power_starts import PowerStarts
from patchyard.store.runs import Runs
from patchyard.store.steps import Steps
from patchyard.store.window_claims import WindowClaims


class Store(
    Runs,
    Plans,
    Machines,
    Steps,
    Assessments,
    Leases,
    WindowClaims,
    Approvals,
    HookCalls,
    Notices,
    Histories,
    PowerStarts,
    Dispatches,
    OtherRuns,
):
    """All that is remembered. Every method is one short transaction; any thread may call it.

    The parts differ in what they remember and share one database; a caller needs to know one
    name only.
    """

    def close(self) -> None:
        """Close the connections. A store that is used afterwards opens new ones."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
