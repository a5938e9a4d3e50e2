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
    ApprovalRecord,
    AvailabilityEvent,
    AvailabilityKind,
    HeldBy,
    HookCall,
    InRun,
    Lease,
    MachineRecord,
    NoticeRecord,
    PowerStart,
    RunRecord,
    Standing,
    StepRecord,
    WindowClaim,
)
from patchyard.store.store import Store

__all__ = [
    "ApprovalRecord",
    "AvailabilityEvent",
    "AvailabilityKind",
    "DamagedRecord",
    "HeldBy",
    "HookCall",
    "InRun",
    "Lease",
    "MachineRecord",
    "NotRecorded",
    "NoticeRecord",
    "PowerStart",
    "RunRecord",
    "Standing",
    "StepRecord",
    "StepStillOpen",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "WindowClaim",
    "open_store",
]
