"""The ladder of forecasts: a source that fails costs carbon, never the deadline.

Rungs, from the top: each source's newest issue, corrected by what was observed since; its
last issue while it still covers the job; the next source; what is usual by the zone's own
history; typical days, which are always there for a known zone; nothing, at which the policy
starts the job. The rung is in the forecast's ``source`` and ``quality``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_carbon.core.errors import (
    CarbonError,
    InputError,
    ServiceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.services.shared import Shared
from airflow_carbon.services.typical import Typical

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from datetime import datetime

    from airflow_carbon.core.intensity import Forecast
    from airflow_carbon.core.units import ZoneKey
    from airflow_carbon.services.calls import Call, Source
    from airflow_carbon.services.memory import LastIssues


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What a wait asks at ``now``: the intensity over ``[begin, need)``, if known ``until``."""

    zone: ZoneKey
    now: datetime
    begin: datetime
    need: datetime
    until: datetime

    def answered_by(self, forecast: Forecast) -> bool:
        """Tell whether a forecast covers what is needed."""
        return forecast.series.covers(self.begin, self.need)


def climb(
    sources: Sequence[Source],
    question: Question,
    *,
    last: LastIssues,
    on_failure: Callable[[CarbonError], None],
    strict: bool = False,
) -> Generator[Call[Forecast], Forecast, Forecast | None]:
    """Return the first forecast that covers what is needed; None when every rung fails.

    ``strict`` lets a mistake of the user's (a broken file, an unknown zone) out, so that
    it is seen before anything waits; without it, it is a failed rung like any other.

    Raises:
        UnknownZoneError: not one source knows the zone.
    """
    unknown: list[UnknownZoneError] = []
    services: list[Shared] = []
    rungs = with_typical(sources)
    for source in rungs:
        if isinstance(source, Typical):
            forecast = yield from _usual(services, question)
            if forecast is not None:
                return forecast
        fresh: Forecast | None = None
        try:
            fresh = yield source.forecast(question.zone, now=question.now, until=question.until)
        except UnknownZoneError as exc:
            unknown.append(exc)
            continue
        except (InputError, ServiceUnavailableError) as exc:
            if strict and isinstance(exc, InputError):
                raise
            on_failure(exc)
        forecast = yield from _best(source, question, fresh, last, on_failure)
        if forecast is not None:
            return forecast
        if isinstance(source, Shared):
            services.append(source)
    if strict and len(unknown) == len(rungs):
        raise UnknownZoneError(question.zone, {name for exc in unknown for name in exc.known})
    return None


def _best(
    source: Source,
    question: Question,
    fresh: Forecast | None,
    last: LastIssues,
    on_failure: Callable[[CarbonError], None],
) -> Generator[Call[Forecast], Forecast, Forecast | None]:
    """Return the newest issue that covers what is needed, corrected where that can be."""
    issues = last.stale(source.name, question.zone)
    if fresh is not None:
        last.keep(source.name, question.zone, fresh)
        issues = (fresh, *(one for one in issues if one.issued_at < fresh.issued_at))
    for issue in issues:
        better = issue
        if isinstance(source, Shared):
            try:
                better = yield source.outlook(question.zone, issue, now=question.now)
            except CarbonError as exc:  # it takes too long, say: the issue itself will do
                on_failure(exc)
        if question.answered_by(better):
            return better
    if fresh is not None:
        on_failure(_too_short(source, fresh, question.need))
    return None


def _usual(
    sources: Sequence[Shared], question: Question
) -> Generator[Call[Forecast], Forecast, Forecast | None]:
    """Return what is usual by the first source that has a history of the zone."""
    for source in sources:
        try:
            forecast = yield source.usual(question.zone, now=question.now, until=question.until)
        except (InputError, ServiceUnavailableError):
            continue
        if question.answered_by(forecast):
            return forecast
    return None


def with_typical(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Return the sources with typical days as the last."""
    if any(isinstance(source, Typical) for source in sources):
        return tuple(sources)
    return (*sources, Typical())


def _too_short(source: Source, forecast: Forecast, need: datetime) -> ServiceUnavailableError:
    cause = f"its forecast ends at {forecast.series.ends:%F %H:%MZ}, before {need:%F %H:%MZ}"
    return ServiceUnavailableError(source.name, cause)
