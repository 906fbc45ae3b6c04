"""Work that may stop and go on: which slices of time, when each stop costs something."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from airflow_carbon.core.errors import ForecastCoverageError, InvalidOptionError
from airflow_carbon.core.units import HOUR, GramsPerKWh
from airflow_carbon.core.window import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.intensity import FloatArray, IntensitySeries

    BoolArray = NDArray[np.bool_]

FINEST: Final = timedelta(minutes=1)
"""Costly stops are planned on a grid no finer than this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stopping:
    """What it costs to stop and go on.

    ``energy_h``: energy of a stop and resume, in hours of the job's own power, spent when it
    resumes: saving and loading the checkpoint, the machine's start. ``g_per_kw``: emissions of
    a stop and resume that do not depend on the grid [g per kW of the job's power]. ``time``:
    how long a resumed slice runs before it gets on with the work. ``shortest``: the least work
    in a slice. ``most``: the largest number of slices.

    Raises:
        InvalidOptionError: a negative cost or length, or fewer than one slice.
    """

    energy_h: float = 0.0
    g_per_kw: float = 0.0
    time: timedelta = timedelta(0)
    shortest: timedelta = timedelta(0)
    most: int | None = None

    def __post_init__(self) -> None:
        for name in ("energy_h", "g_per_kw"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InvalidOptionError(name, getattr(self, name), "write a number, 0 or more")
        for name in ("time", "shortest"):
            if getattr(self, name) < timedelta(0):
                raise InvalidOptionError(name, getattr(self, name), "write a length of time")
        if self.most is not None and self.most < 1:
            raise InvalidOptionError("most", self.most, "write 1 or more")

    @property
    def is_free(self) -> bool:
        """Whether nothing speaks against stopping."""
        return self == FREE


FREE: Final = Stopping()


@dataclass(frozen=True, kw_only=True, slots=True)
class Slices:
    """Spans in which to run, in order; they do not overlap, and touch only by necessity.

    ``mean_g_per_kwh`` is all emissions, those of stopping and resuming included, over the
    energy of the work alone [g/kWh]: it compares with the mean of a window.
    """

    windows: tuple[Window, ...]
    mean_g_per_kwh: GramsPerKWh


def best_slices(series: IntensitySeries, flex: Flexibility, stopping: Stopping = FREE) -> Slices:
    """Return the slices of lowest emissions in which a job of constant power does its work.

    Where stopping is free: the cleanest steps, the last of them in part; exact in continuous
    time. Where it costs: exact by dynamic programming over (time, work done, slices begun) on
    a grid that holds the steps' edges, the earliest start and the duration, no finer than
    :data:`FINEST`; what does not fall on it is rounded so that the deadline holds.

    Raises:
        ForecastCoverageError: the series does not cover a span in which the work fits.
    """
    begin, end = max(flex.earliest, series.begins), min(flex.deadline, series.ends)
    if end - begin < flex.duration:
        raise ForecastCoverageError(series.begins, series.ends)
    if stopping.is_free:
        return _cleanest_steps(series, flex.duration, begin, end)
    return _Grid.of(series, flex.duration, begin, end, stopping).solve()


def _cleanest_steps(
    series: IntensitySeries, duration: timedelta, begin: datetime, end: datetime
) -> Slices:
    first = (begin - series.begins) // series.step
    last = -((series.begins - end) // series.step)
    edges = [series.begins + i * series.step for i in range(first, last + 1)]
    edges[0], edges[-1] = begin, end
    values = series.g_per_kwh[first:last]
    left, chosen = duration, list[tuple[datetime, datetime]]()
    for i in np.argsort(values, kind="stable"):
        length = min(left, edges[i + 1] - edges[i])
        chosen.append(_part(edges[i], edges[i + 1], length, chosen))
        left -= length
        if left <= timedelta(0):
            break
    return _as_slices(series, _merged(sorted(chosen)), duration, 0.0)


def _part(
    begin: datetime, end: datetime, length: timedelta, chosen: list[tuple[datetime, datetime]]
) -> tuple[datetime, datetime]:
    """Return a part of a step, next to a chosen step where there is one: one slice fewer."""
    followed = any(other == end for other, _ in chosen)
    preceded = any(other == begin for _, other in chosen)
    return (end - length, end) if followed and not preceded else (begin, begin + length)


def _merged(spans: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    merged: list[tuple[datetime, datetime]] = []
    for begin, end in spans:
        if merged and merged[-1][1] == begin:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((begin, end))
    return merged


def _as_slices(
    series: IntensitySeries,
    spans: list[tuple[datetime, datetime]],
    duration: timedelta,
    extra_gh: float,
) -> Slices:
    """Build the answer; ``extra_gh`` is what stopping costs besides running [g h/kWh]."""
    windows = tuple(
        Window(start=begin, end=end, mean_g_per_kwh=series.mean(begin, end)) for begin, end in spans
    )
    run = sum(window.mean_g_per_kwh * ((window.end - window.start) / HOUR) for window in windows)
    mean = GramsPerKWh((run + extra_gh) / (duration / HOUR))
    return Slices(windows=windows, mean_g_per_kwh=mean)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Grid:
    """The problem in whole cells: ``cost[i]`` is what running in cell *i* emits [g h/kWh]."""

    series: IntensitySeries
    begin: datetime
    cell: timedelta
    cost: FloatArray
    restart: FloatArray
    work: int
    overhead: int
    shortest: int
    most: int

    @classmethod
    def of(
        cls,
        series: IntensitySeries,
        duration: timedelta,
        begin: datetime,
        end: datetime,
        stopping: Stopping,
    ) -> _Grid:
        parts = (series.step, duration, begin - series.begins, stopping.time, stopping.shortest)
        second = timedelta(seconds=1)
        common = math.gcd(*(round(part / second) for part in parts))
        cell = max(FINEST, common * second)
        if common * second < FINEST:  # round to the minute, inwards
            begin += -(begin - series.begins) % FINEST
        count = (end - begin) // cell
        starts = series.offset(begin) + np.arange(count, dtype=np.float64) * cell.total_seconds()
        cost = series.mean_over(starts, cell) * (cell / HOUR)
        work = -(-duration // cell)
        shortest = min(max(1, -(-stopping.shortest // cell)), work)
        return cls(
            series=series,
            begin=begin,
            cell=cell,
            cost=cost,
            restart=stopping.energy_h * cost / (cell / HOUR) + stopping.g_per_kw,
            work=work,
            overhead=-(-stopping.time // cell),
            shortest=shortest,
            most=min(stopping.most or work, max(1, work // shortest)),
        )

    def solve(self) -> Slices:
        """Return the optimum.

        Raises:
            ForecastCoverageError: rounded to the grid, the work does not fit.
        """
        if self.work > len(self.cost):
            raise ForecastCoverageError(self.series.begins, self.series.ends)
        limited = self.most < self.work // self.shortest
        spans, extra = [], 0.0
        traced = self._trace(self.most if limited else 1, limited=limited)
        for first, last, resumed in traced:
            begin = self.begin + first * self.cell
            spans.append((begin, self.begin + last * self.cell))
            extra += float(self.restart[first]) if resumed else 0.0
        return _as_slices(self.series, spans, self.work * self.cell, extra)

    def _trace(self, layers: int, *, limited: bool) -> list[tuple[int, int, bool]]:
        """Return (first cell, cell after the last, was it resumed) of each slice, in order.

        ``runs[i]`` and ``rests[i]`` [slices begun, work done] are the least costs of standing
        before cell *i* inside a slice that may stop there, and outside of one; ``began`` tells
        where a slice reached its shortest length. Without a limit on slices one layer serves
        for any number of them.
        """
        cells, work, least = len(self.cost), self.work, self.shortest
        total = np.concatenate(([0.0], np.cumsum(self.cost)))
        runs = np.full((cells + 1, layers, work + 1), np.inf)
        rests = np.full_like(runs, np.inf)
        began = np.zeros(runs.shape, dtype=bool)
        before = slice(None, -1) if limited else slice(None)
        after = slice(1, None) if limited else slice(None)
        for i in range(1, cells + 1):
            run = runs[i]
            run[:, 1:] = runs[i - 1][:, :-1] + self.cost[i - 1]
            first, resumed = i - least, i - least - self.overhead
            if first >= 0 and total[i] - total[first] < run[0, least]:
                run[0, least] = total[i] - total[first]
                began[i, 0, least] = True
            if resumed >= 0:
                spent = self.restart[resumed] + total[i] - total[resumed]
                candidate = rests[resumed][before, : work + 1 - least] + spent
                better = candidate < run[after, least:]
                np.copyto(run[after, least:], candidate, where=better)
                began[i][after, least:] |= better
            np.minimum(rests[i - 1], run, out=rests[i])
        return self._back(runs, rests, began, limited=limited)

    def _back(
        self, runs: FloatArray, rests: FloatArray, began: BoolArray, *, limited: bool
    ) -> list[tuple[int, int, bool]]:
        work, spans = self.work, list[tuple[int, int, bool]]()
        layer = int(np.argmin(runs[:, :, work].min(axis=0)))
        at = int(np.argmin(runs[:, layer, work]))
        while True:
            last = at
            while not began[at, layer, work]:
                at, work = at - 1, work - 1
            if work == self.shortest:  # nothing was done before: the first slice
                spans.append((at - self.shortest, last, False))
                return spans[::-1]
            at -= self.shortest + self.overhead
            work -= self.shortest
            spans.append((at, last, True))
            layer -= limited
            at = int(np.argmax(runs[: at + 1, layer, work] <= rests[at, layer, work]))
