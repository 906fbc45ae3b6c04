"""What was at the same time of earlier days and weeks, the older the less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from airflow_carbon.core.climatology import DAY
from airflow_carbon.core.units import EPOCH

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

FADES_DAYS: Final = (4.0, 7.0, 28.0)
"""By then a day counts for 1/e: days, a week, a season."""

_WEEKS_FADE: Final = 3.0
"""By then a week counts for 1/e."""

_BORROWED: Final = (2.0, 4.0)
"""The mean of all days counts as so many days of each kind, over a week and over a season."""

_MONDAY: Final = 3
"""The Unix epoch was a Thursday: three days after a Monday."""

_WORKING_DAYS: Final = 5


def is_weekend(begins: datetime, step: timedelta, steps: IntArray) -> NDArray[np.bool_]:
    """Tell of each step, counted from ``begins``, whether it lies on a Saturday or Sunday (UTC)."""
    seconds = (begins - EPOCH).total_seconds() + steps * step.total_seconds()
    day: FloatArray = np.floor(seconds / DAY.total_seconds())
    return (day + _MONDAY) % 7 >= _WORKING_DAYS


@dataclass(frozen=True, kw_only=True, eq=False)
class SameTime:
    """Means of a series over the same time of earlier days, and of earlier weeks.

    ``days`` has a row for each step and kind of day, working days first, and one of NaN for what
    is not known: the fading means of the steps whole days before, itself included, over days, a
    week of that kind, a season, a season of that kind. ``weeks`` is the same for whole weeks.
    """

    days: FloatArray
    weeks: FloatArray
    begins: datetime
    step: timedelta

    @classmethod
    def of(cls, values: FloatArray, begins: datetime, step: timedelta) -> Self:
        """Average what is known."""
        day = max(1, DAY // step)
        weekend = is_weekend(begins, step, np.arange(len(values)))
        kinds = np.stack([values, *(np.where(weekend == kind, values, np.nan) for kind in (0, 1))])
        sums, weights = _faded(kinds[:, None], day, np.exp(-1 / np.array(FADES_DAYS))[:, None])
        near, week, season = (_ratio(sums[0, i], weights[0, i]) for i in range(len(FADES_DAYS)))
        by_kind = [
            (sums[1:, i] + borrowed * usual) / (weights[1:, i] + borrowed)
            for i, usual, borrowed in zip((1, 2), (week, season), _BORROWED, strict=True)
        ]
        columns = np.broadcast_arrays(near, by_kind[0], season, by_kind[1])
        days = np.stack(columns, axis=-1).reshape(-1, len(columns))
        weeks = fading(values, 7 * day, _WEEKS_FADE)
        return cls(
            days=np.vstack((days, np.full((1, days.shape[1]), np.nan))),
            weeks=weeks,
            begins=begins,
            step=step,
        )

    def usual(self, at: IntArray, asked: IntArray) -> FloatArray:
        """Return five ways to say what is usual at the steps, as known before they were asked.

        Over days, a week of days of that kind, a season, a season of days of that kind, and the
        same day of the week; NaN where nothing is known. The last axis has them.
        """
        count, day = len(self.weeks), max(1, DAY // self.step)
        newest = at - -((asked - 1 - at) // day) * day
        row = newest + count * is_weekend(self.begins, self.step, at)
        row = np.where((newest >= 0) & (newest < count), row, 2 * count)
        last = at - -((asked - 1 - at) // (7 * day)) * 7 * day
        return np.concatenate((self.days[row], pick(self.weeks, last)[..., None]), axis=-1)

    def departure(self, values: FloatArray, at: IntArray) -> FloatArray:
        """Return by how much the values at the steps lie above the season's usual until then."""
        before = at - max(1, DAY // self.step)
        return pick(values, at) - pick(self.days[: len(self.weeks), 2], before)


def pick(values: FloatArray, at: IntArray) -> FloatArray:
    """Return the values at steps, NaN outside."""
    padded = np.append(values, np.nan)
    return padded[np.where((at >= 0) & (at < len(values)), at, len(values))]


def fading(values: FloatArray, lag: int, fades: float) -> FloatArray:
    """Return the mean of each step and the steps whole lags before it, fading in so many lags."""
    return _ratio(*_faded(values, lag, np.exp(-1 / np.array([fades]))))


def _ratio(total: FloatArray, weight: FloatArray) -> FloatArray:
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), np.nan)


def _faded(values: FloatArray, lag: int, keep: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the sums over every ``lag``-th earlier step, fading by ``keep``, and their weights."""
    rows = -(-values.shape[-1] // lag)
    front = rows * lag - values.shape[-1]
    known = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(front, 0)], constant_values=np.nan)
    known = known.reshape(*values.shape[:-1], rows, lag)
    shape = np.broadcast_shapes(known.shape[:-2], keep.shape[:-1])
    both = np.stack([np.nan_to_num(known), ~np.isnan(known)])
    both = np.array(np.broadcast_to(both, (2, *shape, rows, lag)))
    for row in range(1, rows):
        both[..., row, :] += keep * both[..., row - 1, :]
    sums, weights = both.reshape(2, *shape, rows * lag)[..., front:]
    return sums, weights
