"""The rows of the ledger's runs, one after the other, for files that others read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Double, select
from sqlalchemy.types import TypeDecorator

from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.schema import carbon_run
from airflow_carbon.ledger.spans import counted_once

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from sqlalchemy import Column

    from airflow_carbon.ledger.store import Ledger

AT_A_TIME: Final = 1000
"""Rows that are held in memory at once."""


def _python_type(column: Column[Any]) -> type:
    kind = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    return float if isinstance(kind, Double) else kind.python_type


COLUMNS: Final[Mapping[str, type]] = {one.name: _python_type(one) for one in carbon_run.columns}
"""The columns of ``carbon_run``, each with what its values are in Python: str, int, float or
datetime."""


def runs(
    ledger: Ledger,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    dag_id: str | None = None,
) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of runs that started in ``[since, until)``, by start, then by key.

    Without a bound, all; a run whose later try holds its energy as well is left out, so that
    sums over the rows count each joule once. Memory does not grow with their number.

    Raises:
        LedgerError: the ledger can't be read.
    """
    run = carbon_run.c
    asked = select(carbon_run).where(counted_once())
    if since is not None:
        asked = asked.where(run.started_at >= since)
    if until is not None:
        asked = asked.where(run.started_at < until)
    if dag_id is not None:
        asked = asked.where(run.dag_id == dag_id)
    asked = asked.order_by(run.started_at, *carbon_run.primary_key)
    with reporting(ledger.engine.url), ledger.engine.connect() as connection:
        reading = connection.execution_options(yield_per=AT_A_TIME)
        for row in reading.execute(asked).mappings():
            yield dict(row)
