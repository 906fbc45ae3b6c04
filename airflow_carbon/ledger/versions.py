"""The versions of a run's account: what is written once is never edited.

``carbon_run`` and ``carbon_interval`` have the newest version of each try, so that whoever reads
them sees each try once; whatever a newer one took the place of is, as it was, in
``carbon_run_superseded`` and ``carbon_interval_superseded``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zlib import crc32

from sqlalchemy import insert, literal, select, text, update

from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.entry import IntervalRow
from airflow_carbon.ledger.rows import ENTRY, INTERVAL, entry_of, is_of
from airflow_carbon.ledger.schema import (
    KEY,
    carbon_interval,
    carbon_interval_superseded,
    carbon_run,
    carbon_run_superseded,
)

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from airflow_carbon.ledger.entry import Entry, RunKey
    from airflow_carbon.ledger.store import Ledger

LOCKS: Final = 0x6361_7277
"""The first half of the locks in PostgreSQL, one a try, that a writer holds: "carw"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """A try's account as it was computed once; ``number`` counts from 1."""

    number: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Versions:
    """All accounts in a ledger; every method raises ``LedgerError``."""

    ledger: Ledger

    def of(self, key: RunKey) -> list[Version]:
        """Return every version of a try, oldest first; the last is what all others read."""
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            rows = [
                row
                for table in (carbon_run_superseded, carbon_run)
                for row in connection.execute(
                    select(table).where(is_of(table, key)).order_by(table.c.version)
                ).mappings()
            ]
        return [Version(number=row["version"], entry=entry_of(row)) for row in rows]

    def intervals(self, key: RunKey, number: int) -> list[IntervalRow]:
        """Return the intervals of one version, in the order of time, then of device."""
        table = carbon_interval_superseded
        asked = (
            select(*(table.c[name] for name in INTERVAL))
            .where(is_of(table, key), table.c.version == number)
            .order_by(table.c.begins_at, table.c.device)
        )
        current = select(carbon_run.c.version).where(is_of(carbon_run, key))
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            if connection.scalar(current) != number:
                return [IntervalRow(**row) for row in connection.execute(asked).mappings()]
        return self.ledger.intervals(key)

    def unsettled(self, begin: datetime, end: datetime, limit: int | None = None) -> list[Version]:
        """Return the newest versions that may still change, of tries that ended in a span.

        ``[begin, end]``, earliest first.
        """
        run = carbon_run.c
        asked = (
            select(carbon_run)
            .where(run.settled_at.is_(None), run.ended_at >= begin, run.ended_at <= end)
            .order_by(run.ended_at, *(run[name] for name in KEY))
            .limit(limit)
        )
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            rows = connection.execute(asked).mappings().all()
        return [Version(number=row["version"], entry=entry_of(row)) for row in rows]

    def settle(self, key: RunKey, number: int, at: datetime) -> bool:
        """Note that a version is final; its figures stay. False where it is not the newest."""
        noted = (
            update(carbon_run)
            .where(is_of(carbon_run, key), carbon_run.c.version == number)
            .values(settled_at=at)
        )
        with reporting(self.ledger.engine.url), self.ledger.engine.begin() as connection:
            return connection.execute(noted).rowcount == 1


def supersede(connection: Connection, key: RunKey, expected: int | None) -> int | None:
    """Put the newest version of a try among the superseded; return the number of the next.

    None, and nothing is done, where ``expected`` is not the newest: another wrote meanwhile.
    Within the transaction nobody else writes the same try.
    """
    lock_try(connection, key)
    newest = connection.scalar(select(carbon_run.c.version).where(is_of(carbon_run, key))) or 0
    if expected is not None and expected != newest:
        return None
    if newest:
        names = (*KEY, "version", *ENTRY)
        connection.execute(
            insert(carbon_run_superseded).from_select(
                names,
                select(*(carbon_run.c[name] for name in names)).where(is_of(carbon_run, key)),
            )
        )
        names = (*KEY, *INTERVAL)
        columns = [carbon_interval.c[name] for name in names]
        connection.execute(
            insert(carbon_interval_superseded).from_select(
                [*names, "version"],
                select(*columns, literal(newest)).where(is_of(carbon_interval, key)),
            )
        )
    return newest + 1


def lock_try(connection: Connection, key: RunKey) -> None:
    """Keep other writers off the try; SQLite has one writer at a time anyway."""
    if connection.dialect.name == "postgresql":
        lock = crc32(repr(key).encode()) - 2**31
        connection.execute(
            text("SELECT pg_advisory_xact_lock(:ours, :one)"), {"ours": LOCKS, "one": lock}
        )
