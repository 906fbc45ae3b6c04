"""What a run emitted, and how that differs from a stated baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from airflow_carbon.core.energy import EnergyQuality
from airflow_carbon.core.errors import ForecastCoverageError
from airflow_carbon.core.intensity import Quality
from airflow_carbon.core.quantities import energy_text, mass_text
from airflow_carbon.core.units import (
    EPOCH,
    JOULES_PER_KWH,
    GramsCO2eq,
    GramsPerKWh,
    KilowattHours,
    to_kwh,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from numpy.typing import NDArray

    from airflow_carbon.core.energy import EnergyProfile
    from airflow_carbon.core.intensity import IntensitySeries, Survey

ENERGY_UNCERTAINTY: Final[Mapping[EnergyQuality, float]] = {
    EnergyQuality.COUNTER: 0.05,
    EnergyQuality.POWER: 0.05,
    EnergyQuality.MODEL: 0.5,
}
"""Relative uncertainty of energy by method: the gain of NVIDIA's on-board sensors is within
5 % (Yang, Adamek and Armour, SC'24, arXiv:2312.02741); a model of a CPU is within half."""

INTENSITY_UNCERTAINTY: Final[Mapping[Quality, float]] = {
    Quality.ACTUAL: 0.05,
    Quality.ISSUED: 0.1,
    Quality.CORRECTED: 0.1,
    Quality.STALE: 0.2,
    Quality.CLIMATOLOGY: 0.3,
    Quality.STATIC: 0.5,
}
"""Relative uncertainty of intensity by quality: assumptions of this package, stated so that
they can be argued with."""

PUE_UNCERTAINTY: Final = 0.03

CLOCK_ROUNDING_S: Final = 1e-5
"""Unix seconds in float64 are this fine, and better [s]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """Energy and emissions of one run.

    ``energy_kwh`` is what the hardware drew [kWh], before the data centre's overhead
    ``pue``; ``emissions_g`` includes it [gCO2eq], between ``low_g`` and ``high_g``.
    ``mean_g_per_kwh`` is the intensity, weighted by the energy [gCO2eq/kWh]; None for a run
    that drew nothing. ``coverage`` is the share of time whose energy is known.
    """

    energy_kwh: KilowattHours
    pue: float
    emissions_g: GramsCO2eq
    low_g: GramsCO2eq
    high_g: GramsCO2eq
    mean_g_per_kwh: GramsPerKWh | None
    energy_method: str
    intensity_quality: Quality
    coverage: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A run against its baseline [gCO2eq], signed: negative where the run emitted less.

    ``percent`` is relative to the baseline; None where the baseline is 0 g.
    """

    baseline_g: GramsCO2eq
    delta_g: GramsCO2eq
    percent: float | None


def emissions_by_interval(
    profile: EnergyProfile, series: IntensitySeries, pue: float
) -> NDArray[np.float64]:
    """Return what each interval emitted [gCO2eq]; NaN where its energy is missing.

    ``E * PUE * mean intensity over the interval``: energy is even within an interval, so
    an interval that spans several steps of the series is split at their edges by time.
    Reference: ISO/IEC 21031:2024 (SCI), ``O = E * I``.

    Raises:
        ForecastCoverageError: an interval lies outside the series.
    """
    if len(profile) == 0:
        return np.empty(0)
    zero = (series.begins - EPOCH).total_seconds()
    begins, ends = profile.begins - zero, profile.ends - zero
    length = (series.ends - series.begins).total_seconds()
    if begins.min() < -CLOCK_ROUNDING_S or ends.max() > length + CLOCK_ROUNDING_S:
        raise ForecastCoverageError(series.begins, series.ends)
    spans = ends - begins
    edges = np.arange(len(series.g_per_kwh)) * series.step.total_seconds()
    at_once = series.g_per_kwh[np.maximum(np.searchsorted(edges, begins, side="right") - 1, 0)]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (series.integral(ends) - series.integral(begins)) / spans
    means = np.where(spans > 0, means, at_once)
    grams: NDArray[np.float64] = profile.joules / JOULES_PER_KWH * pue * means
    return grams


def footprint(
    profile: EnergyProfile, series: IntensitySeries, *, pue: float, quality: Quality
) -> Footprint:
    """Return the footprint of measured energy under an intensity that changes with time.

    The bounds add the relative uncertainties of energy, PUE and intensity in quadrature.

    Raises:
        ForecastCoverageError: the run lies outside the series.
    """
    grams = float(np.nansum(emissions_by_interval(profile, series, pue)))
    energy = to_kwh(profile.total)
    sigma = _relative_uncertainty(profile, quality)
    return Footprint(
        energy_kwh=energy,
        pue=pue,
        emissions_g=GramsCO2eq(grams),
        low_g=GramsCO2eq(grams * max(0.0, 1 - sigma)),
        high_g=GramsCO2eq(grams * (1 + sigma)),
        mean_g_per_kwh=GramsPerKWh(grams / (energy * pue)) if energy > 0 else None,
        energy_method=profile.method,
        intensity_quality=quality,
        coverage=profile.coverage,
    )


def _relative_uncertainty(profile: EnergyProfile, quality: Quality) -> float:
    total = profile.total
    energy = (
        math.sqrt(
            sum(
                (share * profile.joules_by(method) / total) ** 2
                for method, share in ENERGY_UNCERTAINTY.items()
            )
        )
        if total > 0
        else 0.0
    )
    return math.hypot(energy, PUE_UNCERTAINTY, INTENSITY_UNCERTAINTY[quality])


def baseline_emissions(
    profile: EnergyProfile,
    series: IntensitySeries,
    *,
    pue: float,
    started: datetime,
    submitted: datetime,
) -> GramsCO2eq | None:
    """Return what the same energy would have emitted, begun at submission [gCO2eq].

    Without its pauses: who runs at once does not stop. ``series`` and ``pue`` are those of the
    default region. None where the series does not cover that time: a baseline that can't be
    priced is unknown, not 0 g.
    """
    try:
        grams = emissions_by_interval(
            profile.without_gaps().shifted(submitted - started), series, pue
        )
    except ForecastCoverageError:
        return None
    return GramsCO2eq(float(np.nansum(grams)))


def difference(actual: Footprint, baseline_g: GramsCO2eq | None) -> Difference | None:
    """Return the run minus its baseline; None where the baseline is unknown."""
    if baseline_g is None:
        return None
    delta = actual.emissions_g - baseline_g
    return Difference(
        baseline_g=baseline_g,
        delta_g=GramsCO2eq(delta),
        percent=100 * delta / baseline_g if baseline_g > 0 else None,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Account:
    """A run's footprint beside its baseline, and how both were obtained.

    ``interval_g`` is what each interval of the profile emitted [gCO2eq], NaN where unknown.
    """

    footprint: Footprint
    actual: Survey
    difference: Difference | None
    baseline_method: str
    interval_g: NDArray[np.float64]

    def sentence(self, place: str, baseline_place: str) -> str:
        """Say what the run used, emitted, and how that differs from the baseline."""
        run = self.footprint
        text = (
            f"{place}: {energy_text(run.energy_kwh)} ({run.energy_method}), "
            f"{mass_text(run.emissions_g)} CO2eq between {mass_text(run.low_g)} and "
            f"{mass_text(run.high_g)} "
            f"at PUE {run.pue:g} and intensity from {self.actual.source} "
            f"({self.actual.quality})"
        )
        if self.difference is None:
            return f"{text}; no baseline: {self.baseline_method}"
        share = self.difference.percent
        percent = "" if share is None else f" ({share:+.0f} %)"
        return (
            f"{text}; {mass_text(self.difference.delta_g, signed=True)}{percent} against "
            f"{mass_text(self.difference.baseline_g)} at once in {baseline_place}"
        )


def account(  # noqa: PLR0913 - both sides of one comparison
    profile: EnergyProfile,
    actual: Survey,
    *,
    pue: float,
    baseline: Survey | None,
    baseline_pue: float,
    submitted: datetime,
) -> Account:
    """Return a run's account.

    The baseline must be of the same source, signal and factor type as the run's own
    intensity (ISO/IEC 21031:2024: a baseline is calculated by an identical methodology);
    otherwise there is none, and the account says why.

    Raises:
        ForecastCoverageError: the run lies outside the series of its own intensity.
    """
    run = footprint(profile, actual.series, pue=pue, quality=actual.quality)
    why_not = not_comparable(actual, baseline)
    priced = (
        baseline_emissions(
            profile,
            baseline.series,
            pue=baseline_pue,
            started=profile.span[0],
            submitted=submitted,
        )
        if baseline is not None and why_not is None
        else None
    )
    method = why_not or "the same energy, begun when the job first could, in the default region"
    return Account(
        footprint=run,
        actual=actual,
        difference=difference(run, priced),
        baseline_method=method,
        interval_g=emissions_by_interval(profile, actual.series, pue),
    )


def not_comparable(actual: Survey, baseline: Survey | None) -> str | None:
    """Return why a baseline is not of the same method as a run's intensity; None where it is."""
    if baseline is None:
        return "no source knows the default region's intensity at submission"
    if baseline.source != actual.source:
        return f"{baseline.source} and {actual.source} are different methods"
    ours, theirs = actual.series, baseline.series
    if (ours.signal, ours.factor_type) != (theirs.signal, theirs.factor_type):
        return f"{theirs.signal} {theirs.factor_type} and {ours.signal} {ours.factor_type} differ"
    return None
