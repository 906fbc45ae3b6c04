"""What the intensity was over a span that has passed, or partly: actuals first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_carbon.core.errors import InputError, ServiceUnavailableError
from airflow_carbon.core.intensity import Quality
from airflow_carbon.core.stitch import stitch
from airflow_carbon.services.ladder import with_typical
from airflow_carbon.services.shared import Shared
from airflow_carbon.services.typical import Typical

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime

    from airflow_carbon.core.intensity import Forecast, IntensitySeries, Survey
    from airflow_carbon.core.units import ZoneKey
    from airflow_carbon.services.calls import Call, Source


def survey(
    sources: Sequence[Source], zone: ZoneKey, *, begin: datetime, end: datetime, now: datetime
) -> Generator[Call[Any], Any, Survey | None]:
    """Return the intensity over ``[begin, end)`` by the first source that knows all of it.

    Of one source: actuals as far as they are known, then its newest forecast, then its earlier
    issues for hours that have no actual yet. None when no source knows the whole span.
    """
    for source in with_typical(sources):
        try:
            found = yield from _of(source, zone, begin, end, now)
        except (InputError, ServiceUnavailableError):
            continue
        if found is not None:
            return found
    return None


def _of(
    source: Source, zone: ZoneKey, begin: datetime, end: datetime, now: datetime
) -> Generator[Call[Any], Any, Survey | None]:
    parts: list[tuple[IntensitySeries, Quality]] = []
    forecast: Forecast
    if isinstance(source, Typical):  # it has no actuals: what is typical never happened
        forecast = yield source.forecast(zone, now=begin, until=end)
        return stitch([(forecast.series, forecast.quality)], source.name, begin, end)
    if begin < now:
        try:
            actual: IntensitySeries = yield source.history(zone, begin=begin, end=min(end, now))
        except ServiceUnavailableError:
            pass
        else:
            parts.append((actual, Quality.ACTUAL))
            found = stitch(parts, source.name, begin, end)
            if found is not None:
                return found
    if end > now or isinstance(source, Shared):
        forecast = yield source.forecast(zone, now=min(now, end), until=end)
        parts.append((forecast.series, forecast.quality))
    if isinstance(source, Shared):
        issues: list[Forecast] = yield source.issues(zone, since=begin)
        parts += [(issue.series, issue.quality) for issue in issues]
    return stitch(parts, source.name, begin, end)
