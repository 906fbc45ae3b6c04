"""Deletes what is old from a ledger, and says beforehand how much that is.

Three parts, each asked for by itself. The *archive* is a copy of what services said, and what they
may be asked again. What is *spent* are grants and reservations whose runs are over. *Runs* are the
record: they go whole, every version of a try, for without its newest an older one would count.
What the cloud provider reported (``carbon_provider_emission``) is small, and is never deleted.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, delete, exists, func, or_, select

from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.migrate import IMMEDIATE
from airflow_carbon.ledger.schema import (
    KEY,
    carbon_actual,
    carbon_crosscheck,
    carbon_grant,
    carbon_interval,
    carbon_interval_superseded,
    carbon_issue,
    carbon_reservation,
    carbon_run,
    carbon_run_signal,
    carbon_run_superseded,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Table

    from airflow_carbon.ledger.store import Ledger

DAY: Final = timedelta(days=1)


class Part(StrEnum):
    """A part of the ledger that may be pruned by itself."""

    ARCHIVE = "archive"
    SPENT = "spent"
    RUNS = "runs"


def old(ledger: Ledger, before: datetime, parts: Collection[Part]) -> dict[str, int]:
    """Return how many rows of each table are older than an instant, and would go.

    Raises:
        LedgerError: the ledger can't be read.
    """
    with reporting(ledger.engine.url), ledger.engine.connect() as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table).where(rule)) or 0
            for table, rule in _rules(before, parts).items()
        }


def prune(ledger: Ledger, before: datetime, parts: Collection[Part]) -> dict[str, int]:
    """Delete what is older than an instant, all or nothing; return how many rows of each table.

    Raises:
        LedgerError: the ledger can't be written.
    """
    engine = ledger.engine
    with (
        reporting(engine.url),
        engine.execution_options(**{IMMEDIATE: True}).begin() as connection,
    ):
        return {
            table.name: connection.execute(delete(table).where(rule)).rowcount
            for table, rule in _rules(before, parts).items()
        }


def _rules(before: datetime, parts: Collection[Part]) -> Mapping[Table, ColumnElement[bool]]:
    """Return of which table what goes, in an order in which no row is left without its run."""
    rules: dict[Table, ColumnElement[bool]] = {}
    if Part.ARCHIVE in parts:
        rules[carbon_issue] = carbon_issue.c.issued_at < before
        rules[carbon_actual] = carbon_actual.c.day < before - DAY
    if Part.SPENT in parts:
        rules[carbon_grant] = carbon_grant.c.granted_at < before
        rules[carbon_reservation] = carbon_reservation.c.ends_at < before
    if Part.RUNS in parts:
        ended = carbon_run.c.ended_at < before
        for table in _OF_A_RUN:
            its = and_(*(table.c[name] == carbon_run.c[name] for name in KEY))
            rules[table] = exists().where(its, ended)
        unbooked = ~exists().where(
            *(carbon_crosscheck.c[name] == carbon_run.c[name] for name in KEY)
        )
        rules[carbon_crosscheck] = or_(
            rules[carbon_crosscheck], and_(unbooked, carbon_crosscheck.c.ends_at < before)
        )
        rules[carbon_run] = ended
    return rules


_OF_A_RUN: Final = (
    carbon_interval_superseded,
    carbon_run_superseded,
    carbon_interval,
    carbon_run_signal,
    carbon_crosscheck,
)
"""What goes with a try, whoever is the newest of it; children before their parents."""
