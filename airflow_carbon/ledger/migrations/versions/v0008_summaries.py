"""How much of a run's energy was modelled, and the indexes by which runs are summed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = (
    ("carbon_run", "carbon_interval"),
    ("carbon_run_superseded", "carbon_interval_superseded"),
)

KEY = ("dag_id", "task_id", "run_id", "map_index", "try_number")

SUMMED = (
    "dag_id",
    "task_id",
    "model",
    "intensity_signal",
    "intensity_factor_type",
    "started_at",
    "try_number",
    "map_index",
    "run_id",
    "ended_at",
    "energy_j",
    "energy_modelled_j",
    "coverage",
    "emissions_g",
    "emissions_low_g",
    "emissions_high_g",
    "baseline_g",
    "delta_g",
    "planned_emissions_g",
    "functional_units",
    "embodied_g",
    "settled_at",
)


def upgrade() -> None:
    """Add the column, and fill it from the intervals where the method alone does not tell."""
    for run, interval in TABLES:
        op.add_column(run, sa.Column("energy_modelled_j", sa.Double))
        versioned = ("version",) if run != "carbon_run" else ()
        names = (*KEY, *versioned, "energy_j", "energy_method", "energy_modelled_j")
        runs = sa.table(run, *(sa.column(name) for name in names))
        parts = sa.table(
            interval, *(sa.column(name) for name in (*KEY, *versioned, "joules", "quality"))
        )
        of_model = (
            sa.select(sa.func.sum(parts.c.joules))
            .where(*(parts.c[name] == runs.c[name] for name in (*KEY, *versioned)))
            .where(parts.c.quality == "model")
            .scalar_subquery()
        )
        method = runs.c.energy_method
        told = sa.case(
            (method == "model", runs.c.energy_j), (method.not_like("%model%"), 0.0), else_=of_model
        )
        op.execute(sa.update(runs).values(energy_modelled_j=told))
    op.create_index("ix_carbon_run_started_at", "carbon_run", ["started_at", *KEY])
    if op.get_bind().dialect.name == "sqlite":
        retried = sa.text("try_number > 1")
        op.create_index(
            "ix_carbon_run_retried", "carbon_run", [*KEY, "started_at"], sqlite_where=retried
        )
        op.create_index("ix_carbon_run_summed", "carbon_run", SUMMED)


def downgrade() -> None:
    """Drop the indexes and the column."""
    if op.get_bind().dialect.name == "sqlite":
        for name in ("summed", "retried"):
            op.drop_index(f"ix_carbon_run_{name}", "carbon_run")
    op.drop_index("ix_carbon_run_started_at", "carbon_run")
    for run, _ in TABLES:
        op.drop_column(run, "energy_modelled_j")
