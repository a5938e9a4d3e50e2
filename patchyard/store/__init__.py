"""Memory: runs, plans, assessments, steps, leases, availability, in SQLite or PostgreSQL."""

from patchyard.store.errors import (
    DamagedRecord,
    NotRecorded,
    StepStillOpen,
    StoreError,
    StoreUnavailable,
)
from patchyard.store.opening import open_store
from patchyard.store.records import (
    AvailabilityEvent,
    AvailabilityKind,
    HeldBy,
    Lease,
    MachineRecord,
    RunRecord,
    Standing,
    StepRecord,
)
from patchyard.store.store import Store

__all__ = [
    "AvailabilityEvent",
    "AvailabilityKind",
    "DamagedRecord",
    "HeldBy",
    "Lease",
    "MachineRecord",
    "NotRecorded",
    "RunRecord",
    "Standing",
    "StepRecord",
    "StepStillOpen",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "open_store",
]
