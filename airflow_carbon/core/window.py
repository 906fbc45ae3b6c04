"""When to run: the window in which a job emits least."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, overload

import numpy as np

from airflow_carbon.core.errors import ForecastCoverageError
from airflow_carbon.core.flexibility import Flexibility, parse_instant, parse_phases
from airflow_carbon.core.intensity import IntensitySeries
from airflow_carbon.core.units import GramsPerKWh

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    import pandas as pd
    from numpy.typing import NDArray

    from airflow_carbon.core.flexibility import Span

    FloatArray = NDArray[np.float64]

TIE: Final = 1e-9
"""Means this close, relative to the largest value, are a tie: the rounding of float64 sums."""

_INSTANT_S: Final = 1e-6
"""Instants are whole microseconds: rounding up keeps the window below the limit."""


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
    duration: timedelta | str | Sequence[tuple[timedelta | str, float]],
    deadline: datetime | str | None = None,
    earliest: datetime | str | None = None,
) -> Window: ...
def best_window(
    series: IntensitySeries | pd.Series[float],
    flex: Flexibility | None = None,
    *,
    duration: timedelta | str | Sequence[tuple[timedelta | str, float]] | None = None,
    deadline: datetime | str | None = None,
    earliest: datetime | str | None = None,
) -> Window:
    """Return the feasible window of lowest mean intensity; the earliest on a tie.

    In a notebook, give a pandas series [gCO2eq/kWh] with the job's ``duration``; without
    ``earliest`` and ``deadline`` the whole series is allowed.

    The job's phases weigh the steps by its power; in its blackouts it does not run. Exact in
    O(n log n): between neighbouring candidate starts the mean is linear in the start, so a
    minimum lies on a candidate, where an end of a phase meets an edge of the series.

    Raises:
        ForecastCoverageError: no feasible window lies inside the series.
        InputError: a series, a duration or an instant that can't be; a job that can't fit.
    """
    if not isinstance(series, IntensitySeries):
        series = IntensitySeries.from_pandas(series)
    if flex is None:
        length, phases = parse_phases("duration", duration)
        flex = Flexibility(
            duration=length,
            phases=phases,
            earliest=series.begins if earliest is None else parse_instant("earliest", earliest),
            deadline=series.ends if deadline is None else parse_instant("deadline", deadline),
        )
    spans = startable(series, flex)
    if not spans:
        raise ForecastCoverageError(series.begins, series.ends)
    starts, means = start_means(series, flex, spans)
    tie = TIE * float(series.g_per_kwh.max())
    i = int(np.argmax(means <= means.min() + tie))
    return window_at(series, flex, start_at(series, float(starts[i]), spans))


def first_window(
    series: IntensitySeries, flex: Flexibility, limit_g_per_kwh: float | None
) -> Window | None:
    """Return the first window at or below a limit, None where none is; the first without one.

    Exact, for the mean is piecewise linear in the start.
    """
    limit = limit_g_per_kwh
    for span in startable(series, flex):
        starts, means = start_means(series, flex, [span])
        good = np.ones(len(means), dtype=bool) if limit is None else means <= limit
        if not good.any():
            continue
        i = int(np.argmax(good))
        at = float(starts[i])
        if i and limit is not None:
            at = float(np.interp(-limit, -means[i - 1 : i + 1], starts[i - 1 : i + 1])) + _INSTANT_S
            at = min(at, float(starts[i]))
        return window_at(series, flex, min(max(series.at(at), span[0]), span[1]))
    return None


def start_means(
    series: IntensitySeries, flex: Flexibility, spans: Sequence[Span]
) -> tuple[FloatArray, FloatArray]:
    """Return the starts [s from the begin] that matter in spans, in order, and their means.

    Between neighbours in a span the mean [gCO2eq/kWh] is linear in the start.
    """
    step = series.step.total_seconds()
    edges = np.arange(len(series.g_per_kwh) + 1) * step
    met = np.concatenate([edges - offset for offset in _offsets(flex)])
    ends = [(series.offset(first), series.offset(last)) for first, last in spans]
    inside = np.zeros(len(met), dtype=bool)
    for first, last in ends:
        inside |= (met >= first) & (met <= last)
    starts = np.unique(np.concatenate((np.ravel(ends), met[inside])))
    return starts, job_means(series, flex, starts)


def job_means(series: IntensitySeries, flex: Flexibility, starts: FloatArray) -> FloatArray:
    """Return the mean [gCO2eq/kWh] of a job that starts at offsets [s], weighted by its power."""
    if not flex.phases:
        return series.mean_over(starts, flex.duration)
    grams, work, at = np.zeros_like(starts), 0.0, starts
    for phase in flex.phases:
        weight = phase.power * phase.duration.total_seconds()
        grams, work = grams + weight * series.mean_over(at, phase.duration), work + weight
        at = at + phase.duration.total_seconds()
    return grams / work


def window_at(series: IntensitySeries, flex: Flexibility, start: datetime) -> Window:
    """Return the window in which a job runs that starts at an instant.

    Raises:
        ForecastCoverageError: it is not wholly inside the series.
    """
    end = start + flex.duration
    if not series.covers(start, end):
        raise ForecastCoverageError(series.begins, series.ends)
    mean = job_means(series, flex, np.array([series.offset(start)]))
    return Window(start=start, end=end, mean_g_per_kwh=GramsPerKWh(float(mean[0])))


def startable(series: IntensitySeries, flex: Flexibility) -> list[Span]:
    """Return the spans in which the job may start and the series covers it."""
    clipped = [
        (max(first, series.begins), min(last, series.ends - flex.duration))
        for first, last in flex.starts
    ]
    return [(first, last) for first, last in clipped if first <= last]


def _offsets(flex: Flexibility) -> list[float]:
    """Return how long after its start [s] the job's power changes, begin and end included."""
    lengths = [phase.duration.total_seconds() for phase in flex.phases]
    return [0.0, *accumulate(lengths)] if lengths else [0.0, flex.duration.total_seconds()]


def start_at(series: IntensitySeries, offset: float, spans: Sequence[Span]) -> datetime:
    """Return an offset [s] as an instant, to the microsecond inside one of the spans."""
    at = series.at(offset)
    return min((min(max(at, first), last) for first, last in spans), key=lambda one: abs(one - at))
