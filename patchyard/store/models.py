"""The tables. Changed together with a new file in `migrations/versions`; a test compares them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, MetaData, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from patchyard.domain.outcome import Status
from patchyard.store.columns import Name, StatusWord, UtcTime, Words

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of all tables. Constraints have names, so that a migration can address them."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {
        str: String(),
        datetime: UtcTime(),
        Status: StatusWord(),
        dict[str, Any]: JSON(none_as_null=True),
    }


class PlanRow(Base):
    """A frozen plan, under the hash of its canonical text."""

    __tablename__ = "plans"

    hash: Mapped[str] = mapped_column(primary_key=True)
    canonical: Mapped[str] = mapped_column(Text)


class RunRow(Base):
    """One execution, and who drives it."""

    __tablename__ = "runs"
    __table_args__ = (
        Index(None, "kind", "inventory", "finished_at"),
        Index(None, "started_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    inventory: Mapped[str]
    scope: Mapped[str] = mapped_column(Words)
    parameters: Mapped[dict[str, Any]]
    status: Mapped[Status]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    summary: Mapped[str] = mapped_column(Words)
    plan_hash: Mapped[str] = mapped_column(Name, ForeignKey("plans.hash"), nullable=True)
    owner: Mapped[str] = mapped_column(Name, nullable=True)
    heartbeat_at: Mapped[datetime | None]
    owner_expires_at: Mapped[datetime | None]
    cancel_requested: Mapped[bool]
    flow_run_id: Mapped[str] = mapped_column(Name, nullable=True)
    halted_because: Mapped[str] = mapped_column(Words)
    reopened: Mapped[int] = mapped_column(server_default="0")
    report: Mapped[dict[str, Any] | None]


def _run() -> Mapped[str]:
    """Return a reference to a run. What belongs to a run goes when the run is forgotten."""
    return mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))


class AssessmentRow(Base):
    """What one machine looked like at one moment of a run."""

    __tablename__ = "assessments"
    __table_args__ = (
        UniqueConstraint("run_id", "machine", "phase"),
        Index(None, "machine", "taken_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = _run()
    machine: Mapped[str]
    phase: Mapped[str]
    taken_at: Mapped[datetime]
    data: Mapped[str] = mapped_column(Text)


class MachineRunRow(Base):
    """One machine in one run: its place in the waves, and its verdict."""

    __tablename__ = "machine_runs"
    __table_args__ = (Index(None, "status", "finished_at"),)

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    machine: Mapped[str] = mapped_column(primary_key=True)
    wave: Mapped[int | None]
    position: Mapped[int]
    status: Mapped[Status]
    reason: Mapped[str] = mapped_column(Words)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class StepRow(Base):
    """One act on one machine, recorded before it is done."""

    __tablename__ = "steps"
    __table_args__ = (UniqueConstraint("run_id", "machine", "seq"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = _run()
    machine: Mapped[str]
    seq: Mapped[int]
    key: Mapped[str]
    action: Mapped[dict[str, Any]]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    result: Mapped[dict[str, Any] | None]


class LeaseRow(Base):
    """Which run has a machine. The key is the machine's identity as the caller sees it."""

    __tablename__ = "leases"
    __table_args__ = (Index(None, "run_id"),)

    machine: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    owner: Mapped[str]
    acquired_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class AvailabilityRow(Base):
    """When a machine went away or came back, and why."""

    __tablename__ = "availability_events"
    __table_args__ = (
        UniqueConstraint("machine", "at", "kind", "run_id"),
        Index(None, "run_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    machine: Mapped[str]
    run_id: Mapped[str] = _run()
    kind: Mapped[str]
    cause: Mapped[str] = mapped_column(Words)
    at: Mapped[datetime]
    detail: Mapped[str] = mapped_column(Words)


class WindowClaimRow(Base):
    """A window that a run has taken. It outlives the run: a forgotten window would fire again."""

    __tablename__ = "window_claims"

    inventory: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str]
    opens_at: Mapped[datetime]
    closes_at: Mapped[datetime]
    claimed_at: Mapped[datetime]


class DispatchRow(Base):
    """Up to when a dispatcher has looked at the windows of an inventory."""

    __tablename__ = "dispatches"

    inventory: Mapped[str] = mapped_column(primary_key=True)
    looked_at: Mapped[datetime]


class ApprovalRow(Base):
    """What a person answered to the plan of a run, or to one of its waves (0: all of them)."""

    __tablename__ = "approvals"
    __table_args__ = (Index(None, "run_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = _run()
    plan_hash: Mapped[str]
    wave: Mapped[int]
    decision: Mapped[str]
    approver: Mapped[str] = mapped_column(Words)
    note: Mapped[str] = mapped_column(Words)
    machines: Mapped[list[str]] = mapped_column(JSON)
    asked_at: Mapped[datetime]
    answered_at: Mapped[datetime]


class HookCallRow(Base):
    """A hook of a run or of one of its waves (0: of the run), recorded before it is called.

    A run that had ended and goes on is on another leg: its hooks are called anew.
    """

    __tablename__ = "hook_calls"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    leg: Mapped[int] = mapped_column(primary_key=True)
    when: Mapped[str] = mapped_column(primary_key=True)
    wave: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    attempts: Mapped[int]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    code: Mapped[str]
    detail: Mapped[str] = mapped_column(Words)
    stops: Mapped[bool]


class NoticeRow(Base):
    """A notice, claimed before it is given. It may be about a window that has no run yet."""

    __tablename__ = "notices"
    __table_args__ = (Index(None, "run_id"), Index(None, "inventory", "window"))

    key: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(Name, nullable=True)
    inventory: Mapped[str]
    window: Mapped[str]
    moment: Mapped[str]
    to: Mapped[str]
    address: Mapped[str] = mapped_column(Words)
    attempts: Mapped[int]
    claimed_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    state: Mapped[str]
    detail: Mapped[str] = mapped_column(Words)
    stops: Mapped[bool]


class SightingRow(Base):
    """What came of one attempt to look at a machine: seen, or the fault that stood in the way."""

    __tablename__ = "sightings"
    __table_args__ = (Index(None, "machine", "at"),)

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    machine: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    fault: Mapped[str]
    detail: Mapped[str] = mapped_column(Words)
    machine_id: Mapped[str]
    host_key: Mapped[str]


class PowerStartRow(Base):
    """A machine that was off and that a run starts; recorded before it does."""

    __tablename__ = "power_starts"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    machine: Mapped[str] = mapped_column(primary_key=True)
    ordered_at: Mapped[datetime]
    off_at: Mapped[datetime | None]
    left_on: Mapped[str] = mapped_column(Words)
