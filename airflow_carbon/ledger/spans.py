"""Which tries count in a span of time, and with which share."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Integer, and_, func, literal_column, not_, select

from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.schema import KEY, carbon_interval, carbon_run

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, RowMapping

    from airflow_carbon.ledger.entry import RunKey
    from airflow_carbon.ledger.store import Ledger


def share_within(connection: Connection, row: RowMapping, begin: datetime, end: datetime) -> float:
    """Return which share of a try's emissions lies in ``[begin, end)``, from 0 to 1.

    By its intervals that begin there; where it has none, by time.
    """
    if begin <= row["started_at"] and row["ended_at"] <= end:
        return 1.0
    its = and_(*(carbon_interval.c[name] == row[name] for name in KEY))
    grams = func.sum(carbon_interval.c.emissions_g)
    starts = carbon_interval.c.begins_at
    total = connection.scalar(select(grams).where(its))
    if total:
        inside = select(grams).where(its, starts >= begin, starts < end)
        return float(connection.scalar(inside) or 0.0) / float(total)
    length = (row["ended_at"] - row["started_at"]).total_seconds()
    within = (min(row["ended_at"], end) - max(row["started_at"], begin)).total_seconds()
    return within / length if length > 0 else float(begin <= row["started_at"])


def pauses_of(connection: Connection, row: RowMapping) -> timedelta:
    """Return how long a try drew nothing: paused, waiting for another machine.

    That is the time between its intervals; where it has none, nobody knows of any.
    """
    its = (carbon_interval.c[name] == row[name] for name in KEY)
    spans = select(carbon_interval.c.begins_at, carbon_interval.c.ends_at).where(*its).distinct()
    paused, reached = timedelta(0), None
    for begins, ends in connection.execute(spans.order_by(carbon_interval.c.begins_at)):
        if reached is not None and begins > reached:
            paused += begins - reached
        reached = ends if reached is None else max(reached, ends)
    return paused


def counted_once() -> ColumnElement[bool]:
    """Return that no later try holds a try's energy as well.

    A log goes on where the try before ended, and the row of a try has all that its log has: so
    a later try that began no later holds the earlier one.
    """
    run, later = carbon_run.c, carbon_run.alias("later")
    same = (later.c[name] == run[name] for name in KEY if name != "try_number")
    one = literal_column("1", Integer)
    is_later = (later.c.try_number > run.try_number, later.c.started_at <= run.started_at)
    implied = later.c.try_number > one  # and what SQLite's index of them asks for
    return not_(select(one).where(*same, implied, *is_later).exists())


def booked_until(ledger: Ledger, key: RunKey) -> datetime | None:
    """Return up to when a run is in the ledger, by whichever of its tries; None: not at all.

    Raises:
        LedgerError: the ledger can't be read.
    """
    run = carbon_run.c
    same = (run[name] == getattr(key, name) for name in KEY if name != "try_number")
    with reporting(ledger.engine.url), ledger.engine.connect() as connection:
        until: datetime | None = connection.scalar(select(func.max(run.ended_at)).where(*same))
    return until
