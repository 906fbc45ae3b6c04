"""Versions of a run's account, where each interval was drawn, and what else a run is charged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEY = ("dag_id", "task_id", "run_id", "map_index", "try_number")


def upgrade() -> None:
    """Add the columns and create the tables."""
    instant = sa.DateTime(timezone=True)
    op.add_column(
        "carbon_run", sa.Column("version", sa.Integer, nullable=False, server_default="1")
    )
    op.add_column("carbon_run", sa.Column("planned_emissions_g", sa.Double))
    op.add_column("carbon_run", sa.Column("embodied_g", sa.Double))
    op.add_column("carbon_run", sa.Column("embodied_source", sa.Text))
    op.add_column("carbon_run", sa.Column("sci_g", sa.Double))
    op.add_column("carbon_run", sa.Column("booked_at", instant))
    op.add_column("carbon_run", sa.Column("settled_at", instant))
    op.add_column("carbon_interval", sa.Column("zone", sa.String(250)))
    op.add_column("carbon_interval", sa.Column("pue", sa.Double))
    op.create_table(
        "carbon_run_superseded",
        *_version_key(),
        *_run_columns(),
        sa.PrimaryKeyConstraint(*KEY, "version", name="pk_carbon_run_superseded"),
        sa.ForeignKeyConstraint(
            KEY,
            [f"carbon_run.{name}" for name in KEY],
            name="fk_carbon_run_superseded_carbon_run",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "carbon_interval_superseded",
        *_version_key(),
        sa.Column("device", sa.String(250), nullable=False),
        sa.Column("begins_at", instant, nullable=False),
        sa.Column("ends_at", instant, nullable=False),
        sa.Column("joules", sa.Double),
        sa.Column("quality", sa.String(64), nullable=False),
        sa.Column("intensity_g_per_kwh", sa.Double),
        sa.Column("emissions_g", sa.Double),
        sa.Column("zone", sa.String(250)),
        sa.Column("pue", sa.Double),
        sa.PrimaryKeyConstraint(
            *KEY, "version", "device", "begins_at", name="pk_carbon_interval_superseded"
        ),
        sa.ForeignKeyConstraint(
            [*KEY, "version"],
            [f"carbon_run_superseded.{name}" for name in (*KEY, "version")],
            name="fk_carbon_interval_superseded_carbon_run_superseded",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "carbon_run_signal",
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("task_id", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("map_index", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("try_number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("intensity_signal", sa.String(64), nullable=False),
        sa.Column("intensity_factor_type", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("pue", sa.Double, nullable=False),
        sa.Column("emissions_g", sa.Double, nullable=False),
        sa.Column("emissions_low_g", sa.Double, nullable=False),
        sa.Column("emissions_high_g", sa.Double, nullable=False),
        sa.Column("intensity_mean_g_per_kwh", sa.Double),
        sa.Column("intensity_source", sa.Text, nullable=False),
        sa.Column("intensity_quality", sa.String(64), nullable=False),
        sa.Column("baseline_g", sa.Double),
        sa.Column("delta_g", sa.Double),
        sa.Column("delta_percent", sa.Double),
        sa.Column("baseline_method", sa.Text, nullable=False),
        sa.Column("computed_at", instant, nullable=False),
        sa.PrimaryKeyConstraint(
            *(*KEY, "intensity_signal", "intensity_factor_type", "version"),
            name="pk_carbon_run_signal",
        ),
        sa.ForeignKeyConstraint(
            KEY,
            [f"carbon_run.{name}" for name in KEY],
            name="fk_carbon_run_signal_carbon_run",
            ondelete="CASCADE",
        ),
    )


def _version_key() -> list[sa.Column[object]]:
    return [
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("task_id", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("map_index", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("try_number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
    ]


def _run_columns() -> list[sa.Column[object]]:
    instant = sa.DateTime(timezone=True)
    return [
        sa.Column("submitted_at", instant, nullable=False),
        sa.Column("planned_start", instant),
        sa.Column("started_at", instant, nullable=False),
        sa.Column("ended_at", instant, nullable=False),
        sa.Column("return_code", sa.Integer),
        sa.Column("region", sa.String(250)),
        sa.Column("zone", sa.String(250), nullable=False),
        sa.Column("machine_size", sa.String(250)),
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
        sa.Column("planned_emissions_g", sa.Double),
        sa.Column("plan_source", sa.Text),
        sa.Column("plan_issued_at", instant),
        sa.Column("plan_quality", sa.String(64)),
        sa.Column("plan_reason", sa.Text),
        sa.Column("model", sa.String(250)),
        sa.Column("functional_unit", sa.String(64)),
        sa.Column("functional_units", sa.Double),
        sa.Column("embodied_g", sa.Double),
        sa.Column("embodied_source", sa.Text),
        sa.Column("sci_g", sa.Double),
        sa.Column("computed_at", instant, nullable=False),
        sa.Column("package_version", sa.String(64), nullable=False),
        sa.Column("booked_at", instant),
        sa.Column("settled_at", instant),
    ]


def downgrade() -> None:
    """Drop the tables and the columns: the newest versions stay."""
    op.drop_table("carbon_run_signal")
    op.drop_table("carbon_interval_superseded")
    op.drop_table("carbon_run_superseded")
    for column in ("pue", "zone"):
        op.drop_column("carbon_interval", column)
    added = ("version", "planned_emissions_g", "embodied_g", "embodied_source", "sci_g")
    for column in (*added, "booked_at", "settled_at"):
        op.drop_column("carbon_run", column)
