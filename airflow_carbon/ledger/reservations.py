"""Who runs when on a shared capacity; whoever chooses next sees what is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from sqlalchemy import and_, delete, not_, select, text

from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.migrate import IMMEDIATE
from airflow_carbon.ledger.schema import RESERVATION_KEY, carbon_reservation
from airflow_carbon.ledger.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import TypeVar

    from sqlalchemy import ColumnElement, Connection

    from airflow_carbon.core.flexibility import Span
    from airflow_carbon.ledger.store import Ledger

    T = TypeVar("T")

LOCKS: Final = 0x6361_7262
"""The first half of the locks in PostgreSQL, one a capacity, that a chooser holds: "carb"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """The task that holds a reservation; a retry holds that of the try before."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int = -1


@dataclass(frozen=True, slots=True)
class Reservations:
    """The reservations in a ledger; every method raises ``LedgerError``."""

    ledger: Ledger

    def choose(
        self,
        capacity: str,
        holder: Holder,
        choice: Callable[[list[Span]], tuple[T, Span | None]],
        *,
        now: datetime,
    ) -> T:
        """Let a chooser see what others have taken, and keep the span that it takes.

        ``choice`` returns its answer and its span, None to hold nothing. Nobody else chooses on
        that capacity meanwhile, so it should not be long about it. What has ended is forgotten.
        """
        engine = self.ledger.engine
        mine = {name: getattr(holder, name) for name in holder.__slots__} | {"capacity": capacity}
        with (
            reporting(engine.url),
            engine.execution_options(**{IMMEDIATE: True}).begin() as connection,
        ):
            _lock(connection, capacity)
            rows = carbon_reservation.c
            connection.execute(
                delete(carbon_reservation).where(rows.capacity == capacity, rows.ends_at <= now)
            )
            others = select(rows.begins_at, rows.ends_at).where(
                rows.capacity == capacity, not_(_is(mine))
            )
            answer, span = choice([(row[0], row[1]) for row in connection.execute(others)])
            if span is None:
                connection.execute(delete(carbon_reservation).where(_is(mine)))
            else:
                row = mine | {"begins_at": span[0], "ends_at": span[1], "reserved_at": now}
                connection.execute(
                    upsert(connection, carbon_reservation, RESERVATION_KEY).values(row)
                )
        return answer

    def taken(self, capacity: str) -> list[Span]:
        """Return the spans that are taken, by their begin."""
        rows = carbon_reservation.c
        asked = (
            select(rows.begins_at, rows.ends_at)
            .where(rows.capacity == capacity)
            .order_by(rows.begins_at, rows.ends_at)
        )
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            return [(row[0], row[1]) for row in connection.execute(asked)]

    def standing(self, now: datetime) -> dict[Holder, Span]:
        """Return who holds which span that has not ended."""
        rows = carbon_reservation.c
        names = tuple(Holder.__slots__)
        asked = select(*(rows[name] for name in names), rows.begins_at, rows.ends_at).where(
            rows.ends_at > now
        )
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            return {
                Holder(**{name: row[name] for name in names}): (row["begins_at"], row["ends_at"])
                for row in connection.execute(asked).mappings()
            }


def _is(key: dict[str, Any]) -> ColumnElement[bool]:
    return and_(*(carbon_reservation.c[name] == value for name, value in key.items()))


def _lock(connection: Connection, capacity: str) -> None:
    """Keep others off the capacity; SQLite has one writer at a time anyway."""
    if connection.dialect.name == "postgresql":
        lock = crc32(capacity.encode()) - 2**31
        connection.execute(
            text("SELECT pg_advisory_xact_lock(:ours, :one)"), {"ours": LOCKS, "one": lock}
        )
