"""What the ledger knows of the last weeks: where runs were, and what plans promised of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.entry import RunKey
from airflow_carbon.ledger.schema import KEY, carbon_run
from airflow_carbon.ledger.spans import counted_once

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select

    from airflow_carbon.ledger.store import Ledger

_RUN: Final = carbon_run.c

_PROMISE: Final = (
    "started_at",
    "ended_at",
    "zone",
    "region",
    "planned_g_per_kwh",
    "at_once_g_per_kwh",
    "intensity_mean_g_per_kwh",
    "plan_source",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What a plan promised of a run, and what then was [gCO2eq/kWh]."""

    key: RunKey
    started_at: datetime
    ended_at: datetime
    zone: str
    region: str | None
    planned_g_per_kwh: float
    at_once_g_per_kwh: float | None
    intensity_mean_g_per_kwh: float
    plan_source: str | None

    @property
    def error_percent(self) -> float | None:
        """How much more than promised the grid emitted [%]; None where nothing was promised."""
        if self.planned_g_per_kwh <= 0:
            return None
        return 100 * (self.intensity_mean_g_per_kwh / self.planned_g_per_kwh - 1)


@dataclass(frozen=True, slots=True)
class Lately:
    """The newest of a ledger, for those DAGs that are named; methods raise ``LedgerError``."""

    ledger: Ledger
    dag_ids: Collection[str] | None = None
    """None is all, and an empty one is none."""

    def zones(self, *, since: datetime) -> list[str]:
        """Return the grid zones that runs were in, the busiest first."""
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            return list(connection.scalars(self.zones_statement(since)))

    def zones_statement(self, since: datetime) -> Select[Any]:
        """Return the SELECT of :meth:`zones`."""
        return (
            select(_RUN.zone)
            .where(_RUN.started_at >= since, *self._readable())
            .group_by(_RUN.zone)
            .order_by(func.count().desc(), _RUN.zone)
        )

    def promises(self, *, since: datetime, limit: int) -> list[Kept]:
        """Return the runs that had a plan and were priced, newest first."""
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            return [
                Kept(
                    key=RunKey(**{name: row[name] for name in KEY}),
                    **{name: row[name] for name in _PROMISE},
                )
                for row in connection.execute(self.promises_statement(since, limit)).mappings()
            ]

    def promises_statement(self, since: datetime, limit: int) -> Select[Any]:
        """Return the SELECT of :meth:`promises`."""
        return (
            select(*(_RUN[name] for name in (*KEY, *_PROMISE)))
            .where(
                _RUN.started_at >= since,
                _RUN.planned_g_per_kwh.is_not(None),
                _RUN.intensity_mean_g_per_kwh.is_not(None),
                counted_once(),
                *self._readable(),
            )
            .order_by(_RUN.started_at.desc())
            .limit(limit)
        )

    def newest_try(
        self, *, dag_id: str, task_id: str, run_id: str, map_index: int
    ) -> RunKey | None:
        """Return the last try of a task that is in the ledger; None where none is."""
        names = {"dag_id": dag_id, "task_id": task_id, "run_id": run_id, "map_index": map_index}
        asked = (
            select(_RUN.try_number)
            .where(*(_RUN[name] == value for name, value in names.items()), *self._readable())
            .order_by(_RUN.try_number.desc())
            .limit(1)
        )
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            number = connection.scalar(asked)
        if number is None:
            return None
        return RunKey(
            dag_id=dag_id, task_id=task_id, run_id=run_id, map_index=map_index, try_number=number
        )

    def accounted_in(self, *, dag_id: str, run_id: str, limit: int = 100) -> list[RunKey]:
        """Return the tries of a DAG run that are in the ledger, the greatest emitter first."""
        asked = (
            select(*(_RUN[name] for name in KEY))
            .where(_RUN.dag_id == dag_id, _RUN.run_id == run_id, *self._readable())
            .order_by(_RUN.emissions_g.desc(), *(_RUN[name] for name in KEY))
            .limit(limit)
        )
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            return [RunKey(**row) for row in connection.execute(asked).mappings()]

    def _readable(self) -> list[ColumnElement[bool]]:
        return [] if self.dag_ids is None else [_RUN.dag_id.in_(sorted(self.dag_ids))]
