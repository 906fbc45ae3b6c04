"""The budgets that stand, for whoever asks what is left of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

KEY = ("dag_id", "task_id", "model", "of_dag")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "carbon_budget",
        *(sa.Column(name, sa.String(250), nullable=False) for name in KEY),
        sa.Column("intensity_signal", sa.String(64)),
        sa.Column("limit_g", sa.Double, nullable=False),
        sa.Column("per", sa.String(64), nullable=False),
        sa.Column("bound", sa.String(64), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(*KEY, name="pk_carbon_budget"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("carbon_budget")
