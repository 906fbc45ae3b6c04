"""Energy per functional unit, of a DAG run and of those before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import or_, select

from airflow_carbon.core.budget import WELL_COVERED
from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.entry import RunKey
from airflow_carbon.ledger.schema import KEY, carbon_run
from airflow_carbon.ledger.spans import counted_once

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import RowMapping

    from airflow_carbon.ledger.budgets import Scope
    from airflow_carbon.ledger.store import Ledger

_RUN: Final = carbon_run.c


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What one try took for a functional unit [J], on which devices, and how that is known."""

    key: RunKey
    model: str | None
    unit: str
    joules_per_unit: float
    devices: str
    method: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Efficiency:
    """The work in a ledger; every method raises ``LedgerError``."""

    ledger: Ledger

    def of(self, scope: Scope) -> list[Work]:
        """Return the work of a DAG run: of each task and map index, its last try.

        Tries that are partly measured, or that failed, say nothing of a unit's energy.
        """
        asked = select(carbon_run).where(
            *scope.of(_RUN),
            _RUN.functional_units > 0,
            _RUN.coverage >= WELL_COVERED,
            or_(_RUN.return_code.is_(None), _RUN.return_code == 0),
        )
        asked = asked.order_by(_RUN.task_id, _RUN.map_index, _RUN.try_number)
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            rows = connection.execute(asked).mappings().all()
        last = {(row["task_id"], row["map_index"]): row for row in rows}
        return [_work(row) for row in last.values()]

    def before(self, work: Work, limit: int) -> list[Work]:
        """Return the like work of the DAG runs before, newest first.

        Of the same task, model and unit, measured by the same method.
        """
        asked = (
            select(carbon_run)
            .where(
                _RUN.dag_id == work.key.dag_id,
                _RUN.task_id == work.key.task_id,
                _RUN.run_id != work.key.run_id,
                _RUN.model.is_(None) if work.model is None else _RUN.model == work.model,
                _RUN.functional_unit == work.unit,
                _RUN.functional_units > 0,
                _RUN.energy_method == work.method,
                _RUN.coverage >= WELL_COVERED,
                or_(_RUN.return_code.is_(None), _RUN.return_code == 0),
                _RUN.started_at < work.started_at,
                counted_once(),
            )
            .order_by(_RUN.started_at.desc(), *(_RUN[name].desc() for name in KEY))
            .limit(limit)
        )
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            return [_work(row) for row in connection.execute(asked).mappings()]


def _work(row: RowMapping) -> Work:
    return Work(
        key=RunKey(**{name: row[name] for name in KEY}),
        model=row["model"],
        unit=row["functional_unit"],
        joules_per_unit=row["energy_j"] / row["functional_units"],
        devices=row["device_names"],
        method=row["energy_method"],
        started_at=row["started_at"],
    )
