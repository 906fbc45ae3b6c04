"""What the cloud provider reports of a month, and energy as another meter saw it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "carbon_provider_emission",
        sa.Column("subscription_id", sa.String(64), nullable=False),
        sa.Column("month", sa.Date, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("scopes", sa.String(64), nullable=False),
        sa.Column("level", sa.String(64), nullable=False),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("region", sa.String(250)),
        sa.Column("emissions_g", sa.Double, nullable=False),
        sa.Column("fetched_at", instant, nullable=False),
        sa.PrimaryKeyConstraint(
            *("subscription_id", "month", "version", "scopes", "level", "item_id"),
            name="pk_carbon_provider_emission",
        ),
    )
    op.create_table(
        "carbon_crosscheck",
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("task_id", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("map_index", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("try_number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("joules", sa.Double, nullable=False),
        sa.Column("begins_at", instant, nullable=False),
        sa.Column("ends_at", instant, nullable=False),
        sa.Column("fetched_at", instant, nullable=False),
        sa.PrimaryKeyConstraint(
            *("dag_id", "task_id", "run_id", "map_index", "try_number", "source"),
            name="pk_carbon_crosscheck",
        ),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("carbon_crosscheck")
    op.drop_table("carbon_provider_emission")
