"""A fleet's choices as arrays: each start of each job in each region, and the slots it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from airflow_carbon.core.units import HOUR

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from numpy.typing import NDArray

    from airflow_carbon.core.fleet import FleetJob
    from airflow_carbon.core.flexibility import Span
    from airflow_carbon.core.intensity import IntensitySeries

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]
    BoolArray = NDArray[np.bool_]

MOST_CHOICES: Final = 3_000_000
"""Starts times regions; the cells are made longer until there are no more."""

LEFT_OUT: Final = 10.0
"""To leave a job out counts as so many times the dearest window of all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fleet:
    """J jobs, their S starts one job after the other, R regions, and W cells of time.

    ``grams`` (S x R) is what a start emits in a region [gCO2eq], infinite where it can't be.
    From start *s* job ``job[s]`` takes the cells ``first[s]`` to ``last[s]``, the latter
    excluded. ``slots`` has a row of W for each of the R regions, then one for each pool;
    ``pool[j]`` is the row of a job's pool, none: -1.
    """

    starts: Sequence[datetime]
    job: IntArray
    first: IntArray
    last: IntArray
    grams: FloatArray
    slots: FloatArray
    pool: IntArray

    @property
    def count(self) -> int:
        """The number of jobs."""
        return len(self.pool)

    @property
    def penalty(self) -> float:
        """What leaving a job out counts as [gCO2eq]."""
        known = self.grams[np.isfinite(self.grams)]
        return LEFT_OUT * max(float(known.max(initial=0.0)), 1.0)

    def only(self, jobs: BoolArray) -> Fleet:
        """Return the fleet of some of the jobs."""
        kept = jobs[self.job]
        return replace(
            self,
            starts=[start for start, keep in zip(self.starts, kept, strict=True) if keep],
            job=(np.cumsum(jobs) - 1)[self.job[kept]],
            first=self.first[kept],
            last=self.last[kept],
            grams=self.grams[kept],
            pool=self.pool[jobs],
        )

    def priced(self, prices: FloatArray) -> FloatArray:
        """Return grams and the prices of the slots that are taken, together (S x R)."""
        return np.asarray(self.grams + self._paid(prices))

    def _paid(self, prices: FloatArray) -> FloatArray:
        sums = np.concatenate((np.zeros((len(prices), 1)), np.cumsum(prices, axis=1)), axis=1).T
        regions = self.grams.shape[1]
        paid = sums[self.last] - sums[self.first]
        if len(self.slots) == regions:
            return np.asarray(paid)
        pool = self.pool[self.job]
        fee = np.where(pool < 0, 0.0, paid[np.arange(len(pool)), pool])
        return np.asarray(paid[:, :regions] + fee[:, None])

    def least(self, priced: FloatArray) -> tuple[FloatArray, IntArray, IntArray]:
        """Return each job's least price, and the start and region that have it."""
        region = priced.argmin(axis=1)
        value = priced[np.arange(len(priced)), region]
        least = np.full(self.count, np.inf)
        np.minimum.at(least, self.job, value)
        hits = np.flatnonzero(value <= least[self.job])
        start = np.zeros(self.count, dtype=np.int64)
        start[self.job[hits][::-1]] = hits[::-1]
        return least, start, region[start]

    def fits(self, free: FloatArray) -> BoolArray:
        """Tell which choices find a free slot in all of their cells (S x R)."""
        return np.isfinite(self.grams) & (self._paid(np.where(free < 1, 1.0, 0.0)) <= 0)

    def rows(self, start: int, region: int) -> list[int]:
        """Return the rows of slots that a choice takes from."""
        pool = int(self.pool[self.job[start]])
        return [region] if pool < 0 else [region, pool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Slots:
    """How many jobs run at once, by region and by pool; what is not named is not limited.

    ``taken``: spans in which a slot of a region or a pool serves others.
    """

    regions: Mapping[str, int]
    pools: Mapping[str, int]
    taken: Mapping[str, Iterable[Span]]


def build(
    series: Mapping[str, IntensitySeries],
    jobs: Sequence[FleetJob],
    weight: FloatArray,
    slots: Slots,
) -> Fleet:
    """Build the arrays; slots are taken by whole cells."""
    if not jobs:
        none = np.zeros(0, dtype=np.int64)
        grams, slot_rows = np.zeros((0, len(series))), np.zeros((len(series), 1))
        return Fleet(
            starts=[], job=none, first=none, last=none, grams=grams, slots=slot_rows, pool=none
        )
    cells = _Cells.of(series, jobs)
    starts = [(j, at) for j, one in enumerate(jobs) for at in cells.starts(one)]
    job = np.array([j for j, _ in starts])
    begin = np.array([(at - cells.zero).total_seconds() for _, at in starts])
    length = np.array([one.flex.duration.total_seconds() for one in jobs])
    seconds = cells.size.total_seconds()
    last = np.ceil((begin + length[job]) / seconds - 1e-9).astype(np.int64)
    pools = [name for name in dict.fromkeys(one.pool for one in jobs) if name in slots.pools]
    rows = [(name, slots.regions.get(name, len(jobs))) for name in series]
    rows += [(name, slots.pools[name]) for name in pools if name is not None]
    place = {name: len(series) + i for i, name in enumerate(pools)}
    columns = [
        w * _grams(one, cells.zero, jobs, job, begin)
        for one, w in zip(series.values(), weight, strict=True)
    ]
    allowed = np.array([[one.regions is None or n in one.regions for n in series] for one in jobs])
    return Fleet(
        starts=[at for _, at in starts],
        job=job,
        first=(begin // seconds).astype(np.int64),
        last=last,
        grams=np.where(allowed[job], np.stack(columns, axis=1), np.inf),
        slots=np.stack(
            [cells.free(count, slots.taken.get(n, ()), last.max()) for n, count in rows]
        ),
        pool=np.array([place.get(one.pool, -1) for one in jobs]),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cells:
    """Time in equal cells from ``zero`` on."""

    zero: datetime
    size: timedelta

    @classmethod
    def of(cls, series: Mapping[str, IntensitySeries], jobs: Sequence[FleetJob]) -> Self:
        finest = min(series.values(), key=lambda one: one.step)
        zero = min(one.flex.earliest for one in jobs)
        zero -= (zero - finest.begins) % finest.step
        size = finest.step
        while len(series) * sum(_count(one, size) for one in jobs) > MOST_CHOICES:
            size *= 2
        return cls(zero=zero, size=size)

    def starts(self, job: FleetJob) -> list[datetime]:
        """Return when a job may start: when it first can, and at the edges of cells."""
        found: list[datetime] = []
        for first, last in job.flex.starts:
            edge = first + -(first - self.zero) % self.size
            found.append(first)
            while edge <= last:
                if edge != first:
                    found.append(edge)
                edge += self.size
        return found

    def free(self, slots: int, taken: Iterable[Span], count: int) -> FloatArray:
        """Return the slots that others leave free, a cell each."""
        free: FloatArray = np.full(int(count), float(slots))
        for begin, end in taken:
            first, last = (begin - self.zero) // self.size, -((self.zero - end) // self.size)
            free[max(first, 0) : max(last, 0)] -= 1
        return np.asarray(np.maximum(free, 0.0))


def _count(job: FleetJob, size: timedelta) -> int:
    return sum((last - first) // size + 1 for first, last in job.flex.starts)


def _grams(
    series: IntensitySeries,
    zero: datetime,
    jobs: Sequence[FleetJob],
    job: IntArray,
    begin: FloatArray,
) -> FloatArray:
    """Return what each start emits [gCO2eq], infinite where the series does not cover it."""
    at = begin - (series.begins - zero).total_seconds()
    length = np.array([one.flex.duration.total_seconds() for one in jobs])[job]
    covered = (at >= 0) & (at + length <= series.offset(series.ends))
    grams, done = np.zeros_like(at), at
    parts = [_parts(one) for one in jobs]
    for i in range(max(len(one) for one in parts)):
        share = np.array([one[i] if i < len(one) else (0.0, 0.0) for one in parts])[job]
        until = done + share[:, 0]
        grams += share[:, 1] * (series.integral(until) - series.integral(done))
        done = until
    grams[~covered] = np.inf
    return np.asarray(grams / HOUR.total_seconds())


def _parts(job: FleetJob) -> list[tuple[float, Any]]:
    """Return the length [s] and the power [kW] of each part of a job."""
    if not job.flex.phases:
        return [(job.flex.duration.total_seconds(), job.power_kw)]
    parts = [(one.duration.total_seconds(), one.power) for one in job.flex.phases]
    mean = sum(s * p for s, p in parts) / job.flex.duration.total_seconds()
    return [(s, job.power_kw * p / mean) for s, p in parts]
