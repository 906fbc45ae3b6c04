"""Where to run: region and window together, by what the job would emit."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_carbon.core.errors import ForecastCoverageError
from airflow_carbon.core.units import GramsPerKWh
from airflow_carbon.core.window import Window, best_window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.intensity import Forecast
    from airflow_carbon.core.region import Region


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """A region and the window to run in there.

    ``g_per_it_kwh`` is what a kWh of the job itself emits there, the data centre's
    overhead included [gCO2eq/kWh].
    """

    region: Region
    window: Window
    forecast: Forecast
    g_per_it_kwh: GramsPerKWh


def rank(
    regions: Mapping[Region, Forecast | None], flex: Flexibility
) -> tuple[list[Placement], dict[Region, str]]:
    """Return placements by rising emissions, and why the other regions are left out.

    A tie goes to the earlier start, then to the name. Average and marginal, lifecycle and
    direct don't compare: where a source of another kind had to stand in for some regions, the
    kind that most regions have is ranked (the first named, on a tie), and the others are left out.
    """
    kinds = Counter(_kind(forecast) for forecast in regions.values() if forecast)
    kind = max(kinds, key=kinds.__getitem__, default=None)
    placements: list[Placement] = []
    left_out: dict[Region, str] = {}
    for region, forecast in regions.items():
        if forecast is None:
            left_out[region] = f"no source knows the intensity of {region.zone}"
            continue
        if _kind(forecast) != kind:
            left_out[region] = (
                f"its {' '.join(_kind(forecast))} intensity, of {forecast.source}, "
                "does not compare with the others'"
            )
            continue
        try:
            window = best_window(forecast.series, flex)
        except ForecastCoverageError as exc:
            left_out[region] = str(exc)
            continue
        grams = GramsPerKWh(window.mean_g_per_kwh * region.pue_or_default)
        placements.append(
            Placement(region=region, window=window, forecast=forecast, g_per_it_kwh=grams)
        )
    placements.sort(key=lambda p: (round(p.g_per_it_kwh, 6), p.window.start, p.region.name))
    return placements, left_out


def _kind(forecast: Forecast) -> tuple[str, str]:
    return forecast.series.signal, forecast.series.factor_type
