"""Work that may stop and go on: which slices of time, when each stop costs something."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_carbon.core.costs import FREE, Stopping
from airflow_carbon.core.errors import ForecastCoverageError
from airflow_carbon.core.stopping import plan_slices
from airflow_carbon.core.units import HOUR, GramsPerKWh
from airflow_carbon.core.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from airflow_carbon.core.flexibility import Flexibility, Span
    from airflow_carbon.core.intensity import IntensitySeries


@dataclass(frozen=True, kw_only=True, slots=True)
class Slices:
    """Spans in which to run, in order; they neither overlap nor touch.

    ``mean_g_per_kwh`` is all emissions, those of stopping and resuming included, over the
    energy of the work alone [g/kWh]: it compares with the mean of a window.
    """

    windows: tuple[Window, ...]
    mean_g_per_kwh: GramsPerKWh


def best_slices(series: IntensitySeries, flex: Flexibility, stopping: Stopping = FREE) -> Slices:
    """Return the slices of lowest emissions in which a job does its work.

    None lies in a blackout, unless the blackouts leave no room for the work.

    Where stopping is free and power constant: the cleanest steps, the last of them in part;
    exact in continuous time. Otherwise: exact by dynamic programming over (time, work done,
    slices begun) on a grid that holds the steps' edges, the earliest start, the phases and the
    blackouts, no finer than a minute; what does not fall on it is rounded so that the deadline
    holds.

    Raises:
        ForecastCoverageError: the series does not cover spans in which the work fits.
    """
    try:
        return _within(series, flex, stopping)
    except ForecastCoverageError:
        if not flex.blackouts:
            raise
        return _within(series, replace(flex, blackouts=()), stopping)


def _within(series: IntensitySeries, flex: Flexibility, stopping: Stopping) -> Slices:
    free = [(max(begin, series.begins), min(end, series.ends)) for begin, end in flex.free]
    free = [(begin, end) for begin, end in free if begin < end]
    if sum((end - begin for begin, end in free), timedelta(0)) < flex.duration:
        raise ForecastCoverageError(series.begins, series.ends)
    if stopping.is_free and not flex.phases:
        return _cleanest_steps(series, flex.duration, free)
    spans, gh_per_kwh, work = plan_slices(series, flex, free, stopping)
    return _as_slices(series, spans, work, gh_per_kwh)


def _cleanest_steps(series: IntensitySeries, duration: timedelta, free: list[Span]) -> Slices:
    steps = [step for begin, end in free for step in _steps(series, begin, end)]
    left = duration
    chosen: list[Span] = []
    for begin, end, _ in sorted(steps, key=lambda step: (step[2], step[0])):
        length = min(left, end - begin)
        chosen.append(_part(begin, end, length, chosen))
        left -= length
        if left <= timedelta(0):
            break
    spans = _merged(sorted(chosen))
    grams = sum(series.mean(begin, end) * ((end - begin) / HOUR) for begin, end in spans)
    return _as_slices(series, spans, duration, grams)


def _steps(
    series: IntensitySeries, begin: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime, float]]:
    """Yield the steps between two instants, cut to them: begin, end, value [g/kWh]."""
    first = (begin - series.begins) // series.step
    last = -((series.begins - end) // series.step)
    for i in range(first, last):
        edge = series.begins + i * series.step
        yield max(edge, begin), min(edge + series.step, end), float(series.g_per_kwh[i])


def _part(begin: datetime, end: datetime, length: timedelta, chosen: list[Span]) -> Span:
    """Return a part of a step, next to a chosen step where there is one: one slice fewer."""
    followed = any(other == end for other, _ in chosen)
    preceded = any(other == begin for _, other in chosen)
    return (end - length, end) if followed and not preceded else (begin, begin + length)


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for begin, end in spans:
        if merged and merged[-1][1] == begin:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((begin, end))
    return merged


def _as_slices(
    series: IntensitySeries, spans: list[Span], work: timedelta, gh_per_kwh: float
) -> Slices:
    """Build the answer; ``gh_per_kwh`` is what all of it emits [g h/kWh]."""
    windows = tuple(
        Window(start=begin, end=end, mean_g_per_kwh=series.mean(begin, end)) for begin, end in spans
    )
    return Slices(windows=windows, mean_g_per_kwh=GramsPerKWh(gh_per_kwh / (work / HOUR)))
