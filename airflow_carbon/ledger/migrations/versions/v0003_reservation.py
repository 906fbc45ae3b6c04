"""Reservations: which jobs run when on a shared capacity."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "carbon_reservation",
        sa.Column("capacity", sa.String(250), nullable=False),
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("task_id", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("map_index", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("begins_at", instant, nullable=False),
        sa.Column("ends_at", instant, nullable=False),
        sa.Column("reserved_at", instant, nullable=False),
        sa.PrimaryKeyConstraint(
            "capacity", "dag_id", "task_id", "run_id", "map_index", name="pk_carbon_reservation"
        ),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("carbon_reservation")
