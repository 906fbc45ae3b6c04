"""The first tables: runs, and their intervals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = ("dag_id", "task_id", "run_id", "map_index", "try_number")


def upgrade() -> None:
    """Create both tables."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "carbon_run",
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("task_id", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("map_index", sa.Integer, nullable=False),
        sa.Column("try_number", sa.Integer, nullable=False),
        sa.Column("submitted_at", instant, nullable=False),
        sa.Column("planned_start", instant),
        sa.Column("started_at", instant, nullable=False),
        sa.Column("ended_at", instant, nullable=False),
        sa.Column("return_code", sa.Integer),
        sa.Column("region", sa.String(250)),
        sa.Column("zone", sa.String(250), nullable=False),
        sa.Column("device_names", sa.Text, nullable=False),
        sa.Column("energy_j", sa.Double, nullable=False),
        sa.Column("energy_gpu_j", sa.Double),
        sa.Column("energy_cpu_j", sa.Double),
        sa.Column("energy_method", sa.String(64), nullable=False),
        sa.Column("coverage", sa.Double, nullable=False),
        sa.Column("pue", sa.Double, nullable=False),
        sa.Column("pue_source", sa.Text, nullable=False),
        sa.Column("emissions_g", sa.Double, nullable=False),
        sa.Column("emissions_low_g", sa.Double, nullable=False),
        sa.Column("emissions_high_g", sa.Double, nullable=False),
        sa.Column("intensity_mean_g_per_kwh", sa.Double),
        sa.Column("intensity_source", sa.Text, nullable=False),
        sa.Column("intensity_quality", sa.String(64), nullable=False),
        sa.Column("intensity_signal", sa.String(64), nullable=False),
        sa.Column("intensity_factor_type", sa.String(64), nullable=False),
        sa.Column("baseline_region", sa.String(250)),
        sa.Column("baseline_zone", sa.String(250)),
        sa.Column("baseline_pue", sa.Double),
        sa.Column("baseline_g", sa.Double),
        sa.Column("delta_g", sa.Double),
        sa.Column("delta_percent", sa.Double),
        sa.Column("baseline_method", sa.Text, nullable=False),
        sa.Column("planned_g_per_kwh", sa.Double),
        sa.Column("at_once_g_per_kwh", sa.Double),
        sa.Column("plan_source", sa.Text),
        sa.Column("plan_issued_at", instant),
        sa.Column("plan_quality", sa.String(64)),
        sa.Column("plan_reason", sa.Text),
        sa.Column("computed_at", instant, nullable=False),
        sa.Column("package_version", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint(*KEY, name="pk_carbon_run"),
    )
    op.create_index("ix_carbon_run_submitted_at", "carbon_run", ["submitted_at"])
    op.create_index("ix_carbon_run_task", "carbon_run", ["dag_id", "task_id", "submitted_at"])
    op.create_table(
        "carbon_interval",
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("task_id", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("map_index", sa.Integer, nullable=False),
        sa.Column("try_number", sa.Integer, nullable=False),
        sa.Column("device", sa.String(250), nullable=False),
        sa.Column("begins_at", instant, nullable=False),
        sa.Column("ends_at", instant, nullable=False),
        sa.Column("joules", sa.Double),
        sa.Column("quality", sa.String(64), nullable=False),
        sa.Column("intensity_g_per_kwh", sa.Double),
        sa.Column("emissions_g", sa.Double),
        sa.PrimaryKeyConstraint(*KEY, "device", "begins_at", name="pk_carbon_interval"),
        sa.ForeignKeyConstraint(
            KEY,
            [f"carbon_run.{name}" for name in KEY],
            name="fk_carbon_interval_carbon_run",
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("carbon_interval")
    op.drop_table("carbon_run")
