"""Carbon intensity over time, as steps: a value is the mean of its interval."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from airflow_carbon.core.errors import ForecastCoverageError, InvalidSeriesError
from airflow_carbon.core.units import GramsPerKWh, ZoneKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]


class Signal(StrEnum):
    """What the intensity says; the two are never compared or mixed."""

    AVERAGE = "average"
    """Emissions of all generation over all generation: what one reports."""
    MARGINAL = "marginal"
    """Emissions of the plant that answers one more kWh."""


class FactorType(StrEnum):
    """Which emissions a kWh of each fuel is charged with."""

    LIFECYCLE = "lifecycle"
    """From building the plant to burning the fuel."""
    DIRECT = "direct"
    """From the stack alone (GHG Protocol, scope 2)."""


class Quality(StrEnum):
    """How good a statement about intensity is, best first."""

    ACTUAL = "actual"
    """Measured or estimated after the fact."""
    ISSUED = "issued"
    """The newest forecast of the service."""
    CORRECTED = "corrected"
    """The newest forecast of the service, corrected by what was observed since."""
    STALE = "stale"
    """An earlier issue of the service that still covers the job."""
    CLIMATOLOGY = "climatology"
    """A typical day of that zone and season."""
    STATIC = "static"
    """A yearly average: no hour is better than another."""


@dataclass(frozen=True, kw_only=True, eq=False)
class IntensitySeries:
    """Carbon intensity of one zone on an even grid of time.

    Value ``i`` [gCO2eq/kWh] is the mean over ``[begins + i*step, begins + (i+1)*step)``.
    ``filled`` counts the values that the source lacked and that lie on a straight line between
    their neighbours.

    Raises:
        InvalidSeriesError: no value, NaN, a negative or infinite value, a naive
            ``begins`` or a ``step`` that is not positive.
    """

    zone: ZoneKey
    begins: datetime
    step: timedelta
    g_per_kwh: FloatArray
    signal: Signal = Signal.AVERAGE
    factor_type: FactorType = FactorType.LIFECYCLE
    filled: int = 0

    def __post_init__(self) -> None:
        values = np.array(self.g_per_kwh, dtype=np.float64)
        if values.ndim != 1 or len(values) == 0:
            raise InvalidSeriesError(self.zone, "it has no values")
        if np.isnan(values).any():
            raise InvalidSeriesError(
                self.zone, f"{int(np.isnan(values).sum())} of {len(values)} values are missing"
            )
        if np.isinf(values).any() or (values < 0).any():
            fault = "intensities are finite and not negative [gCO2eq/kWh]"
            raise InvalidSeriesError(self.zone, fault)
        if self.begins.tzinfo is None:
            raise InvalidSeriesError(self.zone, f"its begin {self.begins} has no time zone")
        if self.step <= timedelta(0):
            raise InvalidSeriesError(self.zone, f"its step of {self.step} is not positive")
        values.setflags(write=False)
        object.__setattr__(self, "g_per_kwh", values)
        object.__setattr__(self, "begins", self.begins.astimezone(UTC))

    @classmethod
    def from_pandas(
        cls,
        series: pd.Series[float],
        *,
        zone: str = "series",
        signal: Signal = Signal.AVERAGE,
        factor_type: FactorType = FactorType.LIFECYCLE,
    ) -> IntensitySeries:
        """Build from a series [gCO2eq/kWh] indexed by the aware instants at which steps begin.

        Raises:
            InvalidSeriesError: also for an index that is naive, unsorted, uneven, has
                duplicates, or is shorter than two rows (a step can't be told from one).
        """
        index = series.index
        if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
            fault = "its index must be a DatetimeIndex with a time zone (tz_localize it)"
            raise InvalidSeriesError(zone, fault)
        if len(index) < 2:  # noqa: PLR2004 - two rows make a step
            raise InvalidSeriesError(zone, "it needs two rows or more, so that its step is known")
        if index.has_duplicates:
            repeated = index[index.duplicated()][0]
            raise InvalidSeriesError(zone, f"{repeated} is there more than once")
        if not index.is_monotonic_increasing:
            raise InvalidSeriesError(zone, "its instants are not in order")
        nanoseconds = index.as_unit("ns").asi8
        gaps = np.diff(nanoseconds)
        step = int(gaps.min())
        if (gaps != step).any():
            i = int(np.argmax(gaps != step))
            found, usual = pd.Timedelta(gaps[i]), pd.Timedelta(step)
            fault = (
                f"its steps are uneven: the row after {index[i]} is {found.to_pytimedelta()} "
                f"later, where others are {usual.to_pytimedelta()}; fill the gap, or cut it off"
            )
            raise InvalidSeriesError(zone, fault)
        return cls(
            zone=ZoneKey(zone),
            begins=index[0].tz_convert(UTC).to_pydatetime(warn=False),
            step=timedelta(microseconds=step / 1000),
            g_per_kwh=np.asarray(series, dtype=np.float64),
            signal=signal,
            factor_type=factor_type,
        )

    def to_pandas(self) -> pd.Series[float]:
        """Return the values [gCO2eq/kWh] indexed by the UTC instants at which steps begin."""
        index = pd.date_range(self.begins, periods=len(self.g_per_kwh), freq=self.step, name="utc")
        return pd.Series(self.g_per_kwh, index=index, name=str(self.zone))

    @property
    def ends(self) -> datetime:
        """The instant at which the last step ends."""
        return self.begins + len(self.g_per_kwh) * self.step

    def covers(self, begin: datetime, end: datetime) -> bool:
        """Tell whether ``[begin, end)`` lies inside the series."""
        return self.begins <= begin and end <= self.ends

    def offset(self, at: datetime) -> float:
        """Return the seconds from the series' begin to an instant."""
        return (at - self.begins).total_seconds()

    def at(self, seconds: float) -> datetime:
        """Return the instant so many seconds after the series' begin."""
        return self.begins + timedelta(seconds=seconds)

    def integral(self, seconds: FloatArray) -> FloatArray:
        """Return the integral from the begin to each offset [g/kWh x s]; exact on the steps."""
        step = self.step.total_seconds()
        sums = np.concatenate(([0.0], np.cumsum(self.g_per_kwh))) * step
        return np.interp(seconds, np.arange(len(sums)) * step, sums)

    def mean_over(self, starts: FloatArray, duration: timedelta) -> FloatArray:
        """Return the mean [g/kWh] of windows that start at offsets [s] from the begin."""
        length = duration.total_seconds()
        return (self.integral(starts + length) - self.integral(starts)) / length

    def mean(self, begin: datetime, end: datetime) -> GramsPerKWh:
        """Return the mean intensity over ``[begin, end)`` [g/kWh].

        Raises:
            ForecastCoverageError: the span is empty or not wholly inside the series.
        """
        if not (begin < end and self.covers(begin, end)):
            raise ForecastCoverageError(self.begins, self.ends)
        return GramsPerKWh(float(self.mean_over(np.array([self.offset(begin)]), end - begin)[0]))

    def shifted(self, by: timedelta) -> IntensitySeries:
        """Return the same values at another time."""
        return replace(self, begins=self.begins + by)


@dataclass(frozen=True, kw_only=True, eq=False)
class Forecast:
    """What a source said at ``issued_at`` about the intensity to come.

    The first step may be the one already running at ``issued_at``. ``rmse_g_per_kwh``, where it
    is known, is how far off each step may be: the root mean square error of earlier issues at
    that lead time [gCO2eq/kWh].
    """

    series: IntensitySeries
    issued_at: datetime
    source: str
    quality: Quality = Quality.ISSUED
    rmse_g_per_kwh: FloatArray | None = None

    @property
    def errors(self) -> FloatArray | None:
        """``rmse_g_per_kwh``, None also where it does not fit the steps."""
        rmse = self.rmse_g_per_kwh
        return rmse if rmse is not None and len(rmse) == len(self.series.g_per_kwh) else None

    def spread(self, begin: datetime, end: datetime) -> float | None:
        """Return how far off the mean over ``[begin, end)`` may be [gCO2eq/kWh].

        As if the errors of all steps went together, which they nearly do within a window. None
        where it is not known.
        """
        if self.errors is None:
            return None
        errors = replace(self.series, g_per_kwh=self.errors)
        return errors.mean(begin, end) if errors.covers(begin, end) else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Survey:
    """Intensity over a span that has passed or partly passed, and how good it is."""

    series: IntensitySeries
    source: str
    quality: Quality
