"""What a running job was promised, small enough to be kept beside it, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from airflow_carbon.core.drift import has_drifted
from airflow_carbon.core.errors import InvalidSeriesError
from airflow_carbon.core.intensity import FactorType, IntensitySeries, Signal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_carbon.core.costs import Drift
    from airflow_carbon.core.intensity import Forecast


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """The forecast by which a job runs [gCO2eq/kWh], and the source that has to keep it."""

    series: IntensitySeries
    source: str

    @classmethod
    def of(cls, forecast: Forecast, *, begin: datetime, until: datetime) -> Self:
        """Return what a forecast promises of a span, in whole steps."""
        series = forecast.series
        first = max(0, (begin - series.begins) // series.step)
        last = max(first + 1, -((series.begins - until) // series.step))
        first = min(first, len(series.g_per_kwh) - 1)
        kept = IntensitySeries(
            zone=series.zone,
            begins=series.begins + first * series.step,
            step=series.step,
            g_per_kwh=series.g_per_kwh[first:last],
            signal=series.signal,
            factor_type=series.factor_type,
        )
        return cls(series=kept, source=forecast.source)

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Self:
        """Read plain values, as :meth:`as_dict` returns them."""
        series = IntensitySeries(
            zone=value["zone"],
            begins=datetime.fromisoformat(value["begins"]),
            step=timedelta(seconds=value["step_s"]),
            g_per_kwh=value["g_per_kwh"],
            signal=Signal(value["signal"]),
            factor_type=FactorType(value["factor_type"]),
        )
        return cls(series=series, source=value["source"])

    def as_dict(self) -> dict[str, Any]:
        """Return plain values: strings in ISO 8601 (UTC), numbers and a list of them."""
        return {
            "source": self.source,
            "zone": str(self.series.zone),
            "begins": self.series.begins.isoformat(),
            "step_s": self.series.step.total_seconds(),
            "g_per_kwh": [round(value, 3) for value in self.series.g_per_kwh.tolist()],
            "signal": self.series.signal.value,
            "factor_type": self.series.factor_type.value,
        }

    def is_broken(
        self, actual: IntensitySeries | None, *, since: datetime, now: datetime, drift: Drift
    ) -> bool:
        """Tell whether reality has drifted from it; what can't be compared has not."""
        if actual is None:
            return False
        try:
            return has_drifted(self.series, actual, since=since, now=now, drift=drift)
        except InvalidSeriesError:
            return False
