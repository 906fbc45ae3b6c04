"""What one may tell the true intensity from, at the age that an issue has now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from airflow_carbon.core.climatology import DAY
from airflow_carbon.core.sametime import SameTime, fading, is_weekend, pick
from airflow_carbon.core.units import HOUR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from airflow_carbon.core.intensity import Forecast, IntensitySeries

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

SEASON: Final = 28 * DAY
"""The spread of so much of the history before an issue is asked is its unit."""

_BIAS_FADES: Final = 14.0
"""By then the error of a day counts for 1/e."""

CLUES: Final = 16
"""How many clues there are."""

_RECENT: Final = (HOUR, 3 * HOUR, DAY)
"""How far back the errors of an issue are averaged, at most."""

_LEVELS: Final = (6 * HOUR, DAY, 3 * DAY, 7 * DAY)
"""How far back the departure from what is usual is averaged."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """Issues on the steps of the newest one, each as it looked at the newest one's age.

    ``actual`` has one value a step from the begin of the history to now, ``bias`` what the errors
    of the issues usually were at that time of day until then. ``issues``
    has a row an issue, oldest first; row *r* begins at step ``begins[r]``, is asked at step
    ``asked[r]``, and its unit is ``spread[r]`` [gCO2eq/kWh]. NaN is what is not known.
    """

    actual: FloatArray
    bias: FloatArray
    issues: FloatArray
    begins: IntArray
    asked: IntArray
    spread: FloatArray
    same: SameTime

    @classmethod
    def of(cls, issues: Sequence[Forecast], history: IntensitySeries) -> Self:
        """Lay out the issues, newest last, all of the newest one's step."""
        newest = issues[-1].series
        step = newest.step
        zero = newest.begins - (newest.begins - history.begins) // step * step
        count = (history.ends - zero) // step
        edges = np.arange(count, dtype=np.float64) * step.total_seconds()
        actual = history.mean_over(history.offset(zero) + edges, step)
        begins = np.array([round((one.series.begins - zero) / step) for one in issues])
        rows = np.full((len(issues), max(len(one.series.g_per_kwh) for one in issues)), np.nan)
        for row, one in zip(rows, issues, strict=True):
            row[: len(one.series.g_per_kwh)] = one.series.g_per_kwh
        missed = np.full(count, np.nan)
        for row, begin in zip(rows, begins, strict=True):
            known = np.arange(max(begin, 0), min(begin + len(row), count))
            missed[known] = actual[known] - row[known - begin]
        asked = begins + (count - begins[-1])
        spread = _spread(actual, asked, max(2, SEASON // step))
        return cls(
            actual=actual,
            bias=fading(missed, max(1, DAY // step), _BIAS_FADES),
            issues=rows,
            begins=begins,
            asked=asked,
            spread=spread,
            same=SameTime.of(actual, zero, step),
        )

    @property
    def age(self) -> int:
        """Steps from the begin of an issue to where it is asked."""
        return int(self.asked[-1] - self.begins[-1])


def clues(asked: Asked, rows: slice, lead: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the clues (issues x leads x 16) and what they should tell (issues x leads).

    In order: the five of :meth:`~airflow_carbon.core.sametime.SameTime.usual` less what was
    issued; the error of the last hour, of the last three, and since issue; the departure of the
    last hour from what is usual; the usual error at that time of day; whether the step lies on a
    weekend; one; the departure of the last six hours, of the last day, three days and week. What
    they should tell is the actual less what was issued. All in units of the row's spread; ``lead``
    counts steps from where an issue is asked.
    """
    same, step, age = asked.same, asked.same.step, asked.age
    day = max(1, DAY // step)
    start, unit = asked.asked[rows, None], asked.spread[rows, None]
    at, issued = start + lead, asked.issues[rows][:, age + lead]
    found = np.empty((*at.shape, CLUES))
    found[..., :5] = (same.usual(at, start) - issued[..., None]) / unit[..., None]
    errors = pick(asked.actual, start - age + np.arange(age)) - asked.issues[rows, :age]
    for i, span in enumerate(_RECENT, start=5):
        found[..., i] = _mean(errors[:, -max(1, span // step) :]) / unit
    hour = np.arange(max(1, HOUR // step))
    found[..., 8] = _mean(same.departure(asked.actual, start - 1 - hour)) / unit
    newest = at - -((start - 1 - at) // day) * day
    found[..., 9] = pick(asked.bias, newest) / unit
    found[..., 10] = is_weekend(same.begins, step, at)
    found[..., 11] = 1.0
    found[..., 12:] = _levels(asked, start) / unit[..., None]
    return np.nan_to_num(found), (pick(asked.actual, at) - issued) / unit


def _levels(asked: Asked, start: IntArray) -> FloatArray:
    """Return the mean departures of the spans before the steps, 0 where nothing is known."""
    count = len(asked.actual)
    departure = asked.same.departure(asked.actual, np.arange(count))
    both = np.stack([np.nan_to_num(departure), ~np.isnan(departure)])
    sums = np.pad(np.cumsum(both, axis=1), ((0, 0), (1, 0)))
    spans = np.array([max(1, span // asked.same.step) for span in _LEVELS])
    end = np.clip(start, 0, count)[..., None]
    total, known = sums[:, end] - sums[:, np.maximum(end - spans, 0)]
    means: FloatArray = total / np.maximum(known, 1)
    return means


def _spread(actual: FloatArray, asked: IntArray, memory: int) -> FloatArray:
    """Return the standard deviation over the steps before each row was asked, never nought."""
    centred = actual - actual.mean() if len(actual) else actual
    sums = np.cumsum(np.pad(np.stack([centred, centred**2]), ((0, 0), (1, 0))), axis=1)
    end = np.clip(asked, 0, len(actual))
    begin = np.maximum(end - memory, 0)
    mean, square = (sums[:, end] - sums[:, begin]) / np.maximum(end - begin, 1)
    known = np.sqrt(np.maximum(square - mean**2, 0.0))
    usual = float(actual.std()) if len(actual) else 0.0
    least = 1e-3 * usual if usual > 0 else 1.0
    return np.where(end - begin > 1, np.maximum(known, least), max(usual, least))


def _mean(values: FloatArray) -> FloatArray:
    """Return the mean of what is known of each row, as a column, 0 where nothing is."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis=-1)
    mean: FloatArray = total / np.maximum(known.sum(axis=-1), 1)
    return mean[:, None]
