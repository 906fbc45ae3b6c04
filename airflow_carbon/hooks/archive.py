"""The ledger's archive of forecasts, open once in a process; without it all goes on."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final

from airflow_carbon import clock
from airflow_carbon.core.errors import CarbonError

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import URL

    from airflow_carbon.ledger.archive import Archive

log = logging.getLogger(__name__)

TRY_AGAIN: Final = timedelta(minutes=5)
"""How long a ledger that could not be opened is left alone."""


@dataclass(slots=True)
class Archives:
    """The archives that a process has open; threads may share it."""

    opened: dict[str, Archive] = field(default_factory=dict)
    failed: dict[str, datetime] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def at(self, url: str | URL, *, keep: timedelta) -> Archive | None:
        """Return the archive at a URL; None, and a warning, where it can't be had.

        What is older than ``keep`` is forgotten when it is opened.
        """
        from airflow_carbon.ledger.archive import Archive
        from airflow_carbon.ledger.store import Ledger

        key = url if isinstance(url, str) else url.render_as_string(hide_password=False)
        with self._lock:
            if key in self.opened:
                return self.opened[key]
            now = clock.now()
            if now < self.failed.get(key, now):
                return None
            try:
                archive = Archive(Ledger.open(url))
                archive.prune(now - keep)
            except CarbonError as exc:
                self.failed[key] = now + TRY_AGAIN
                log.warning("forecasts are not archived, and not shared with others: %s", exc)
                return None
            self.opened[key] = archive
            return archive


ARCHIVES: Final = Archives()
"""This process's."""
