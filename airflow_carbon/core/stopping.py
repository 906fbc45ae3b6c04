"""The slices of time that are worth a stop between them: dynamic programming on a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from airflow_carbon.core.errors import ForecastCoverageError
from airflow_carbon.core.units import HOUR

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from airflow_carbon.core.costs import Stopping
    from airflow_carbon.core.flexibility import Flexibility, Span
    from airflow_carbon.core.intensity import FloatArray, IntensitySeries

    BoolArray = NDArray[np.bool_]
    IntArray = NDArray[np.int64]

FINEST: Final = timedelta(minutes=1)
"""Costly stops are planned on a grid no finer than this."""


def plan_slices(
    series: IntensitySeries, flex: Flexibility, free: list[Span], stopping: Stopping
) -> tuple[list[Span], float, timedelta]:
    """Return the best slices within the free spans, what they emit, and the work they do.

    Emissions in g h/kWh: over the hours of work they are the mean [g/kWh] of a job of the mean
    power 1 kW. The work is the duration, rounded up to the grid.

    Raises:
        ForecastCoverageError: rounded to the grid, the work does not fit.
    """
    grid = _Grid.of(series, flex, free, stopping)
    if grid.work > len(grid.cost) - np.count_nonzero(grid.blocked):
        raise ForecastCoverageError(series.begins, series.ends)
    traced, gh_per_kwh = grid.solve()
    if not math.isfinite(gh_per_kwh):
        raise ForecastCoverageError(series.begins, series.ends)
    spans = [
        (grid.begin + first * grid.cell, grid.begin + last * grid.cell) for first, last, _ in traced
    ]
    return spans, gh_per_kwh, grid.work * grid.cell


@dataclass(frozen=True, kw_only=True, eq=False)
class _Grid:
    """The problem in whole cells: ``cost[i]`` is what running in cell *i* emits [g h/kWh]."""

    begin: datetime
    cell: timedelta
    cost: FloatArray
    restart: FloatArray
    blocked: BoolArray
    power: FloatArray
    work: int
    overhead: int
    shortest: int
    most: int

    @classmethod
    def of(
        cls, series: IntensitySeries, flex: Flexibility, free: list[Span], stopping: Stopping
    ) -> _Grid:
        begin, end = free[0][0], free[-1][1]
        second = timedelta(seconds=1)
        parts = [series.step, flex.duration, begin - series.begins, stopping.time]
        parts += [stopping.shortest, *(phase.duration for phase in flex.phases)]
        parts += [edge - series.begins for span in free for edge in span]
        common = math.gcd(*(round(part / second) for part in parts))
        cell = max(FINEST, common * second)
        if common * second < FINEST:  # round to the minute, inwards
            begin += -(begin - series.begins) % FINEST
        count = max(0, (end - begin) // cell)
        starts = series.offset(begin) + np.arange(count, dtype=np.float64) * cell.total_seconds()
        cost = series.mean_over(starts, cell) * (cell / HOUR)
        work = -(-flex.duration // cell)
        shortest = min(max(1, -(-stopping.shortest // cell)), work)
        return cls(
            begin=begin,
            cell=cell,
            cost=cost,
            restart=stopping.energy_h * cost / (cell / HOUR) + stopping.g_per_kw,
            blocked=_blocked(begin, cell, count, free),
            power=_power(flex, cell, work),
            work=work,
            overhead=-(-stopping.time // cell),
            shortest=shortest,
            most=min(stopping.most or work, max(1, work // shortest)),
        )

    def solve(self) -> tuple[list[tuple[int, int, bool]], float]:
        """Return the slices and their emissions; infinite where the work does not fit."""
        limited = self.most < self.work // self.shortest
        return self._trace(self.most if limited else 1, limited=limited)

    def _trace(self, layers: int, *, limited: bool) -> tuple[list[tuple[int, int, bool]], float]:
        """Return (first cell, cell after the last, was it resumed) of each slice, and the cost.

        ``runs[i]`` and ``rests[i]`` [slices begun, work done] are the least costs of standing
        before cell *i* inside a slice that may stop there, and outside of one; between two slices
        lies a cell of rest at least. ``began`` tells
        where a slice reached its shortest length. Without a limit on slices one layer serves
        for any number of them.
        """
        cells, work, least = len(self.cost), self.work, self.shortest
        spent_before, blocked_before = _sums(self.cost), _sums(self.blocked)
        runs = np.full((cells + 1, layers, work + 1), np.inf)
        rests = np.full_like(runs, np.inf)
        began = np.zeros(runs.shape, dtype=bool)
        before = slice(None, -1) if limited else slice(None)
        after = slice(1, None) if limited else slice(None)
        worked = self._worked()
        for i in range(1, cells + 1):
            run = runs[i]
            if not self.blocked[i - 1]:
                run[:, 1:] = runs[i - 1][:, :-1] + self.cost[i - 1] * self.power
            first, resumed = i - least, i - least - self.overhead
            if first >= 0 and blocked_before[i] == blocked_before[first]:
                if worked[i, 0] < run[0, least]:
                    run[0, least] = worked[i, 0]
                    began[i, 0, least] = True
                if resumed >= 1 and blocked_before[first] == blocked_before[resumed]:
                    getting_on = spent_before[first] - spent_before[resumed]
                    again = self.restart[resumed] + getting_on + worked[i]
                    candidate = rests[resumed - 1][before, : work + 1 - least] + again
                    better = candidate < run[after, least:]
                    np.copyto(run[after, least:], candidate, where=better)
                    began[i][after, least:] |= better
            np.minimum(rests[i - 1], run, out=rests[i])
        least_cost = float(runs[:, :, work].min())
        if not math.isfinite(least_cost):
            return [], least_cost
        return self._back(runs, rests, began, limited=limited), least_cost

    def _worked(self) -> FloatArray:
        """Return what a shortest slice costs [g h/kWh].

        Rows are the cell before which it ends, columns the work done before it begins. Along
        a diagonal of the two a slice runs on, so its cost is a difference of sums along it. At
        constant power the work done does not matter.
        """
        cells, work, least = len(self.cost), self.work, self.shortest
        if np.ptp(self.power) == 0:
            sums = _sums(self.cost)
            ends = sums[least:] - sums[:-least]
            column = np.concatenate((np.full(least, np.inf), ends))
            return np.broadcast_to(column[:, None], (cells + 1, work + 1 - least))
        sums = np.zeros((cells + 1, work + 1))
        for i in range(1, cells + 1):
            sums[i, 1:] = sums[i - 1, :-1] + self.cost[i - 1] * self.power
        worked = np.full((cells + 1, work + 1 - least), np.inf)
        worked[least:] = sums[least:, least:] - sums[:-least, :-least]
        return worked

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
            at = int(np.argmax(runs[:at, layer, work] <= rests[at - 1, layer, work]))


def _sums(values: FloatArray | BoolArray) -> FloatArray:
    return np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))


def _blocked(begin: datetime, cell: timedelta, count: int, free: list[Span]) -> BoolArray:
    """Return which cells are not wholly inside a free span."""
    blocked = np.ones(count, dtype=bool)
    for first, last in free:
        blocked[max(0, -((begin - first) // cell)) : max(0, (last - begin) // cell)] = False
    return blocked


def _power(flex: Flexibility, cell: timedelta, work: int) -> FloatArray:
    """Return the power of each cell of work, as a multiple of the job's mean power."""
    if not flex.phases:
        return np.ones(work)
    seconds = [phase.duration.total_seconds() for phase in flex.phases]
    joules = np.cumsum([0.0, *(s * p.power for s, p in zip(seconds, flex.phases, strict=True))])
    edges = np.minimum(np.arange(work + 1) * cell.total_seconds(), sum(seconds))
    done = np.asarray(np.interp(edges, np.cumsum([0.0, *seconds]), joules), dtype=np.float64)
    return np.diff(done) * (work / float(done[-1]))
