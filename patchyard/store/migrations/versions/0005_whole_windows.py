"""A window has one run, for Linux and Windows together; of two claims the earlier is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table anew without parts: SQLite takes no column out of a key."""
    connection = op.get_bind()
    old = sa.Table("window_claims", sa.MetaData(), autoload_with=connection)
    claims: dict[tuple[str, str], dict[str, object]] = {}
    for row in connection.execute(sa.select(old).order_by(old.c.claimed_at, old.c.part)).mappings():
        kept = {name: value for name, value in row.items() if name != "part"}
        claims.setdefault((row["inventory"], row["key"]), kept)
    op.drop_table("window_claims")
    new = op.create_table(
        "window_claims",
        sa.Column("inventory", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("inventory", "key", name="pk_window_claims"),
    )
    op.bulk_insert(new, list(claims.values()))
