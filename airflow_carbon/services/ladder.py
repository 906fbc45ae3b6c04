"""The ladder of forecasts: a source that fails costs carbon, never the deadline.

Rungs, from the top: each source's newest issue; its last issue while it still covers the
job; the next source; typical days, which are always there for a known zone; nothing, at
which the policy starts the job. The rung is in the forecast's ``source`` and ``quality``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from airflow_carbon.core.errors import (
    CarbonError,
    InputError,
    InvalidSeriesError,
    ServiceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.core.intensity import Forecast, IntensitySeries, Quality, Survey
from airflow_carbon.services.typical import Typical

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from datetime import datetime

    from airflow_carbon.core.units import ZoneKey
    from airflow_carbon.services.calls import Call, Source


@dataclass(frozen=True, slots=True)
class LastIssues:
    """The last forecast of each source and zone that this process has seen."""

    issues: dict[tuple[str, ZoneKey], Forecast] = field(default_factory=dict)

    def keep(self, source: Source, zone: ZoneKey, forecast: Forecast) -> None:
        """Remember an answer."""
        self.issues[source.name, zone] = forecast

    def stale(self, source: Source, zone: ZoneKey) -> Forecast | None:
        """Return the last answer, marked as stale."""
        last = self.issues.get((source.name, zone))
        return last and replace(last, quality=Quality.STALE)


LAST_ISSUES: Final = LastIssues()
"""This process's memory: all waits share what any of them was told."""


def climb(  # noqa: PLR0913 - one question, spelled out
    sources: Sequence[Source],
    zone: ZoneKey,
    *,
    now: datetime,
    until: datetime,
    need: datetime,
    last: LastIssues,
    on_failure: Callable[[CarbonError], None],
    strict: bool = False,
) -> Generator[Call[Forecast], Forecast, Forecast | None]:
    """Return the first forecast that covers ``[now, need)``; None when every rung fails.

    ``strict`` lets a mistake of the user's (a broken file, an unknown zone) out, so that
    it is seen before anything waits; without it, it is a failed rung like any other.

    Raises:
        UnknownZoneError: not one source knows the zone.
    """
    unknown: list[UnknownZoneError] = []
    rungs = with_typical(sources)
    for source in rungs:
        try:
            forecast = yield source.forecast(zone, now=now, until=until)
        except UnknownZoneError as exc:
            unknown.append(exc)
            continue
        except InputError as exc:
            if strict:
                raise
            on_failure(exc)
        except ServiceUnavailableError as exc:
            on_failure(exc)
        else:
            if forecast.series.covers(now, need):
                last.keep(source, zone, forecast)
                return forecast
            on_failure(_too_short(source, forecast, need))
        stale = last.stale(source, zone)
        if stale is not None and stale.series.covers(now, need):
            return stale
    if strict and len(unknown) == len(rungs):
        raise UnknownZoneError(zone, {name for exc in unknown for name in exc.known})
    return None


def survey(
    sources: Sequence[Source], zone: ZoneKey, *, begin: datetime, end: datetime, now: datetime
) -> Generator[Call[IntensitySeries] | Call[Forecast], IntensitySeries | Forecast, Survey | None]:
    """Return the intensity over ``[begin, end)``: actuals up to now, a forecast beyond.

    None when no source knows the whole span.
    """
    for source in with_typical(sources):
        since = begin if isinstance(source, Typical) else max(begin, now)
        try:
            if end <= since:
                actual = yield source.history(zone, begin=begin, end=end)
                series, quality = _as_series(actual), Quality.ACTUAL
            else:
                ahead = yield source.forecast(zone, now=since, until=end)
                series, quality = _as_series(ahead), _quality(ahead)
                if begin < series.begins:
                    behind = yield source.history(zone, begin=begin, end=series.begins)
                    series = _joined(_as_series(behind), series)
        except (InputError, ServiceUnavailableError):
            continue
        if series.covers(begin, end):
            return Survey(series=series, source=source.name, quality=quality)
    return None


def with_typical(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Return the sources with typical days as the last."""
    if any(isinstance(source, Typical) for source in sources):
        return tuple(sources)
    return (*sources, Typical())


def _too_short(source: Source, forecast: Forecast, need: datetime) -> ServiceUnavailableError:
    cause = f"its forecast ends at {forecast.series.ends:%F %H:%MZ}, before {need:%F %H:%MZ}"
    return ServiceUnavailableError(source.name, cause)


def _as_series(answer: IntensitySeries | Forecast) -> IntensitySeries:
    return answer.series if isinstance(answer, Forecast) else answer


def _quality(answer: IntensitySeries | Forecast) -> Quality:
    return answer.quality if isinstance(answer, Forecast) else Quality.ACTUAL


def _joined(before: IntensitySeries, after: IntensitySeries) -> IntensitySeries:
    """Join two stretches of one grid.

    Raises:
        InvalidSeriesError: they are on different grids or do not meet.
    """
    meets = after.begins - before.ends
    if before.step != after.step or abs(meets) >= before.step:
        fault = f"actuals (to {before.ends}) and forecast (from {after.begins}) do not meet"
        raise InvalidSeriesError(after.zone, fault)
    return replace(before, g_per_kwh=np.concatenate((before.g_per_kwh, after.g_per_kwh)))
