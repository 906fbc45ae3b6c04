"""What budgets let through that has no figure yet."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, exists, func, not_, or_, select

from airflow_carbon.core.budget import PENDING, Emitted, Spent
from airflow_carbon.ledger.schema import carbon_grant, carbon_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping

    from airflow_carbon.core.flexibility import Span
    from airflow_carbon.ledger.budgets import Asker, Scope

FORGOTTEN: Final = 60 * PENDING
"""After how long it is forgotten what a budget let through."""

_RUN: Final = carbon_run.c
_GRANT: Final = carbon_grant.c


def with_pending(  # noqa: PLR0913 - a span of a scope, seen by somebody at some time
    connection: Connection,
    known: Spent,
    scope: Scope,
    span: Span | None,
    *,
    asker: Asker,
    now: datetime,
) -> Spent:
    """Return what is known, with what others were let through and have no figure of yet."""
    recently = now - PENDING
    since = now - FORGOTTEN if span is None else min(recently, span[0])
    own = (
        _GRANT.dag_id == asker.dag_id,
        _GRANT.run_id == asker.run_id,
        _GRANT.map_index == asker.map_index,
    )
    figure = exists().where(
        _RUN.dag_id == _GRANT.dag_id,
        _RUN.run_id == _GRANT.run_id,
        or_(_GRANT.map_index == -1, _GRANT.map_index == _RUN.map_index),
        or_(_GRANT.model == "", _GRANT.model == _RUN.model),
        func.coalesce(_RUN.booked_at, _RUN.computed_at) >= _GRANT.granted_at,
    )
    asked = select(carbon_grant).where(
        *scope.of(_GRANT), _GRANT.granted_at > since, not_(and_(*own)), not_(figure)
    )
    pending, unknown, running, missing = Emitted(), 0, 0, 0
    for row in _once(connection.execute(asked).mappings().all()):
        if row["granted_at"] <= recently:
            missing += 1
        elif row["expected_g"] is None:
            unknown += 1
        else:
            running += 1
            pending += Emitted(
                g=row["expected_g"],
                low_g=row["expected_low_g"],
                high_g=row["expected_high_g"],
            )
    return replace(
        known,
        pending=pending,
        pending_runs=running,
        pending_unknown=unknown,
        without_figure=missing,
    )


def _once(rows: Sequence[RowMapping]) -> list[RowMapping]:
    """Leave out what a whole DAG was let through with as well."""
    whole = {_part(row) for row in rows if not row["model"]}
    return [row for row in rows if not row["model"] or _part(row) not in whole]


def _part(row: RowMapping) -> tuple[str, str, int]:
    return row["dag_id"], row["run_id"], row["map_index"]
