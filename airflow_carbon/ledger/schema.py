"""The ledger's tables; ``migrations`` builds them, and a test holds the two together."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from airflow_carbon.ledger.types import Instant, Number

VERSION_TABLE: Final = "carbon_alembic_version"
"""Ours alone, so that the ledger can share a database with others who use Alembic."""

ID: Final = 250
"""Length of Airflow's identifiers, and of the names of devices and places."""

NAME: Final = 64
"""Length of the names of methods and qualities."""

KEY: Final = ("dag_id", "task_id", "run_id", "map_index", "try_number")

ISSUE_KEY: Final = ("source", "zone", "signal", "factor_type", "issued_at")

ACTUAL_KEY: Final = ("source", "zone", "signal", "factor_type", "day")

PROVIDER_KEY: Final = ("subscription_id", "month", "version", "scopes", "level", "item_id")

CROSSCHECK_KEY: Final = (*KEY, "source")

RESERVATION_KEY: Final = ("capacity", "dag_id", "task_id", "run_id", "map_index")

VERSION_KEY: Final = (*KEY, "version")

SIGNAL_KEY: Final = (*KEY, "intensity_signal", "intensity_factor_type", "version")

RETRIED: Final = text("try_number > 1")
"""Of which rows SQLite has a small index, to see at once that a try has no later one."""

SUMMED: Final = (
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
"""All that sums by DAG, task, model and month read, in an index of SQLite's: its rows are long. The
row of an index in PostgreSQL may not be."""

GRANT_KEY: Final = ("dag_id", "run_id", "map_index", "model")

BUDGET_KEY: Final = ("dag_id", "task_id", "model", "of_dag")


def _key_columns() -> list[Column[Any]]:
    return [
        Column("dag_id", String(ID), primary_key=True),
        Column("task_id", String(ID), primary_key=True),
        Column("run_id", String(ID), primary_key=True),
        Column("map_index", Integer, primary_key=True, autoincrement=False),
        Column("try_number", Integer, primary_key=True, autoincrement=False),
    ]


def _run_columns() -> list[Column[Any]]:
    """Return what is known of a try, in a version of it."""
    return [
        Column("submitted_at", Instant, nullable=False),
        Column("planned_start", Instant),
        Column("started_at", Instant, nullable=False),
        Column("ended_at", Instant, nullable=False),
        Column("return_code", Integer),
        Column("region", String(ID)),
        Column("zone", String(ID), nullable=False),
        Column("machine_size", String(ID)),
        Column("device_names", Text, nullable=False),
        Column("energy_j", Number, nullable=False),
        Column("energy_gpu_j", Number),
        Column("energy_cpu_j", Number),
        Column("energy_modelled_j", Number),
        Column("energy_method", String(NAME), nullable=False),
        Column("coverage", Number, nullable=False),
        Column("pue", Number, nullable=False),
        Column("pue_source", Text, nullable=False),
        Column("emissions_g", Number, nullable=False),
        Column("emissions_low_g", Number, nullable=False),
        Column("emissions_high_g", Number, nullable=False),
        Column("intensity_mean_g_per_kwh", Number),
        Column("intensity_source", Text, nullable=False),
        Column("intensity_quality", String(NAME), nullable=False),
        Column("intensity_signal", String(NAME), nullable=False),
        Column("intensity_factor_type", String(NAME), nullable=False),
        Column("baseline_region", String(ID)),
        Column("baseline_zone", String(ID)),
        Column("baseline_pue", Number),
        Column("baseline_g", Number),
        Column("delta_g", Number),
        Column("delta_percent", Number),
        Column("baseline_method", Text, nullable=False),
        Column("planned_g_per_kwh", Number),
        Column("at_once_g_per_kwh", Number),
        Column("planned_emissions_g", Number),
        Column("plan_source", Text),
        Column("plan_issued_at", Instant),
        Column("plan_quality", String(NAME)),
        Column("plan_reason", Text),
        Column("model", String(ID)),
        Column("functional_unit", String(NAME)),
        Column("functional_units", Number),
        Column("embodied_g", Number),
        Column("embodied_source", Text),
        Column("sci_g", Number),
        Column("computed_at", Instant, nullable=False),
        Column("package_version", String(NAME), nullable=False),
        Column("booked_at", Instant),
        Column("settled_at", Instant),
    ]


def _interval_columns() -> list[Column[Any]]:
    return [
        Column("device", String(ID), primary_key=True),
        Column("begins_at", Instant, primary_key=True),
        Column("ends_at", Instant, nullable=False),
        Column("joules", Number),
        Column("quality", String(NAME), nullable=False),
        Column("intensity_g_per_kwh", Number),
        Column("emissions_g", Number),
        Column("zone", String(ID)),
        Column("pue", Number),
    ]


metadata: Final = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "fk": "fk_%(table_name)s_%(referred_table_name)s"}
)

carbon_run: Final = Table(
    "carbon_run",
    metadata,
    *_key_columns(),
    Column("version", Integer, nullable=False, server_default="1"),
    *_run_columns(),
    Index("ix_carbon_run_submitted_at", "submitted_at"),
    Index("ix_carbon_run_task", "dag_id", "task_id", "submitted_at"),
    Index("ix_carbon_run_model", "model", "ended_at"),
    Index("ix_carbon_run_dag", "dag_id", "ended_at"),
    Index("ix_carbon_run_ended_at", "ended_at"),
    Index("ix_carbon_run_started_at", "started_at", *KEY),
    Index("ix_carbon_run_retried", *KEY, "started_at", sqlite_where=RETRIED).ddl_if("sqlite"),
    Index("ix_carbon_run_summed", *SUMMED).ddl_if("sqlite"),
)
"""One row a try of a task: the newest version of it."""

carbon_interval: Final = Table(
    "carbon_interval",
    metadata,
    *_key_columns(),
    *_interval_columns(),
    ForeignKeyConstraint(KEY, [f"carbon_run.{name}" for name in KEY], ondelete="CASCADE"),
)
"""What each device drew in each interval of a try, and what that emitted by the newest version."""

carbon_run_superseded: Final = Table(
    "carbon_run_superseded",
    metadata,
    *_key_columns(),
    Column("version", Integer, primary_key=True, autoincrement=False),
    *_run_columns(),
    ForeignKeyConstraint(KEY, [f"carbon_run.{name}" for name in KEY], ondelete="CASCADE"),
)
"""Every earlier version of a try, as it was; none is ever edited."""

carbon_interval_superseded: Final = Table(
    "carbon_interval_superseded",
    metadata,
    *_key_columns(),
    Column("version", Integer, primary_key=True, autoincrement=False),
    *_interval_columns(),
    ForeignKeyConstraint(
        VERSION_KEY, [f"carbon_run_superseded.{name}" for name in VERSION_KEY], ondelete="CASCADE"
    ),
)
"""The intervals of every earlier version of a try."""

carbon_run_signal: Final = Table(
    "carbon_run_signal",
    metadata,
    *_key_columns(),
    Column("intensity_signal", String(NAME), primary_key=True),
    Column("intensity_factor_type", String(NAME), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("pue", Number, nullable=False),
    Column("emissions_g", Number, nullable=False),
    Column("emissions_low_g", Number, nullable=False),
    Column("emissions_high_g", Number, nullable=False),
    Column("intensity_mean_g_per_kwh", Number),
    Column("intensity_source", Text, nullable=False),
    Column("intensity_quality", String(NAME), nullable=False),
    Column("baseline_g", Number),
    Column("delta_g", Number),
    Column("delta_percent", Number),
    Column("baseline_method", Text, nullable=False),
    Column("computed_at", Instant, nullable=False),
    ForeignKeyConstraint(KEY, [f"carbon_run.{name}" for name in KEY], ondelete="CASCADE"),
)
"""A try's energy by another signal or other factors; never in one sum with ``carbon_run``."""

carbon_issue: Final = Table(
    "carbon_issue",
    metadata,
    Column("source", String(ID), primary_key=True),
    Column("zone", String(ID), primary_key=True),
    Column("signal", String(NAME), primary_key=True),
    Column("factor_type", String(NAME), primary_key=True),
    Column("issued_at", Instant, primary_key=True),
    Column("begins_at", Instant, nullable=False),
    Column("step_s", Number, nullable=False),
    Column("filled", Integer, nullable=False),
    Column("g_per_kwh", LargeBinary, nullable=False),
    Index("ix_carbon_issue_issued_at", "issued_at"),
)
"""Every forecast that a service issued: ``g_per_kwh`` is zlib over little-endian float64."""

carbon_actual: Final = Table(
    "carbon_actual",
    metadata,
    Column("source", String(ID), primary_key=True),
    Column("zone", String(ID), primary_key=True),
    Column("signal", String(NAME), primary_key=True),
    Column("factor_type", String(NAME), primary_key=True),
    Column("day", Instant, primary_key=True),
    Column("step_s", Number, nullable=False),
    Column("g_per_kwh", LargeBinary, nullable=False),
    Index("ix_carbon_actual_day", "day"),
)
"""Actual intensity, a row a day (UTC): as ``carbon_issue``, NaN where nothing is known."""

carbon_reservation: Final = Table(
    "carbon_reservation",
    metadata,
    Column("capacity", String(ID), primary_key=True),
    Column("dag_id", String(ID), primary_key=True),
    Column("task_id", String(ID), primary_key=True),
    Column("run_id", String(ID), primary_key=True),
    Column("map_index", Integer, primary_key=True, autoincrement=False),
    Column("begins_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("reserved_at", Instant, nullable=False),
)
"""When each task that shares a capacity means to run, until that has passed."""

carbon_provider_emission: Final = Table(
    "carbon_provider_emission",
    metadata,
    Column("subscription_id", String(NAME), primary_key=True),
    Column("month", Date, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("scopes", String(NAME), primary_key=True),
    Column("level", String(NAME), primary_key=True),
    Column("item_id", Text, primary_key=True),
    Column("region", String(ID)),
    Column("emissions_g", Number, nullable=False),
    Column("fetched_at", Instant, nullable=False),
)
"""What the cloud provider reports of a month, all of it in each version; none is ever edited."""

carbon_crosscheck: Final = Table(
    "carbon_crosscheck",
    metadata,
    *_key_columns(),
    Column("source", String(NAME), primary_key=True),
    Column("joules", Number, nullable=False),
    Column("begins_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("fetched_at", Instant, nullable=False),
)
"""The energy of a try as another meter saw it; it may come before the try's own row."""

carbon_grant: Final = Table(
    "carbon_grant",
    metadata,
    Column("dag_id", String(ID), primary_key=True),
    Column("run_id", String(ID), primary_key=True),
    Column("map_index", Integer, primary_key=True, autoincrement=False),
    Column("model", String(ID), primary_key=True),
    Column("expected_g", Number),
    Column("expected_low_g", Number),
    Column("expected_high_g", Number),
    Column("granted_at", Instant, nullable=False),
    Index("ix_carbon_grant_granted_at", "granted_at"),
)
"""What a budget let through, and what it is expected to emit; ``model`` is '' for a whole DAG."""

carbon_budget: Final = Table(
    "carbon_budget",
    metadata,
    Column("dag_id", String(ID), primary_key=True),
    Column("task_id", String(ID), primary_key=True),
    Column("model", String(ID), primary_key=True),
    Column("of_dag", String(ID), primary_key=True),
    Column("intensity_signal", String(NAME)),
    Column("limit_g", Number, nullable=False),
    Column("per", String(NAME), nullable=False),
    Column("bound", String(NAME), nullable=False),
    Column("time_zone", String(NAME), nullable=False),
    Column("asked_at", Instant, nullable=False),
)
"""Budgets of a month or a model as a task last asked them; '' is every model, every DAG."""
