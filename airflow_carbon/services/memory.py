"""What is remembered of sources: by a process, and by the archive that all share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from airflow_carbon.core.intensity import Quality

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from airflow_carbon.core.intensity import Forecast, IntensitySeries
    from airflow_carbon.core.units import ZoneKey


KEPT: Final = 3
"""An issue that ends early may follow one that reaches further."""


@dataclass(frozen=True, slots=True)
class LastIssues:
    """The last few forecasts of each source and zone that this process has seen."""

    issues: dict[tuple[str, ZoneKey], tuple[Forecast, ...]] = field(default_factory=dict)

    def keep(self, source: str, zone: ZoneKey, forecast: Forecast) -> None:
        """Remember an answer; the same issue again replaces it."""
        others = self.issues.get((source, zone), ())
        kept = [forecast, *(one for one in others if one.issued_at != forecast.issued_at)]
        kept.sort(key=lambda one: one.issued_at, reverse=True)
        self.issues[source, zone] = tuple(kept[:KEPT])

    def stale(self, source: str, zone: ZoneKey) -> tuple[Forecast, ...]:
        """Return the last answers, newest first, marked as stale."""
        known = self.issues.get((source, zone), ())
        return tuple(replace(one, quality=Quality.STALE) for one in known)


LAST_ISSUES: Final = LastIssues()
"""This process's memory: all waits share what any of them was told."""


class Archive(Protocol):
    """What the ledger remembers of a source, across processes; every method may fail."""

    def keep(self, forecast: Forecast) -> None:
        """Keep an issue."""

    def last(self, source: str, zone: ZoneKey) -> Forecast | None:
        """Return the newest issue."""

    def issues(
        self, source: str, zone: ZoneKey, *, since: datetime, every: timedelta
    ) -> list[Forecast]:
        """Return the issues since an instant, oldest first, none nearer than ``every``."""

    def keep_actuals(self, source: str, series: IntensitySeries) -> None:
        """Keep what the intensity was."""

    def actuals(
        self, source: str, zone: ZoneKey, *, begin: datetime, end: datetime
    ) -> IntensitySeries | None:
        """Return the newest stretch without a gap."""
