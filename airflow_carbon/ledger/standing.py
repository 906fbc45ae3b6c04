"""The budgets that stand: what somebody holds emissions against, as it was last asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from airflow_carbon.core.budget import Bound, Budget, Per
from airflow_carbon.ledger.budgets import Scope
from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.schema import BUDGET_KEY, carbon_budget
from airflow_carbon.ledger.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from airflow_carbon.ledger.store import Ledger


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A budget for a month or a model, the task that asks, and whose emissions count."""

    dag_id: str
    task_id: str
    budget: Budget
    scope: Scope
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class StandingBudgets:
    """The budgets of a ledger; every method raises ``LedgerError``."""

    ledger: Ledger

    def note(self, one: Standing) -> None:
        """Remember a budget; the same task's replaces it."""
        budget, scope = one.budget, one.scope
        row = {
            "dag_id": one.dag_id,
            "task_id": one.task_id,
            "model": scope.model or "",
            "of_dag": scope.dag_id or "",
            "intensity_signal": scope.signal,
            "limit_g": budget.limit_g,
            "per": budget.per.value,
            "bound": budget.bound.value,
            "time_zone": budget.time_zone,
            "asked_at": one.asked_at,
        }
        engine = self.ledger.engine
        with reporting(engine.url), engine.begin() as connection:
            connection.execute(upsert(connection, carbon_budget, BUDGET_KEY).values(row))

    def all(
        self, *, since: datetime, dag_ids: Collection[str] | None = None, limit: int = 100
    ) -> list[Standing]:
        """Return the budgets that were asked since an instant, by DAG and task.

        ``dag_ids`` are the DAGs whose budgets are meant; None is all.
        """
        rows = carbon_budget.c
        asked = select(carbon_budget).where(rows.asked_at >= since)
        if dag_ids is not None:
            asked = asked.where(rows.dag_id.in_(sorted(dag_ids)))
        asked = asked.order_by(rows.dag_id, rows.task_id, rows.model, rows.of_dag).limit(limit)
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            return [
                Standing(
                    dag_id=row["dag_id"],
                    task_id=row["task_id"],
                    budget=Budget(
                        limit_g=row["limit_g"],
                        per=Per(row["per"]),
                        bound=Bound(row["bound"]),
                        time_zone=row["time_zone"],
                    ),
                    scope=Scope(
                        model=row["model"] or None,
                        dag_id=row["of_dag"] or None,
                        signal=row["intensity_signal"],
                    ),
                    asked_at=row["asked_at"],
                )
                for row in connection.execute(asked).mappings()
            ]
