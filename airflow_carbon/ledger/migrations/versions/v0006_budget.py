"""The model and the functional units of a run, and what budgets let through."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and create the table."""
    op.add_column("carbon_run", sa.Column("model", sa.String(250)))
    op.add_column("carbon_run", sa.Column("functional_unit", sa.String(64)))
    op.add_column("carbon_run", sa.Column("functional_units", sa.Double))
    op.create_index("ix_carbon_run_model", "carbon_run", ["model", "ended_at"])
    op.create_index("ix_carbon_run_dag", "carbon_run", ["dag_id", "ended_at"])
    op.create_index("ix_carbon_run_ended_at", "carbon_run", ["ended_at"])
    op.create_table(
        "carbon_grant",
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("map_index", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("model", sa.String(250), nullable=False),
        sa.Column("expected_g", sa.Double),
        sa.Column("expected_low_g", sa.Double),
        sa.Column("expected_high_g", sa.Double),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("dag_id", "run_id", "map_index", "model", name="pk_carbon_grant"),
    )
    op.create_index("ix_carbon_grant_granted_at", "carbon_grant", ["granted_at"])


def downgrade() -> None:
    """Drop the table and the columns."""
    op.drop_index("ix_carbon_grant_granted_at", "carbon_grant")
    op.drop_table("carbon_grant")
    for index in ("model", "dag", "ended_at"):
        op.drop_index(f"ix_carbon_run_{index}", "carbon_run")
    for column in ("functional_units", "functional_unit", "model"):
        op.drop_column("carbon_run", column)
