"""An issued forecast, corrected by what was observed since and by how its elders fared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from airflow_carbon.core.climatology import climatology
from airflow_carbon.core.clues import Asked, clues
from airflow_carbon.core.errors import ForecastCoverageError, InvalidSeriesError
from airflow_carbon.core.intensity import Quality
from airflow_carbon.core.prior import BUCKETS, PRIOR
from airflow_carbon.core.units import HOUR

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from airflow_carbon.core.intensity import Forecast, IntensitySeries

    FloatArray = NDArray[np.float64]

MEMORY: Final = 730
"""How many earlier issues are learnt from, at most: each year's worth still brings something."""

_BORROWED_ISSUES: Final = 500.0
"""The weights known beforehand count as so many issues, where they leave mere noise."""

_LEAST_BORROWED: Final = 6.0
"""They count as so many where the zone's own weights leave nothing."""

_DISTRUST: Final = 6
"""The power of the share that the zone's own weights leave: another forecaster is soon told."""

_TINY: Final = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Blended:
    """A corrected forecast, and how far it may be off.

    ``rmse_g_per_kwh`` [gCO2eq/kWh] has one value a step of the series: the root mean square
    error, at that lead time, of what the same correction says of the earlier issues; the
    spread of the history where there is none.
    """

    forecast: Forecast
    rmse_g_per_kwh: FloatArray


def blend(
    issued: Forecast, history: IntensitySeries, past: Sequence[Forecast], *, until: datetime
) -> Blended:
    """Correct an issue with the actuals known now, where now is the end of ``history``.

    The correction of each step is a weighted sum of :func:`~airflow_carbon.core.clues.clues`:
    what is usual against what was issued, the errors so far, how unusual the last hours were. The
    weights, a set for each range of lead times, are fitted to the earlier issues as they looked
    at the same age, by ridge regression towards :data:`~airflow_carbon.core.prior.PRIOR` (Hoerl
    and Kennard, Technometrics 12, 1970, eq. 2.1, about a prior mean). Past the horizon
    :func:`climatology` carries on.

    The quality stays that of the issue, unless none of it lies ahead: then it is climatology.

    ``past`` are earlier issues of the source, newest last, the last :data:`MEMORY` of which
    count; where a source issues every hour, give one a day, at the same hour of the day. What
    was issued after the history ends, or is not older than ``issued``, is passed over.

    Raises:
        InvalidSeriesError: zone, signal or factor type differ.
        ForecastCoverageError: ``until`` is not after the end of the history, or ``issued``
            was issued after it.
    """
    now, step = history.ends, issued.series.step
    if until <= now or issued.issued_at > now:
        raise ForecastCoverageError(history.begins, history.ends)
    for one in (issued, *past):
        _same_kind(one.series, history)
    first = (now - issued.series.begins) // step
    last = min(len(issued.series.g_per_kwh), -((issued.series.begins - until) // step))
    if first < 0 or last <= first:
        return _usual_only(issued, history, until)
    elders = [one for one in past if one.issued_at < issued.issued_at and one.series.step == step]
    asked = Asked.of([*elders[-MEMORY:], issued], history)
    values, rmse = _corrected(asked, last - first)
    begins = issued.series.begins + first * step
    series = replace(issued.series, begins=begins, g_per_kwh=np.maximum(values, 0.0))
    series, rmse = _carried_on(series, rmse, history, until)
    return Blended(forecast=_as_corrected(issued, series), rmse_g_per_kwh=rmse)


def _same_kind(series: IntensitySeries, history: IntensitySeries) -> None:
    for name in ("zone", "signal", "factor_type"):
        ours, theirs = getattr(history, name), getattr(series, name)
        if ours != theirs:
            fault = f"its {name} is {theirs}, where that of the history is {ours}"
            raise InvalidSeriesError(series.zone, fault)


def _as_corrected(issued: Forecast, series: IntensitySeries) -> Forecast:
    return replace(issued, series=series, source=f"{issued.source}, corrected")


def _usual_only(issued: Forecast, history: IntensitySeries, until: datetime) -> Blended:
    """Return what is usual, where the issue has nothing left to say."""
    series = climatology(history, begin=history.ends, end=until)
    spread = np.full(len(series.g_per_kwh), float(history.g_per_kwh.std()))
    forecast = replace(_as_corrected(issued, series), quality=Quality.CLIMATOLOGY)
    return Blended(forecast=forecast, rmse_g_per_kwh=spread)


def _carried_on(
    series: IntensitySeries, rmse: FloatArray, history: IntensitySeries, until: datetime
) -> tuple[IntensitySeries, FloatArray]:
    """Append what is usual from the end of the series on, on the series' own grid."""
    if until <= series.ends:
        return series, rmse
    seconds = series.step.total_seconds()
    missing = -((series.ends - until) // series.step)
    end = series.ends + missing * series.step
    usual = climatology(history, begin=series.ends, end=end)
    starts = usual.offset(series.ends) + np.arange(missing, dtype=np.float64) * seconds
    tail = usual.mean_over(starts, series.step)
    spread = np.full(missing, max(float(history.g_per_kwh.std()), float(rmse[-1])))
    values = np.concatenate((series.g_per_kwh, tail))
    return replace(series, g_per_kwh=values), np.concatenate((rmse, spread))


def _corrected(asked: Asked, count: int) -> tuple[FloatArray, FloatArray]:
    """Return the newest issue's next steps, corrected, and their RMSE [gCO2eq/kWh]."""
    lead, step = np.arange(count), asked.same.step
    taught = lead[:: max(1, HOUR // step)]
    newest, _ = clues(asked, slice(-1, None), lead)
    rows, target = clues(asked, slice(0, -1), taught)
    shift, rmse = np.zeros(count), np.zeros(count)
    hours, taught_hours = ((steps + 0.5) * (step / HOUR) for steps in (lead, taught))
    for (low, high), prior in zip(pairwise(BUCKETS), PRIOR, strict=True):
        within = (hours >= low) & (hours < high)
        learnt = (taught_hours >= low) & (taught_hours < high)
        if within.any():
            weights, error = _fit(rows[:, learnt], target[:, learnt], prior)
            shift[within], rmse[within] = newest[0, within] @ weights, error
    issued = asked.issues[-1, asked.age : asked.age + count]
    unit = asked.spread[-1]
    return issued + shift * unit, np.maximum.accumulate(rmse) * unit


def _fit(rows: FloatArray, target: FloatArray, prior: FloatArray) -> tuple[FloatArray, float]:
    """Return the weights of the clues, and the RMSE that they leave, in units of the spread."""
    known = ~np.isnan(target)
    clued, wanted = rows[known], target[known]
    if len(wanted) == 0:
        return prior, 1.0
    issue = target.shape[1] * np.maximum((clued**2).mean(axis=0), 1e-4)
    gap = wanted - clued @ prior
    moment, pull = clued.T @ clued, clued.T @ gap
    eager = np.linalg.solve(moment + np.diag(_LEAST_BORROWED * issue), pull)
    before = max(float((gap**2).mean()), _TINY)
    noise = min(1.0, float(((gap - clued @ eager) ** 2).mean()) / before)
    trust = max(_BORROWED_ISSUES * noise**_DISTRUST, _LEAST_BORROWED)
    weights = prior + np.linalg.solve(moment + np.diag(trust * issue), pull)
    borrowed = trust * target.shape[1]
    left = float(((wanted - clued @ weights) ** 2).sum()) + borrowed * before
    return weights, float(np.sqrt(left / (len(wanted) + borrowed)))
