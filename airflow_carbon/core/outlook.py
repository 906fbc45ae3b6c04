"""The best that can be said of the hours to come: issue, history and elders together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from airflow_carbon.core.blend import blend
from airflow_carbon.core.climatology import DAY, climatology
from airflow_carbon.core.errors import ForecastCoverageError
from airflow_carbon.core.intensity import Forecast, Quality

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow_carbon.core.intensity import IntensitySeries

LEARNT: Final = timedelta(days=365)
"""How far back issues and actuals are learnt from: a year knows every season."""

LEAST_HISTORY: Final = DAY
"""With less of it nothing is corrected: a day's shape is the least to learn."""

LONGEST_LAG: Final = 2 * DAY
"""Actuals that end longer ago say nothing about today."""


def corrected(
    issued: Forecast,
    history: IntensitySeries,
    past: Sequence[Forecast],
    *,
    now: datetime,
    until: datetime,
) -> Forecast:
    """Return an issue corrected by :func:`~airflow_carbon.core.blend.blend`, up to ``until``.

    Actuals come late: between their end and the step that runs at ``now`` the issue stands in
    for them, so that what is not known there counts as no error. The first step returned is the
    one running at ``now``.

    Raises:
        ForecastCoverageError: too little history, or too old.
        InvalidSeriesError: zone, signal or factor type differ.
    """
    if history.ends - history.begins < LEAST_HISTORY or now - history.ends > LONGEST_LAG:
        raise ForecastCoverageError(history.begins, history.ends)
    known = _bridged(history, issued, now)
    better = blend(issued, known, past, until=until)
    quality = Quality.CORRECTED if issued.quality is Quality.ISSUED else issued.quality
    return replace(
        issued,
        series=better.forecast.series,
        quality=quality,
        rmse_g_per_kwh=better.rmse_g_per_kwh,
    )


def usual(history: IntensitySeries, source: str, *, now: datetime, until: datetime) -> Forecast:
    """Return what is usual after the history, as a forecast of quality ``climatology``.

    Raises:
        ForecastCoverageError: too little history, or too old.
    """
    if history.ends - history.begins < LEAST_HISTORY or now - history.ends > LONGEST_LAG:
        raise ForecastCoverageError(history.begins, history.ends)
    series = climatology(history, begin=max(now, history.ends), end=until)
    return Forecast(
        series=series, issued_at=min(history.ends, now), source=source, quality=Quality.CLIMATOLOGY
    )


def _bridged(history: IntensitySeries, issued: Forecast, now: datetime) -> IntensitySeries:
    """Return the history up to the step that runs at ``now``, cut or carried on to there."""
    step = history.step
    count = (now - history.begins) // step
    known = history.g_per_kwh[:count]
    missing = count - len(known)
    if missing <= 0:
        return replace(history, g_per_kwh=known)
    guess = climatology(history, begin=history.ends, end=history.ends + missing * step)
    values, series, seconds = guess.g_per_kwh.copy(), issued.series, step.total_seconds()
    starts = series.offset(history.ends) + np.arange(len(values), dtype=np.float64) * seconds
    inside = (starts >= 0) & (starts + seconds <= series.offset(series.ends))
    values[inside] = series.mean_over(starts[inside], step)
    return replace(history, g_per_kwh=np.concatenate((known, values)))
