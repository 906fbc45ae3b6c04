"""The one place that reads the clock (lint bans it elsewhere): time is an argument."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

LONGEST_NAP: Final = timedelta(minutes=1)


def now() -> datetime:
    """Return the present instant, in UTC."""
    return datetime.now(UTC)


async def sleep_until(at: datetime) -> None:
    """Sleep to an instant, in naps, so that a clock that is set meanwhile is noticed."""
    while (left := at - now()) > timedelta(0):  # noqa: ASYNC110 - the clock is no event
        await asyncio.sleep(min(left, LONGEST_NAP).total_seconds())
