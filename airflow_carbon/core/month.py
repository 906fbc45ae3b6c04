"""Calendar months, each as its first day: what cloud providers report by."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.errors import InvalidOptionError

if TYPE_CHECKING:
    from airflow_carbon.core.flexibility import Span

_WRITTEN: Final = re.compile(r"(\d{4})-(\d{2})(?:-01)?")


def parse_month(name: str, value: object) -> date:
    """Return the first day of a month.

    Raises:
        InvalidOptionError: it is not written as ``2026-10``.

    >>> parse_month("month", "2026-10")
    datetime.date(2026, 10, 1)
    """
    found = _WRITTEN.fullmatch(str(value).strip())
    try:
        if found is not None:
            return date(int(found[1]), int(found[2]), 1)
    except ValueError:
        pass
    raise InvalidOptionError(name, value, "write a month as 2026-10")


def month_of(day: date) -> date:
    """Return the month that a day, or an instant, lies in."""
    return date(day.year, day.month, 1)


def months_later(month: date, count: int = 1) -> date:
    """Return the month so many later; earlier where negative.

    >>> months_later(date(2026, 12, 1))
    datetime.date(2027, 1, 1)
    """
    years, index = divmod(month.month - 1 + count, 12)
    return date(month.year + years, index + 1, 1)


def months_between(first: date, last: date) -> list[date]:
    """Return the months from the first to the last, both included."""
    count = 12 * (last.year - first.year) + last.month - first.month
    return [months_later(month_of(first), i) for i in range(count + 1)]


def span_of(month: date) -> Span:
    """Return a month as a half-open span, UTC."""
    after = months_later(month)
    return datetime(month.year, month.month, 1, tzinfo=UTC), datetime(
        after.year, after.month, 1, tzinfo=UTC
    )


def nth_day_after(month: date, day: int) -> date:
    """Return a day of the month that follows."""
    return months_later(month) + timedelta(days=day - 1)


def written(month: date) -> str:
    """Write a month as ``2026-10``."""
    return month.isoformat()[:7]
