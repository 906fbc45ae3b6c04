"""What both databases keep alike: instants in UTC, numbers that are finite."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import DateTime, Double
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy import Dialect


class Instant(TypeDecorator[datetime]):
    """An aware datetime: ``timestamptz`` in PostgreSQL, UTC without an offset in SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC.

        Raises:
            ValueError: a datetime without a time zone.
        """
        del dialect
        if value is None:
            return None
        if value.utcoffset() is None:
            message = f"{value!r} has no time zone; write an aware datetime"
            raise ValueError(message)
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the instant in UTC, whatever the session's time zone is."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Number(TypeDecorator[float]):
    """A float64 that is finite: SQLite would store NaN as NULL, PostgreSQL as NaN."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        """Convert to Python's float, of which drivers know how to write it.

        Raises:
            ValueError: NaN or infinite.
        """
        del dialect
        if value is None:
            return None
        number = float(value)
        if number - number != 0:
            message = f"{number} is no number to keep; what is unknown is None"
            raise ValueError(message)
        return number
