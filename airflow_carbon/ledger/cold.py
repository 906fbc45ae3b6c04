"""The archive, opened for each question and closed again; it is read, never made or written.

For processes that fork, or that may hold no connection open: the scheduler, say.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from airflow_carbon.core.errors import LedgerError
from airflow_carbon.ledger.archive import Archive
from airflow_carbon.ledger.engine import connect, parse, reporting
from airflow_carbon.ledger.migrate import place
from airflow_carbon.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from sqlalchemy import URL

    from airflow_carbon.core.intensity import Forecast, IntensitySeries
    from airflow_carbon.core.units import ZoneKey

T = TypeVar("T")

ANSWER_S: Final = 2
"""How long PostgreSQL may take to be reached, and to answer one question [s]."""


@dataclass(frozen=True, slots=True)
class ColdArchive:
    """What :class:`~airflow_carbon.ledger.archive.Archive` reads; raises ``LedgerError`` likewise.

    ``url`` is SQLAlchemy's. Time limits in it win over :data:`ANSWER_S`.
    """

    url: str | URL

    def last(self, source: str, zone: ZoneKey) -> Forecast | None:
        """Return the newest issue."""
        return self._read(lambda archive: archive.last(source, zone))

    def issues(
        self, source: str, zone: ZoneKey, *, since: datetime, every: timedelta
    ) -> list[Forecast]:
        """Return the issues since an instant, oldest first, none nearer than ``every``."""
        return self._read(lambda archive: archive.issues(source, zone, since=since, every=every))

    def actuals(
        self, source: str, zone: ZoneKey, *, begin: datetime, end: datetime
    ) -> IntensitySeries | None:
        """Return the newest stretch without a gap."""
        return self._read(lambda archive: archive.actuals(source, zone, begin=begin, end=end))

    def keep(self, forecast: Forecast) -> None:
        """Keep nothing: it is read."""

    def keep_actuals(self, source: str, series: IntensitySeries) -> None:
        """Keep nothing: it is read."""

    def _read(self, ask: Callable[[Archive], T]) -> T:
        url = parse(self.url)
        if url.get_backend_name() == "sqlite":
            if not Path(str(url.database)).exists():
                raise LedgerError(place(url), "nothing has been written there yet")
        else:
            limits = {
                "connect_timeout": str(ANSWER_S),
                "options": f"-c statement_timeout={ANSWER_S * 1000}",
            }
            url = url.update_query_dict({k: v for k, v in limits.items() if k not in url.query})
        with reporting(url), Ledger(connect(url)) as ledger:
            return ask(Archive(ledger))
