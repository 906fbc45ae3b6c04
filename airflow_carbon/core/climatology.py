"""A forecast of our own: what a zone's history says about the hours to come."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from airflow_carbon.core.errors import ForecastCoverageError
from airflow_carbon.core.units import EPOCH, HOUR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_carbon.core.intensity import IntensitySeries

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

DAY: Final = timedelta(days=1)

MEMORY: Final = timedelta(days=28)
"""How much of the history makes the profile: a month knows its season."""

LEVEL_FADES: Final = timedelta(hours=36)
"""By then the level of the last day counts for 1/e."""

LAST_FADES: Final = timedelta(hours=5)
"""By then the departure of the last step from the profile counts for 1/e."""

_BORROWED_DAYS: Final = 4.0
"""The profile over all days counts as so many days of each kind."""

_MONDAY: Final = 3
"""The Unix epoch was a Thursday: three days after a Monday."""

_WORKING_DAYS: Final = 5


def climatology(
    history: IntensitySeries,
    *,
    begin: datetime,
    end: datetime,
    utc_offset: timedelta = timedelta(0),
) -> IntensitySeries:
    """Return what is usual over ``[begin, end)`` [gCO2eq/kWh], on the grid of the history.

    A profile by time of day and kind of day (working day or weekend) over the last
    :data:`MEMORY`, raised by how far the last day and the last step lie above it; both fade
    exponentially with lead time. ``utc_offset`` says when a day begins there. The first step
    returned is the one that holds ``begin``; the series reaches at least to ``end``.

    Raises:
        ForecastCoverageError: the span is empty, or begins before the history ends.
    """
    if not history.ends <= begin < end:
        raise ForecastCoverageError(history.begins, history.ends)
    step, count = history.step, len(history.g_per_kwh)
    first = count + (begin - history.ends) // step
    last = count - (history.ends - end) // step
    recent = np.arange(max(0, count - max(1, MEMORY // step)), count)
    ahead = np.arange(first, last)
    usual = _profile(history, recent, np.concatenate((recent, ahead)), utc_offset)
    surplus = history.g_per_kwh[recent] - usual[: len(recent)]
    lead = (ahead - count + 1) * (step / HOUR)
    level = surplus[-max(1, DAY // step) :].mean()
    values = usual[len(recent) :] + level * np.exp(-lead / (LEVEL_FADES / HOUR))
    values += (surplus[-1] - level) * np.exp(-lead / (LAST_FADES / HOUR))
    begins = history.begins + int(first) * step
    return replace(history, begins=begins, g_per_kwh=np.maximum(values, 0.0), filled=0)


def _profile(
    history: IntensitySeries, seen: IntArray, wanted: IntArray, utc_offset: timedelta
) -> FloatArray:
    """Return the usual intensity [gCO2eq/kWh] at the wanted steps, learnt from the seen ones."""
    slot, weekend = _calendar(history, seen, utc_offset)
    slot_wanted, weekend_wanted = _calendar(history, wanted, utc_offset)
    slots = int(max(slot.max(), slot_wanted.max())) + 1
    values = history.g_per_kwh[seen]
    mean = float(values.mean())
    number = np.bincount(slot, minlength=slots)
    total = np.bincount(slot, weights=values, minlength=slots)
    daily = np.where(number > 0, total / np.maximum(number, 1), mean)
    kinds = weekend * slots + slot
    number = np.bincount(kinds, minlength=2 * slots)
    total = np.bincount(kinds, weights=values, minlength=2 * slots)
    by_kind = (total + _BORROWED_DAYS * np.tile(daily, 2)) / (number + _BORROWED_DAYS)
    return np.asarray(by_kind[weekend_wanted * slots + slot_wanted], dtype=np.float64)


def _calendar(
    history: IntensitySeries, steps: IntArray, utc_offset: timedelta
) -> tuple[IntArray, IntArray]:
    """Return each step's place in its day, and 1 where that day is a weekend's."""
    zero = (history.begins + utc_offset - EPOCH).total_seconds()
    seconds = zero + steps * history.step.total_seconds()
    day = np.floor(seconds / DAY.total_seconds())
    slot = (seconds - day * DAY.total_seconds()) // history.step.total_seconds()
    weekend = (day + _MONDAY) % 7 >= _WORKING_DAYS
    return slot.astype(np.int64), weekend.astype(np.int64)
