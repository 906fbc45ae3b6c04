"""One fetch serves all: equal asks share one flight, and its answer until the next is due.

Waits in one process share by memory, processes by the archive: a restarted triggerer knows
what its predecessor knew, and an issue that another process fetched is not fetched again.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon import clock
from airflow_carbon.core.errors import (
    CarbonError,
    ForecastCoverageError,
    InvalidSeriesError,
    ServiceUnavailableError,
)
from airflow_carbon.core.intensity import Quality
from airflow_carbon.core.outlook import LEARNT, corrected, usual
from airflow_carbon.core.units import HOUR
from airflow_carbon.services.calls import Local, Steps
from airflow_carbon.services.flight import ANSWERS, LATE, Answers, Flight
from airflow_carbon.services.memory import LAST_ISSUES, LastIssues

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime

    from airflow_carbon.core.intensity import Forecast, IntensitySeries
    from airflow_carbon.core.units import ZoneKey
    from airflow_carbon.services.calls import Call, Source
    from airflow_carbon.services.memory import Archive

log = logging.getLogger(__name__)

JITTER: Final = 0.05
"""Share of the cadence by which processes spread their asks."""

DAY: Final = timedelta(days=1)

FIRST_HISTORY: Final = timedelta(days=14)
"""How much history is asked for when nothing is known."""

HISTORY_EVERY: Final = timedelta(hours=6)
"""How often a zone's actuals are asked for."""

OUTLOOK_HOLDS: Final = timedelta(minutes=30)
"""How long a corrected forecast is taken for the answer."""

OUTLOOK: Final = timedelta(days=4)
"""How far the corrected forecast reaches, at least."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """A source behind the memory of the process and the archive of all; a source itself."""

    source: Source
    archive: Archive | None = field(default=None, compare=False)
    answers: Answers = field(default=ANSWERS, compare=False, repr=False)
    last: LastIssues = field(default=LAST_ISSUES, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The source's."""
        return self.source.name

    @property
    def cadence(self) -> timedelta | None:
        """The source's."""
        return self.source.cadence

    @property
    def reach(self) -> timedelta:
        """The source's."""
        return self.source.reach

    def forecast(self, zone: ZoneKey, *, now: datetime, until: datetime) -> Call[Forecast]:
        """Ask as far as the source reaches, so that every wait asks the same."""
        del until
        key = (self.source, zone, "forecast")
        steps = partial(self._forecast, zone, now)
        return Flight(self.name, key, steps, self.answers)

    def history(self, zone: ZoneKey, *, begin: datetime, end: datetime) -> Call[IntensitySeries]:
        """Ask for whole days, so that asks for nearby spans are the same."""
        first = begin.replace(hour=0, minute=0, second=0, microsecond=0)
        last = first + -(-(end - first) // DAY) * DAY
        key = (self.source, zone, first, last)
        steps = partial(self._history, zone, first, last)
        return Flight(self.name, key, steps, self.answers)

    def latest(self, zone: ZoneKey, *, now: datetime) -> Call[IntensitySeries]:
        """Ask for the newest actual intensity."""
        steps = partial(self._latest, zone, now)
        return Flight(self.name, (self.source, zone, "latest"), steps, self.answers)

    def outlook(self, zone: ZoneKey, issued: Forecast, *, now: datetime) -> Call[Forecast]:
        """Ask for an issue as the history corrects it; as it is, where there is too little."""
        key = (self.source, zone, "outlook", issued.issued_at, issued.quality)
        steps = partial(self._outlook, zone, issued, now)
        return Flight(self.name, key, steps, self.answers)

    def usual(self, zone: ZoneKey, *, now: datetime, until: datetime) -> Call[Forecast]:
        """Ask for a forecast of our own, from the zone's history.

        Raises:
            ServiceUnavailableError: too little of it is known.
        """
        return Steps(service=self.name, steps=partial(self._usual, zone, now, until))

    def issues(self, zone: ZoneKey, *, since: datetime) -> Call[list[Forecast]]:
        """Ask for the issues of a span and of the day before it, newest first."""
        return Steps(service=self.name, steps=partial(self._issues, zone, since - DAY))

    def actuals(self, zone: ZoneKey, *, now: datetime) -> Call[IntensitySeries | None]:
        """Ask for the zone's recent history: from the archive, and from the source what it lacks.

        It may be some hours old: asking for it costs a request.
        """
        steps = partial(self._actuals, zone, now)
        return Flight(self.name, (self.source, zone, "actuals"), steps, self.answers)

    def check(self) -> Call[str]:
        """Ask for one sentence on what works, always anew."""
        return self.source.check()

    def _forecast(
        self, zone: ZoneKey, now: datetime
    ) -> Generator[Call[Any], Any, tuple[Forecast, datetime]]:
        last: Forecast | None = yield from self._archived("last", self.name, zone)
        if last is not None:
            self.last.keep(self.name, zone, last)
            if self._due(last) > now and last.series.ends > now:
                return last, self._due(last)
        forecast: Forecast = yield self.source.forecast(zone, now=now, until=now + self.reach)
        if forecast.series.zone != zone:  # asked by data centre or coordinates
            forecast = replace(forecast, series=replace(forecast.series, zone=zone))
        self.last.keep(self.name, zone, forecast)
        yield from self._archived("keep", forecast)
        return forecast, max(self._due(forecast), now + LATE)

    def _history(
        self, zone: ZoneKey, first: datetime, last: datetime
    ) -> Generator[Call[Any], Any, tuple[IntensitySeries, datetime]]:
        now = clock.now()
        try:
            series: IntensitySeries = yield self.source.history(
                zone, begin=first, end=min(last, now)
            )
        except ServiceUnavailableError:
            known = yield from self._archived("actuals", self.name, zone, begin=first, end=last)
            if known is None:
                raise
            return known, now + LATE
        yield from self._archived("keep_actuals", self.name, series)
        return series, now + (self.cadence or LATE)

    def _latest(
        self, zone: ZoneKey, now: datetime
    ) -> Generator[Call[Any], Any, tuple[IntensitySeries, datetime]]:
        series: IntensitySeries = yield self.source.latest(zone, now=now)
        yield from self._archived("keep_actuals", self.name, series)
        return series, max(series.ends + series.step, now + LATE)

    def _outlook(
        self, zone: ZoneKey, issued: Forecast, now: datetime
    ) -> Generator[Call[Any], Any, tuple[Forecast, datetime]]:
        good_until = now + OUTLOOK_HOLDS
        if self.archive is None:
            return issued, good_until
        history: IntensitySeries | None = yield self.actuals(zone, now=now)
        if history is None:
            return issued, good_until
        past: list[Forecast] | None = yield from self._archived(
            "issues", self.name, zone, since=now - LEARNT, every=DAY
        )
        until = max(issued.series.ends, now + OUTLOOK)
        try:
            better = yield Local(
                service=self.name,
                answer=partial(corrected, issued, history, past or (), now=now, until=until),
            )
        except (ForecastCoverageError, InvalidSeriesError) as exc:
            log.info("the forecast of %s for %s stays as issued: %s", self.name, zone, exc)
            return issued, good_until
        return better, good_until

    def _usual(
        self, zone: ZoneKey, now: datetime, until: datetime
    ) -> Generator[Call[Any], Any, Forecast]:
        history: IntensitySeries | None = yield self.actuals(zone, now=now)
        if history is None:
            raise ServiceUnavailableError(self.name, f"it has no history of {zone}")
        try:
            return usual(history, self.name, now=now, until=until)
        except ForecastCoverageError as exc:
            cause = f"its history of {zone}, to {history.ends:%F %H:%MZ}, tells too little"
            raise ServiceUnavailableError(self.name, cause) from exc

    def _issues(self, zone: ZoneKey, since: datetime) -> Generator[Call[Any], Any, list[Forecast]]:
        kept: list[Forecast] | None = yield from self._archived(
            "issues", self.name, zone, since=since, every=HOUR
        )
        known = [*self.last.stale(self.name, zone), *reversed(kept or ())]
        return [replace(one, quality=Quality.ISSUED) for one in known]

    def _actuals(
        self, zone: ZoneKey, now: datetime
    ) -> Generator[Call[Any], Any, tuple[IntensitySeries | None, datetime]]:
        since = (now - LEARNT).replace(minute=0, second=0, microsecond=0)
        known = yield from self._archived("actuals", self.name, zone, begin=since, end=now)
        if known is not None and now - known.ends < HISTORY_EVERY:
            return known, known.ends + HISTORY_EVERY
        begin = max(since, now - FIRST_HISTORY) if known is None else known.ends - known.step
        try:
            fresh: IntensitySeries = yield self.source.history(zone, begin=begin, end=now)
        except CarbonError as exc:
            log.info("no history of %s: %s", zone, exc)
            return known, now + HISTORY_EVERY / 6
        fresh = replace(fresh, zone=zone)
        yield from self._archived("keep_actuals", self.name, fresh)
        whole = yield from self._archived("actuals", self.name, zone, begin=since, end=now)
        return whole or fresh, now + HISTORY_EVERY

    def _archived(
        self, method: str, *args: object, **kwargs: object
    ) -> Generator[Call[Any], Any, Any]:
        """Ask the archive; without it, or where it fails, the answer is None."""
        if self.archive is None:
            return None
        ask = partial(getattr(self.archive, method), *args, **kwargs)
        try:
            return (yield Local(service="archive", answer=ask))
        except CarbonError as exc:
            log.warning("the archive is passed by: %s", exc)
            return None

    def _due(self, forecast: Forecast) -> datetime:
        """Return when the next issue is expected, a little later in some processes."""
        cadence = self.cadence or LATE
        return forecast.issued_at + cadence * (1 + random.uniform(0, JITTER))  # noqa: S311 - no secret
