"""What the cloud provider reports, in versions, and what the ledger measured in the same span."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zlib import crc32

from sqlalchemy import func, insert, or_, select, text

from airflow_carbon.core.provider_report import Figure, Level, Scopes, agree
from airflow_carbon.core.reconcile import RunShare
from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.migrate import IMMEDIATE
from airflow_carbon.ledger.schema import carbon_provider_emission, carbon_run
from airflow_carbon.ledger.spans import counted_once, share_within

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date, datetime

    from sqlalchemy import Connection

    from airflow_carbon.ledger.store import Ledger

LOCKS: Final = 0x6361_7270
"""The first half of the locks in PostgreSQL, one a subscription, that a writer holds: "carp"."""

_ROWS: Final = carbon_provider_emission.c


@dataclass(frozen=True, slots=True)
class ProviderReports:
    """The provider's monthly reports in a ledger; every method raises ``LedgerError``."""

    ledger: Ledger

    def write(
        self,
        subscription_id: str,
        month: date,
        figures: Collection[Figure],
        *,
        fetched_at: datetime,
    ) -> int | None:
        """Write all figures of a month, and return their version, from 1 on.

        None, and nothing is written, where the newest version says the same. What was
        written before stays as it was.
        """
        engine, of = self.ledger.engine, subscription_id.lower()
        with (
            reporting(engine.url),
            engine.execution_options(**{IMMEDIATE: True}).begin() as connection,
        ):
            _lock(connection, of)
            newest = _newest(connection, of, month)
            if not figures or agree(_read(connection, of, month, newest), figures):
                return None
            version = newest + 1
            rows = [
                {
                    "subscription_id": of,
                    "month": month,
                    "version": version,
                    "scopes": one.scopes.value,
                    "level": one.level.value,
                    "item_id": one.item,
                    "region": one.region,
                    "emissions_g": one.emissions_g,
                    "fetched_at": fetched_at,
                }
                for one in figures
            ]
            connection.execute(insert(carbon_provider_emission), rows)
        return version

    def read(self, subscription_id: str, month: date, version: int | None = None) -> list[Figure]:
        """Return the figures of a month, of the newest version or of another; none if unknown."""
        of = subscription_id.lower()
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            return _read(connection, of, month, version or _newest(connection, of, month))

    def versions(self, subscription_id: str) -> dict[date, int]:
        """Return the months that are stored, in order, and the newest version of each."""
        asked = (
            select(_ROWS.month, func.max(_ROWS.version))
            .where(_ROWS.subscription_id == subscription_id.lower())
            .group_by(_ROWS.month)
            .order_by(_ROWS.month)
        )
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(asked)}

    def subscriptions(self, month: date) -> list[str]:
        """Return the subscriptions of which a month is stored."""
        asked = select(_ROWS.subscription_id).where(_ROWS.month == month).distinct()
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            return sorted(connection.scalars(asked))

    def measured(self, begin: datetime, end: datetime, signal: str | None = None) -> list[RunShare]:
        """Return what each try of a task emitted in ``[begin, end)``, by when it ran.

        Of those that were priced by a signal, where one is named. What a later try holds as well
        counts once.

        Of a try that ran beyond that, the share of its intervals that begin within; where it
        has none, the share of its time.
        """
        run = carbon_run.c
        asked = select(carbon_run).where(
            run.started_at < end,
            or_(run.ended_at > begin, run.started_at >= begin),
            counted_once(),
            *([] if signal is None else [run.intensity_signal == signal]),
        )
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            rows = connection.execute(asked.order_by(run.started_at)).mappings().all()
            return [
                RunShare(
                    dag_id=row["dag_id"],
                    region=row["region"],
                    emissions_g=row["emissions_g"] * share_within(connection, row, begin, end),
                )
                for row in rows
            ]


def _newest(connection: Connection, subscription_id: str, month: date) -> int:
    """Return the newest version of a month; 0 where there is none."""
    asked = select(func.max(_ROWS.version)).where(
        _ROWS.subscription_id == subscription_id, _ROWS.month == month
    )
    return connection.scalar(asked) or 0


def _read(connection: Connection, subscription_id: str, month: date, version: int) -> list[Figure]:
    asked = (
        select(_ROWS.scopes, _ROWS.level, _ROWS.item_id, _ROWS.region, _ROWS.emissions_g)
        .where(
            _ROWS.subscription_id == subscription_id,
            _ROWS.month == month,
            _ROWS.version == version,
        )
        .order_by(_ROWS.scopes, _ROWS.level, _ROWS.item_id)
    )
    return [
        Figure(
            scopes=Scopes(row.scopes),
            level=Level(row.level),
            item=row.item_id,
            region=row.region,
            emissions_g=row.emissions_g,
        )
        for row in connection.execute(asked)
    ]


def _lock(connection: Connection, subscription_id: str) -> None:
    """Keep other writers off the subscription; SQLite has one writer at a time anyway."""
    if connection.dialect.name == "postgresql":
        lock = crc32(subscription_id.encode()) - 2**31
        connection.execute(
            text("SELECT pg_advisory_xact_lock(:ours, :one)"), {"ours": LOCKS, "one": lock}
        )
