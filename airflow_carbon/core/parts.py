"""A run in parts, each of which drew its energy in another place: one account of the whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_carbon.core.accounting import (
    Account,
    Footprint,
    account,
    baseline_emissions,
    difference,
    not_comparable,
)
from airflow_carbon.core.errors import InvalidSeriesError
from airflow_carbon.core.intensity import Quality
from airflow_carbon.core.units import GramsCO2eq, GramsPerKWh, KilowattHours

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow_carbon.core.energy import EnergyProfile
    from airflow_carbon.core.intensity import Survey


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """The energy that was drawn in one place, its intensity and its PUE."""

    profile: EnergyProfile
    actual: Survey
    pue: float


def account_parts(
    profile: EnergyProfile,
    parts: Sequence[Part],
    *,
    baseline: Survey | None,
    baseline_pue: float,
    submitted: datetime,
) -> tuple[Account, list[Account]]:
    """Return the account of a whole run, and those of its parts, each priced where it was.

    ``profile`` is the energy of all parts. The whole emits what its parts do; its PUE is their
    mean by energy, its intensity that by energy and PUE, its quality the worst of theirs, and its
    bounds add up as if their errors went together. ``actual`` is that of the part that drew most;
    the baseline is one for all. Its intervals are with the parts.

    Raises:
        ForecastCoverageError: a part lies outside the series of its own intensity.
        InvalidSeriesError: parts of different signals or factors, which don't add up.
    """
    _check_alike(parts)
    each = [
        account(
            part.profile,
            part.actual,
            pue=part.pue,
            baseline=None,
            baseline_pue=baseline_pue,
            submitted=submitted,
        )
        for part in parts
    ]
    run = _whole(profile, [one.footprint for one in each])
    why_not = next(filter(None, (not_comparable(part.actual, baseline) for part in parts)), None)
    priced = None
    if baseline is not None and why_not is None:
        priced = baseline_emissions(
            profile,
            baseline.series,
            pue=baseline_pue,
            started=profile.span[0],
            submitted=submitted,
        )
    main = max(each, key=lambda one: one.footprint.energy_kwh)
    method = why_not or "the same energy, begun when the job first could, in the default region"
    whole = replace(main, footprint=run, difference=difference(run, priced), baseline_method=method)
    return whole, each


def _check_alike(parts: Sequence[Part]) -> None:
    first = parts[0].actual.series
    for part in parts[1:]:
        other = part.actual.series
        if (other.signal, other.factor_type) != (first.signal, first.factor_type):
            fault = (
                f"it is {other.signal} {other.factor_type}, and that of {first.zone}, in the same "
                f"run, {first.signal} {first.factor_type}: they don't add up; name sources= that "
                "know both zones alike"
            )
            raise InvalidSeriesError(other.zone, fault)


def _whole(profile: EnergyProfile, parts: Sequence[Footprint]) -> Footprint:
    energy = sum(one.energy_kwh for one in parts)
    drawn = sum(one.energy_kwh * one.pue for one in parts)
    grams = sum(one.emissions_g for one in parts)
    order = list(Quality)
    several = len({one.pue for one in parts}) > 1 and energy > 0
    return Footprint(
        energy_kwh=KilowattHours(energy),
        pue=drawn / energy if several else parts[0].pue,
        emissions_g=GramsCO2eq(grams),
        low_g=GramsCO2eq(sum(one.low_g for one in parts)),
        high_g=GramsCO2eq(sum(one.high_g for one in parts)),
        mean_g_per_kwh=GramsPerKWh(grams / drawn) if drawn > 0 else None,
        energy_method=profile.method,
        intensity_quality=max((one.intensity_quality for one in parts), key=order.index),
        coverage=profile.coverage,
    )
