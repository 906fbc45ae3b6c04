"""The archive: forecasts as they were issued, and what the intensity really was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "carbon_issue",
        sa.Column("source", sa.String(250), nullable=False),
        sa.Column("zone", sa.String(250), nullable=False),
        sa.Column("signal", sa.String(64), nullable=False),
        sa.Column("factor_type", sa.String(64), nullable=False),
        sa.Column("issued_at", instant, nullable=False),
        sa.Column("begins_at", instant, nullable=False),
        sa.Column("step_s", sa.Double, nullable=False),
        sa.Column("filled", sa.Integer, nullable=False),
        sa.Column("g_per_kwh", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint(
            "source", "zone", "signal", "factor_type", "issued_at", name="pk_carbon_issue"
        ),
    )
    op.create_index("ix_carbon_issue_issued_at", "carbon_issue", ["issued_at"])
    op.create_table(
        "carbon_actual",
        sa.Column("source", sa.String(250), nullable=False),
        sa.Column("zone", sa.String(250), nullable=False),
        sa.Column("signal", sa.String(64), nullable=False),
        sa.Column("factor_type", sa.String(64), nullable=False),
        sa.Column("day", instant, nullable=False),
        sa.Column("step_s", sa.Double, nullable=False),
        sa.Column("g_per_kwh", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint(
            "source", "zone", "signal", "factor_type", "day", name="pk_carbon_actual"
        ),
    )
    op.create_index("ix_carbon_actual_day", "carbon_actual", ["day"])


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("carbon_actual")
    op.drop_table("carbon_issue")
