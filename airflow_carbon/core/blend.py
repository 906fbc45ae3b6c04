"""An issued forecast, corrected by what was observed since and by how its elders fared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from airflow_carbon.core.climatology import DAY, climatology
from airflow_carbon.core.errors import ForecastCoverageError, InvalidSeriesError
from airflow_carbon.core.intensity import Quality
from airflow_carbon.core.units import HOUR

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from numpy.typing import NDArray

    from airflow_carbon.core.intensity import Forecast, IntensitySeries

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

MEMORY: Final = 60
"""How many earlier issues are learnt from, at most."""

_BUCKETS: Final = (0, 3, 6, 12, 24, 48, 1_000_000)
"""Lead times [h] between which one set of weights holds."""

_DAYS: Final = 14
"""Days whose mean, by time of day, is the clue of what is usual."""

_RECENT: Final = 3 * HOUR
"""How far back the last error is averaged."""

_FADES: Final = 6 * HOUR
"""By then the last error and the last departure from the usual count for 1/e."""

_SAFE: Final = np.array([0.0, 0.15, 0.7, 0.0, 0.0, 0.0, 0.0])
"""Weights of the clues (see :func:`_clues`) before anything is learnt."""

_BORROWED_ISSUES: Final = 6.0
"""The safe weights count as so many issues."""


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

    The correction of each step is a weighted sum of clues: the fading error of this issue so
    far, what is usual against what was issued, the errors usual at this time of day. The weights,
    a set for each range of lead times, are fitted to the earlier issues as they looked at the
    same age, by ridge regression towards safe weights (Hoerl and Kennard, Technometrics 12,
    1970, eq. 2.1, about a prior mean). Past the horizon :func:`climatology` carries on.

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
    grid = _Grid.of(issued, [*elders[-MEMORY:], issued], history)
    values, rmse = _corrected(grid, first, last)
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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Grid:
    """Actuals and issues on the steps of the newest issue; NaN is what is not known.

    ``actual`` and ``missed`` (actual less what its newest issue said) have one value a step,
    from the begin of the history to now. ``issues`` has a row an issue, oldest first; row *r*
    begins at step ``begins[r]`` and is asked at step ``asked[r]``, at the age of the newest.
    """

    actual: FloatArray
    missed: FloatArray
    issues: FloatArray
    begins: IntArray
    asked: IntArray
    step: timedelta

    @classmethod
    def of(cls, newest: Forecast, issues: list[Forecast], history: IntensitySeries) -> _Grid:
        step = newest.series.step
        zero = newest.series.begins - (newest.series.begins - history.begins) // step * step
        count = (history.ends - zero) // step
        edges = np.arange(count, dtype=np.float64) * step.total_seconds()
        actual = history.mean_over(history.offset(zero) + edges, step)
        begins = np.array([round((one.series.begins - zero) / step) for one in issues])
        rows = np.full((len(issues), max(len(one.series.g_per_kwh) for one in issues)), np.nan)
        missed = np.full(count, np.nan)
        for row, begin, one in zip(rows, begins, issues, strict=True):
            row[: len(one.series.g_per_kwh)] = one.series.g_per_kwh
            known = np.arange(max(begin, 0), min(begin + len(one.series.g_per_kwh), count))
            missed[known] = actual[known] - row[known - begin]
        asked = begins + (count - begins[-1])
        return cls(actual=actual, missed=missed, issues=rows, begins=begins, asked=asked, step=step)


def _corrected(grid: _Grid, first: int, last: int) -> tuple[FloatArray, FloatArray]:
    """Return the newest issue's steps in [first, last), corrected, and their RMSE [gCO2eq/kWh]."""
    lead = np.arange(last - first)
    clues, target = _clues(grid, lead, first)
    hours = (lead + 0.5) * (grid.step / HOUR)
    shift, rmse = np.zeros(len(lead)), np.zeros(len(lead))
    spread = float(np.std(grid.actual)) if len(grid.actual) else 0.0
    for low, high in pairwise(_BUCKETS):
        within = (hours >= low) & (hours < high)
        if within.any():
            weights, error = _fit(clues[:-1, within], target[:-1, within], spread)
            shift[within] = clues[-1, within] @ weights
            rmse[within] = error
    return grid.issues[-1, first:last] + shift, np.maximum.accumulate(rmse)


def _clues(grid: _Grid, lead: IntArray, first: int) -> tuple[FloatArray, FloatArray]:
    """Return the clues (issues x leads x 7) and what they should tell (issues x leads).

    In order: one; usual less issued; the last error, fading; the mean error since issue; the
    usual error at that time of day; the last day's level less usual; the last departure from
    usual, fading. All but the first in gCO2eq/kWh.
    """
    day = max(1, DAY // grid.step)
    asked = grid.asked[:, None]
    at = asked + lead
    issued = grid.issues[:, first : first + len(lead)]
    usual = _same_time(grid.actual, at, asked, day)
    usual = np.where(np.isnan(usual), issued, usual)
    bias = np.nan_to_num(_same_time(grid.missed, at, asked, day))
    fade = np.exp(-(lead + 1) * (grid.step / _FADES))
    errors = _before(grid.actual, asked, first) - grid.issues[:, :first]
    recent = max(1, _RECENT // grid.step)
    last_error, mean_error = _mean(errors[:, -recent:]), _mean(errors)
    ago = asked - 1 - np.arange(day)
    departure = _pick(grid.actual, ago) - _same_time(grid.actual, ago, ago.min(1)[:, None], day)
    level, latest = _mean(departure), np.nan_to_num(departure[:, :1])
    clues = np.stack(
        np.broadcast_arrays(
            1.0, usual - issued, last_error * fade, mean_error, bias, level, latest * fade
        ),
        axis=-1,
    )
    return clues, _pick(grid.actual, at) - issued


def _pick(values: FloatArray, at: IntArray) -> FloatArray:
    """Return the values at steps, NaN outside."""
    padded = np.append(values, np.nan)
    return padded[np.where((at >= 0) & (at < len(values)), at, len(values))]


def _before(values: FloatArray, asked: IntArray, count: int) -> FloatArray:
    return _pick(values, asked - count + np.arange(count))


def _same_time(values: FloatArray, at: IntArray, asked: IntArray, day: int) -> FloatArray:
    """Return the mean at the same time of the last days before each row was asked."""
    newest = at - -((asked - 1 - at) // day) * day
    return _nanmean(_pick(values, newest[..., None] - day * np.arange(_DAYS)))


def _nanmean(values: FloatArray) -> FloatArray:
    """Return the mean of what is known along the last axis, NaN where nothing is."""
    known = ~np.isnan(values)
    number = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _mean(values: FloatArray) -> FloatArray:
    """Return the mean of each row as a column, 0 where nothing is known."""
    return np.nan_to_num(_nanmean(values))[:, None]


def _fit(clues: FloatArray, target: FloatArray, spread: float) -> tuple[FloatArray, float]:
    """Return the weights of the clues, and the RMSE [gCO2eq/kWh] that they leave."""
    known = ~np.isnan(target)
    rows, wanted = clues[known], target[known]
    if len(wanted) == 0:
        return _SAFE, spread
    trust = _BORROWED_ISSUES * target.shape[1] * np.maximum((rows**2).mean(axis=0), 1e-6)
    gap = wanted - rows @ _SAFE
    weights = _SAFE + np.linalg.solve(rows.T @ rows + np.diag(trust), rows.T @ gap)
    left = float(((wanted - rows @ weights) ** 2).mean())
    borrowed = _BORROWED_ISSUES * target.shape[1]
    return weights, float(
        np.sqrt((left * len(wanted) + borrowed * float((gap**2).mean())) / (len(wanted) + borrowed))
    )
