"""What each attempt to look at a machine saw, and machines that a run has started."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "sightings",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("machine", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fault", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("machine_id", sa.String(), nullable=False),
        sa.Column("host_key", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_sightings_run_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "machine", name="pk_sightings"),
    )
    op.create_index("ix_sightings_machine_at", "sightings", ["machine", "at"])
    op.create_table(
        "power_starts",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("machine", sa.String(), nullable=False),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("off_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("left_on", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_power_starts_run_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "machine", name="pk_power_starts"),
    )
