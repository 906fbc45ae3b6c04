"""The arrays under :mod:`airflow_carbon.core.many`: windows of many jobs on one grid."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from airflow_carbon.core.units import EPOCH, MICROSECOND
from airflow_carbon.core.window import TIE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from airflow_carbon.core.intensity import IntensitySeries

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

_BOUNDS: Final = 6_000_000
"""Bounds [jobs x regions] that are held at once: 48 MB."""

_CANDIDATES: Final = 1_000_000
"""Starts that are looked at in one go."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Series of R regions on N steps of one grid, each times its weight.

    ``begins`` and ``step`` in microseconds, the first since the epoch. ``sums`` (R x N+1) is the
    integral from the begin to each edge [g/kWh x steps], ``values`` (R x N+1) the steps
    themselves and a nought.
    """

    begins: int
    step: int
    sums: FloatArray
    values: FloatArray

    @classmethod
    def of(cls, series: Sequence[IntensitySeries], weight: FloatArray) -> Self:
        """Build from series that share begin, step and length."""
        values = np.stack([one.g_per_kwh for one in series]) * weight[:, None]
        none = np.zeros((len(values), 1))
        return cls(
            begins=(series[0].begins - EPOCH) // MICROSECOND,
            step=series[0].step // MICROSECOND,
            sums=np.concatenate((none, np.cumsum(values, axis=1)), axis=1),
            values=np.concatenate((values, none), axis=1),
        )

    @property
    def ends(self) -> int:
        """The end of the last step, in microseconds since the epoch."""
        return self.begins + int(self.sums.shape[1] - 1) * self.step

    @property
    def tie(self) -> float:
        """Means [g/kWh] this close are a tie."""
        return TIE * float(self.values.max())

    def integral(self, region: IntArray, at: IntArray) -> FloatArray:
        """Return the integral [g/kWh x steps] from the begin to offsets in microseconds."""
        whole, rest = at // self.step, (at % self.step) / self.step
        return np.asarray(self.sums[region, whole] + rest * self.values[region, whole])


@dataclass(frozen=True, kw_only=True, eq=False)
class Starts:
    """When jobs may start, ends included, and how long they run [us from the grid's begin]."""

    first: IntArray
    last: IntArray
    length: IntArray

    def __getitem__(self, jobs: IntArray | slice) -> Starts:
        """Return some of the jobs."""
        return Starts(first=self.first[jobs], last=self.last[jobs], length=self.length[jobs])

    def __len__(self) -> int:
        return len(self.first)


def sweep(grid: Grid, starts: Starts) -> tuple[IntArray, IntArray, FloatArray]:
    """Return each job's best region, start [us from the grid's begin] and mean [g/kWh].

    Branch and bound over the regions. A job of *k* whole steps and a part *p* of one emits, from
    any start, at least (1 - p) times the least of all windows of *k* steps near its starts plus
    *p* times the least of *k* + 1 steps, for between edges it is a mixture of such. The region of
    the lowest bound is searched first, then those whose bound is not above what was found there.
    """
    most = max(1, _BOUNDS // len(grid.sums))
    parts = [_sweep(grid, starts[i : i + most]) for i in range(0, len(starts), most)]
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    region, start, grams = zip(*parts, strict=True)
    return np.concatenate(region), np.concatenate(start), np.concatenate(grams)


def _sweep(grid: Grid, starts: Starts) -> tuple[IntArray, IntArray, FloatArray]:
    bounds = _bounds(grid, starts)
    jobs, region = np.arange(len(starts)), bounds.argmin(axis=1)
    at, grams = _search(grid, starts, region)
    bounds[jobs, region] = np.inf
    rivals, other = np.nonzero(bounds <= (grams + 2 * grid.tie)[:, None])
    other_at, other_grams = _search(grid, starts[rivals], other)
    least = grams.copy()
    np.minimum.at(least, rivals, other_grams)
    everyone = np.concatenate((jobs, rivals))
    everywhere = np.concatenate((region, other))
    every_at = np.concatenate((at, other_at))
    every_grams = np.concatenate((grams, other_grams))
    missed = every_grams > least[everyone] + grid.tie
    order = np.lexsort((everywhere, every_at, missed, everyone))
    best = order[np.searchsorted(everyone[order], jobs)]
    return everywhere[best], every_at[best], every_grams[best]


def _bounds(grid: Grid, starts: Starts) -> FloatArray:
    """Return what each job emits in each region at least (jobs x regions) [g/kWh]."""
    whole, rest = starts.length // grid.step, starts.length % grid.step / grid.step
    low, high = starts.first // grid.step, -(-starts.last // grid.step)
    bounds = np.zeros((len(starts), len(grid.sums)))
    sums = np.ascontiguousarray(grid.sums.T)
    for steps, weight in ((whole, 1 - rest), (whole + 1, rest)):
        asked = np.flatnonzero(weight)
        for count, group in _grouped(steps[asked]):
            jobs = asked[group]
            windows = sums[count:] - sums[: len(sums) - count]
            last = np.minimum(high[jobs], len(windows) - 1)
            _add_least(bounds, jobs, weight, windows, low[jobs], last)
    bounds /= (starts.length / grid.step)[:, None]
    return bounds


def _add_least(  # noqa: PLR0913, PLR0917 - arrays of one group
    bounds: FloatArray,
    jobs: IntArray,
    weight: FloatArray,
    windows: FloatArray,
    low: IntArray,
    high: IntArray,
) -> None:
    """Add the weighted minimum of rows ``low`` to ``high`` of the windows to each job's bounds.

    A range is covered by two, which may overlap, of a power of two rows each.
    """
    power = np.frexp(high - low + 1)[1] - 1
    for exponent in range(int(power.max()) + 1):
        rows = 1 << exponent
        asked = np.flatnonzero(power == exponent)
        if asked.size:
            least = np.minimum(windows[low[asked]], windows[high[asked] - rows + 1])
            bounds[jobs[asked]] += least * weight[jobs[asked], None]
        if exponent < power.max():
            windows = np.minimum(windows[:-rows], windows[rows:])


def _grouped(keys: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Yield each key and where it stands."""
    order = np.argsort(keys, kind="stable")
    found, first = np.unique(keys[order], return_index=True)
    for key, (begin, end) in zip(found, pairwise([*first, len(order)]), strict=True):
        yield int(key), order[begin:end]


def _search(grid: Grid, starts: Starts, region: IntArray) -> tuple[IntArray, FloatArray]:
    """Return each job's best start [us] in one region, and its mean [g/kWh]."""
    at, grams = np.zeros(len(starts), np.int64), np.zeros(len(starts))
    chunk = np.cumsum((starts.last - starts.first) // grid.step + 2) // _CANDIDATES
    cuts = np.flatnonzero(np.diff(chunk, prepend=-1))
    for begin, end in pairwise([*cuts, len(starts)]):
        part = slice(int(begin), int(end))
        at[part], grams[part] = _search_part(grid, starts[part], region[part])
    return at, grams


def _search_part(grid: Grid, starts: Starts, region: IntArray) -> tuple[IntArray, FloatArray]:
    """Search all candidates: the ends of the span, and where either end of a job meets an edge."""
    ends = [_Candidates.one(grid, starts, region, at) for at in (starts.first, starts.last)]
    edges = [_Candidates.edges(grid, starts, region, lead) for lead in (0, starts.length)]
    kinds = [ends[0], *edges, ends[1]]
    least = np.minimum.reduce([kind.least() for kind in kinds])
    limit = least + grid.tie * starts.length / grid.step
    at = np.minimum.reduce([kind.earliest(limit) for kind in kinds])
    return at, least * grid.step / starts.length


@dataclass(frozen=True, kw_only=True, eq=False)
class _Candidates:
    """Candidate starts, ``count`` a job, one job after the other.

    Job *j*'s are ``zero[j]``, ``zero[j] + step``, ... [us]; what they emit in
    ``grams`` [g/kWh x steps].
    """

    zero: IntArray
    count: IntArray
    step: int
    grams: FloatArray

    @classmethod
    def one(cls, grid: Grid, starts: Starts, region: IntArray, at: IntArray) -> Self:
        grams = grid.integral(region, at + starts.length) - grid.integral(region, at)
        return cls(zero=at, count=np.ones(len(at), np.int64), step=grid.step, grams=grams)

    @classmethod
    def edges(cls, grid: Grid, starts: Starts, region: IntArray, lead: IntArray | int) -> Self:
        """Return the starts from which after ``lead`` [us] an edge of the steps is met.

        From one to the next, both ends of the job move on by a step: what it emits is read at
        the places of the two in the flattened sums.
        """
        first = -(-(starts.first + lead) // grid.step)
        count = np.maximum((starts.last + lead) // grid.step - first + 1, 0)
        zero = first * grid.step - lead
        width = grid.sums.shape[1]
        offset = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        sums, values = grid.sums.ravel(), grid.values.ravel()

        def integral(at: IntArray) -> FloatArray:
            place = np.repeat(region * width + at // grid.step, count) + offset
            rest = at % grid.step / grid.step
            if not rest.any():
                return np.asarray(sums[place])
            return np.asarray(sums[place] + np.repeat(rest, count) * values[place])

        grams = integral(zero + starts.length) - integral(zero)
        return cls(zero=zero, count=count, step=grid.step, grams=grams)

    def least(self) -> FloatArray:
        """Return each job's minimum; infinite where it has no candidate."""
        least = np.full(len(self.count), np.inf)
        some = np.flatnonzero(self.count)
        if some.size:
            least[some] = np.minimum.reduceat(self.grams, self._begins[some])
        return least

    def earliest(self, limit: FloatArray) -> IntArray:
        """Return the first start of each job that emits no more than its limit, else the last."""
        hits = np.flatnonzero(self.grams <= np.repeat(limit, self.count))
        begins = self._begins
        place = np.searchsorted(hits, begins)
        hit = np.append(hits, len(self.grams))[place]
        there = hit < begins + self.count
        never = np.iinfo(np.int64).max
        return np.where(there, self.zero + (hit - begins) * self.step, never)

    @property
    def _begins(self) -> IntArray:
        return np.cumsum(self.count) - self.count
