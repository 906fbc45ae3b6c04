"""When to run: the best window, and the policy that asks again and again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, overload

import numpy as np

from airflow_carbon.core.errors import ForecastCoverageError
from airflow_carbon.core.flexibility import Flexibility, parse_duration, parse_instant
from airflow_carbon.core.intensity import Forecast, IntensitySeries
from airflow_carbon.core.units import GramsPerKWh

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

_TIE: Final = 1e-9
"""Means this close, relative to the largest value, are a tie: the rounding of float64 sums."""

SHORTEST_WAIT: Final = timedelta(seconds=1)

MARGIN: Final = 0.01
"""A plan is given up for one that is cleaner by this share, not for less.

Of many noisy windows the lowest looks cleaner than it is: a small gain is as likely noise.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A span in which to run, and its mean intensity [gCO2eq/kWh]."""

    start: datetime
    end: datetime
    mean_g_per_kwh: GramsPerKWh


@overload
def best_window(series: IntensitySeries, flex: Flexibility) -> Window: ...
@overload
def best_window(
    series: pd.Series[float],
    *,
    duration: timedelta | str,
    deadline: datetime | str | None = None,
    earliest: datetime | str | None = None,
) -> Window: ...
def best_window(
    series: IntensitySeries | pd.Series[float],
    flex: Flexibility | None = None,
    *,
    duration: timedelta | str | None = None,
    deadline: datetime | str | None = None,
    earliest: datetime | str | None = None,
) -> Window:
    """Return the feasible window of lowest mean intensity; the earliest on a tie.

    In a notebook, give a pandas series [gCO2eq/kWh] with the job's ``duration``; without
    ``earliest`` and ``deadline`` the whole series is allowed.

    Exact in O(n): between neighbouring candidate starts the mean is linear in the start,
    so a minimum lies on a candidate, where one end of the window meets an edge.

    Raises:
        ForecastCoverageError: no feasible window lies inside the series.
        InputError: a series, a duration or an instant that can't be; a job that can't fit.
    """
    if not isinstance(series, IntensitySeries):
        series = IntensitySeries.from_pandas(series)
    if flex is None:
        flex = Flexibility(
            duration=parse_duration("duration", duration),
            earliest=series.begins if earliest is None else parse_instant("earliest", earliest),
            deadline=series.ends if deadline is None else parse_instant("deadline", deadline),
        )
    first = max(flex.earliest, series.begins)
    last = min(flex.latest_start, series.ends - flex.duration)
    if last < first:
        raise ForecastCoverageError(series.begins, series.ends)
    starts = _candidates(series, flex.duration, series.offset(first), series.offset(last))
    means = series.mean_over(starts, flex.duration)
    tie = _TIE * float(series.g_per_kwh.max())
    i = int(np.argmax(means <= means.min() + tie))
    start = min(max(series.begins + timedelta(seconds=float(starts[i])), first), last)
    return Window(
        start=start, end=start + flex.duration, mean_g_per_kwh=GramsPerKWh(float(means[i]))
    )


def _candidates(
    series: IntensitySeries, duration: timedelta, first: float, last: float
) -> FloatArray:
    """Return the starts [s] in [first, last] where an end of the window meets an edge, in order."""
    step, length = series.step.total_seconds(), duration.total_seconds()
    edges = np.arange(len(series.g_per_kwh) + 1) * step
    starts = np.concatenate(([first, last], edges, edges - length))
    return np.unique(starts[(starts >= first) & (starts <= last)])


class Reason(StrEnum):
    """Why a job starts; an outage never looks like a choice."""

    CLEAN = "clean"
    """Its best window begins."""
    DEADLINE = "deadline"
    """Its latest start has come."""
    BELOW_MIN_SAVING = "below_min_saving"
    """Waiting would save less than was asked for."""
    NO_DATA = "no_data"
    """No source had anything to say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StartNow:
    """Run at once; ``window`` is None where no forecast covers the job."""

    window: Window | None
    because: Reason


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitUntil:
    """Ask again at ``at``; ``window`` is what is planned, None before anything is known."""

    at: datetime
    window: Window | None


def decide(
    forecast: Forecast | None,
    flex: Flexibility,
    *,
    now: datetime,
    planned: Window | None = None,
    min_saving: float = 0.0,
) -> StartNow | WaitUntil:
    """Decide between running now and waiting: the whole policy of the package.

    Asked again at every step of the forecast, so that a new issue is heard. A missing
    forecast never costs the deadline: at ``flex.latest_start`` the answer is always
    :class:`StartNow`.

    ``planned`` is the window of the last answer. It stands until another is cleaner by more
    than :data:`MARGIN`, so that noise does not move the start back and forth. It still counts
    while its start is a moment ago, so that waking up late by a second does not lose it to a
    tie tomorrow.

    ``min_saving`` is the share of running now's intensity that a wait has to save.
    """
    begun = planned is not None and planned.start <= now
    since = planned.start if planned is not None and begun else now
    window = _plan(forecast, flex, since)
    if forecast is not None and window is not None and planned is not None and not begun:
        window = hold(forecast.series, flex, planned=planned, best=window)
    if now >= flex.latest_start:
        chosen = begun and window is not None
        because = Reason.CLEAN if chosen else Reason.DEADLINE
        return StartNow(window=_run_at(forecast, flex, now), because=because)
    if now < flex.earliest:
        return WaitUntil(at=_next_look(forecast, now, flex.earliest), window=window)
    if forecast is None or window is None:
        return StartNow(window=None, because=Reason.NO_DATA)
    if window.start <= now:
        return StartNow(window=_run_at(forecast, flex, now) or window, because=Reason.CLEAN)
    run_now = _run_at(forecast, flex, now)
    if min_saving > 0 and run_now is not None and _saving(window, run_now) < min_saving:
        return StartNow(window=run_now, because=Reason.BELOW_MIN_SAVING)
    return WaitUntil(at=_next_look(forecast, now, window.start), window=window)


def _saving(window: Window, run_now: Window) -> float:
    at_once = float(run_now.mean_g_per_kwh)
    return 1 - window.mean_g_per_kwh / at_once if at_once else 0.0


def hold(series: IntensitySeries, flex: Flexibility, *, planned: Window, best: Window) -> Window:
    """Return the plan that stands, with what is said of it now, unless the best is far better."""
    feasible = flex.earliest <= planned.start <= flex.latest_start
    if not feasible or not series.covers(planned.start, planned.end):
        return best
    mean = series.mean(planned.start, planned.end)
    if mean * (1 - MARGIN) <= best.mean_g_per_kwh:
        return replace(planned, mean_g_per_kwh=mean)
    return best


def _plan(forecast: Forecast | None, flex: Flexibility, since: datetime) -> Window | None:
    """Return the best window that starts between ``since`` and the latest start."""
    if forecast is None:
        return None
    earliest = min(max(since, flex.earliest), flex.latest_start)
    try:
        return best_window(forecast.series, replace(flex, earliest=earliest))
    except ForecastCoverageError:
        return None


def _run_at(forecast: Forecast | None, flex: Flexibility, now: datetime) -> Window | None:
    """Return the window that starts now, None where the forecast does not cover it."""
    end = now + flex.duration
    if forecast is None or not forecast.series.covers(now, end):
        return None
    return Window(start=now, end=end, mean_g_per_kwh=forecast.series.mean(now, end))


def _next_look(forecast: Forecast | None, now: datetime, latest: datetime) -> datetime:
    """Return the next edge of the forecast's steps, when a new issue may be out."""
    if forecast is None:
        return latest
    step = forecast.series.step
    edge = now + step - (now - forecast.series.begins) % step
    return min(max(edge, now + SHORTEST_WAIT), latest)
