"""Machines are found by their status, over all runs."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    op.create_index(
        "ix_machine_runs_status_finished_at", "machine_runs", ["status", "finished_at"]
    )
