"""What the ledger knows of a task's past runs: how long they took, and what they drew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from airflow_carbon.core.estimate import History, PastRun
from airflow_carbon.core.units import to_kwh
from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.schema import KEY, carbon_run
from airflow_carbon.ledger.spans import pauses_of

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy import ColumnElement, RowMapping, Select

    from airflow_carbon.core.auto import LearnFrom
    from airflow_carbon.ledger.store import Ledger

ENOUGH: Final = 0.95
"""The coverage from which on a run's energy counts: what is missing would pass for thrift."""

READ: Final = ("started_at", "ended_at", "energy_j", "coverage")


@dataclass(frozen=True, slots=True)
class PastRuns:
    """The past runs in a ledger; threads may share it."""

    ledger: Ledger

    def of(self, asked: LearnFrom) -> History:
        """Return the newest runs that succeeded, at the first try; their pauses are left out.

        A later try may have gone on from a checkpoint, and its row begins with the first.
        Of several tasks that were asked for the ledger has to know exactly one.

        Raises:
            LedgerError: the ledger can't be read.
        """
        run = carbon_run.c
        whole = [
            run.dag_id == asked.dag,
            run.return_code == 0,
            run.try_number == 1,
            run.ended_at > run.started_at,
        ]
        if asked.size:
            whole.append(func.lower(run.machine_size) == asked.size.lower())
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            tasks = asked.tasks
            if len(tasks) != 1:
                among = [*whole, run.task_id.in_(tasks)] if tasks else whole
                named = select(run.task_id).where(*among).distinct().order_by(run.task_id)
                tasks = tuple(connection.scalars(named))
            if len(tasks) > 1:
                several = f"{', '.join(tasks)} of {asked.dag} are known: learn_from= says which"
                return History(fault=several)
            if not tasks:
                return History()
            rows = connection.execute(_newest(whole, tasks[0], asked.newest)).mappings().all()
            return History(runs=tuple(_past(row, pauses_of(connection, row)) for row in rows))


def _newest(whole: list[ColumnElement[bool]], task_id: str, limit: int) -> Select[Any]:
    run = carbon_run.c
    return (
        select(*(run[name] for name in (*KEY, *READ)))
        .where(*whole, run.task_id == task_id)
        .order_by(run.submitted_at.desc())
        .limit(limit)
    )


def _past(row: RowMapping, pauses: timedelta) -> PastRun:
    known = row["coverage"] >= ENOUGH and row["energy_j"] > 0
    return PastRun(
        duration=row["ended_at"] - row["started_at"] - pauses,
        energy_kwh=to_kwh(row["energy_j"]) if known else None,
    )
