"""Many jobs, many regions, one call: the best window of each by arrays instead of loops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from airflow_carbon.core.errors import (
    InvalidDurationError,
    InvalidInstantError,
    InvalidOptionError,
    InvalidSeriesError,
    NoFeasibleWindowError,
)
from airflow_carbon.core.sweep import Grid, Starts, sweep

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from airflow_carbon.core.intensity import IntensitySeries

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

COLUMNS: Final = ("earliest", "deadline", "duration")

_NOWHERE: Final = -1


def best_windows(
    series: Mapping[str, IntensitySeries],
    jobs: pd.DataFrame,
    *,
    weights: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Return for each job the region and window in which it emits least.

    What :func:`~airflow_carbon.core.window.best_window` finds in each region, best over the
    regions: exact in continuous time, the earliest on a tie, then the region named first.

    ``series`` is by region's name, all of one signal and factor type. ``jobs`` has a row a job:
    ``earliest`` and ``deadline``, instants with a time zone, and ``duration``, timedeltas.
    ``weights`` is what a kWh of the job draws from the grid in each region: its PUE; 1 without.

    The answer has the index of the jobs: ``region``, ``start``, ``end``, ``mean_g_per_kwh`` of
    the grid, and ``g_per_it_kwh``, that times the weight [gCO2eq/kWh]. Where no series covers a
    window of a job, they are missing.

    Raises:
        InvalidOptionError: a column or a region's weight is missing.
        InvalidInstantError, InvalidDurationError: a column can't be read.
        NoFeasibleWindowError: a job does not fit; the first is named.
        InvalidSeriesError: average and marginal, or lifecycle and direct, in one call.
    """
    check_kinds(series.values())
    earliest, deadline, duration = _read(jobs)
    names = list(series)
    weight = np.array([weight_of(weights, name) for name in names])
    best = _Best.none(len(jobs))
    for members in _grids(series).values():
        grid = Grid.of([series[names[i]] for i in members], weight[members])
        first = np.maximum(earliest, grid.begins) - grid.begins
        last = np.minimum(deadline, grid.ends) - duration - grid.begins
        fits = np.flatnonzero(first <= last)
        starts = Starts(first=first[fits], last=last[fits], length=duration[fits])
        region, start, grams = sweep(grid, starts)
        best.improve(fits, np.asarray(members)[region], grid.begins + start, grams)
    return best.table(jobs, names, weight, duration)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Best:
    """The best so far of each job; instants in microseconds since the epoch."""

    region: IntArray
    start: IntArray
    g_per_kwh: FloatArray

    @classmethod
    def none(cls, count: int) -> _Best:
        return cls(
            region=np.full(count, _NOWHERE),
            start=np.zeros(count, dtype=np.int64),
            g_per_kwh=np.full(count, np.inf),
        )

    def improve(self, jobs: IntArray, region: IntArray, start: IntArray, grams: FloatArray) -> None:
        old = self.g_per_kwh[jobs]
        sooner = (start < self.start[jobs]) | (
            (start == self.start[jobs]) & (region < self.region[jobs])
        )
        better = (grams < old) | ((grams == old) & sooner)
        at = jobs[better]
        self.region[at], self.start[at] = region[better], start[better]
        self.g_per_kwh[at] = grams[better]

    def table(
        self, jobs: pd.DataFrame, names: list[str], weight: FloatArray, duration: IntArray
    ) -> pd.DataFrame:
        found = self.region != _NOWHERE
        at = np.where(found, self.start, np.iinfo(np.int64).min)
        start = pd.to_datetime(at.astype("datetime64[us]"), utc=True)
        grams = np.where(found, self.g_per_kwh, np.nan)
        return pd.DataFrame(
            {
                "region": pd.Categorical.from_codes(self.region, categories=pd.Index(names)),
                "start": start,
                "end": start + pd.to_timedelta(duration.astype("timedelta64[us]")),
                "mean_g_per_kwh": grams / weight[self.region],
                "g_per_it_kwh": grams,
            },
            index=jobs.index,
        )


def _read(jobs: pd.DataFrame) -> tuple[IntArray, IntArray, IntArray]:
    """Return earliest, deadline and duration in microseconds."""
    for name in COLUMNS:
        if name not in jobs:
            remedy = f"the jobs need the columns {', '.join(COLUMNS)}"
            raise InvalidOptionError("jobs", list(jobs.columns), remedy)
    earliest, deadline = (_instants(name, jobs[name]) for name in COLUMNS[:2])
    duration = _lengths(jobs["duration"])
    if (late := np.flatnonzero(deadline - duration < earliest)).size:
        row = jobs.iloc[late[0]]
        raise NoFeasibleWindowError(
            row["duration"].to_pytimedelta(),
            row["earliest"].to_pydatetime(),
            row["deadline"].to_pydatetime(),
        )
    return earliest, deadline, duration


def _instants(name: str, column: pd.Series) -> IntArray:
    if not isinstance(column.dtype, pd.DatetimeTZDtype) or column.isna().any():
        raise InvalidInstantError(name, column.dtype if not column.isna().any() else pd.NaT)
    return pd.DatetimeIndex(column).as_unit("us").asi8


def _lengths(column: pd.Series) -> IntArray:
    if column.dtype.kind != "m" or column.isna().any():
        raise InvalidDurationError("duration", column.dtype)
    lengths = pd.TimedeltaIndex(column).as_unit("us").asi8
    if (none := np.flatnonzero(lengths <= 0)).size:
        raise InvalidDurationError("duration", column.iloc[none[0]])
    return lengths


def weight_of(weights: Mapping[str, float] | None, name: str) -> float:
    """Return a region's weight, 1 without any.

    Raises:
        InvalidOptionError: it is missing, or not a number above 0.
    """
    if weights is None:
        return 1.0
    if name not in weights or not 0 < weights[name] < float("inf"):
        raise InvalidOptionError("weights", weights.get(name), f"{name} needs a number above 0")
    return float(weights[name])


def check_kinds(series: Iterable[IntensitySeries]) -> None:
    """Check that all are of one signal and factor type.

    Raises:
        InvalidSeriesError: they are not.
    """
    kinds = {(one.signal, one.factor_type): one for one in series}
    if len(kinds) > 1:
        (_, one), (other, _) = list(kinds.items())[:2]
        raise InvalidSeriesError(one.zone, f"it is not {' '.join(other)}, as others are")


def _grids(series: Mapping[str, IntensitySeries]) -> dict[object, list[int]]:
    """Return the places of the series that share begin, step and length."""
    grids: dict[object, list[int]] = {}
    for i, one in enumerate(series.values()):
        grids.setdefault((one.begins, one.step, len(one.g_per_kwh)), []).append(i)
    return grids
