"""A run's account once more, when the intensities of its hours are known better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.intensity import Quality

if TYPE_CHECKING:
    from airflow_carbon.core.accounting import Account
    from airflow_carbon.core.intensity import Survey

SETTLES_AFTER: Final = timedelta(hours=48)
"""How long after a run grid data are taken for final: an assumption of this package."""

GIVEN_UP_AFTER: Final = timedelta(days=30)
"""How long after a run better data are hoped for."""

SAME: Final = 1e-6
"""A change of a millionth is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Booked:
    """What the ledger says of a run: emissions and baseline [gCO2eq], and of which method."""

    emissions_g: float
    baseline_g: float | None
    source: str
    quality: str
    signal: str
    factor_type: str


def why_kept(booked: Booked, found: Account) -> str | None:
    """Return why a new account must not take the place of what is booked; None where it may.

    It must be of the same signal and factors, so that no reader sees an average turn into a
    marginal; of no worse quality, so that an outage does not turn what was actual into what is
    typical; where its quality is no better, of the same source, and without the loss of a
    baseline.
    """
    series, order = found.actual.series, list(Quality)
    if (series.signal, series.factor_type) != (booked.signal, booked.factor_type):
        return (
            f"the connection gives {series.signal} {series.factor_type}, and "
            f"{booked.signal} {booked.factor_type} is booked"
        )
    quality = found.footprint.intensity_quality
    before, now = order.index(Quality(booked.quality)), order.index(quality)
    if now > before:
        return f"nothing better than {quality} is known at present, and {booked.quality} is booked"
    if now == before and found.actual.source != booked.source:
        return f"{found.actual.source} knows no better than {booked.source}, which is booked"
    if now == before and booked.baseline_g is not None and found.difference is None:
        return f"the baseline can't be had at present: {found.baseline_method}"
    return None


def unchanged(booked: Booked, found: Account) -> bool:
    """Tell whether a new account says the same as what is booked."""
    run, against = found.footprint, found.difference
    if run.intensity_quality != booked.quality or found.actual.source != booked.source:
        return False
    if (against is None) != (booked.baseline_g is None):
        return False
    pairs = [(booked.emissions_g, run.emissions_g)]
    if against is not None and booked.baseline_g is not None:
        pairs.append((booked.baseline_g, against.baseline_g))
    return all(math.isclose(was, now, rel_tol=SAME, abs_tol=1e-12) for was, now in pairs)


def settled(found: Account, baseline: Survey | None) -> bool:
    """Tell whether nothing of an account may change: run and baseline by actual intensities."""
    return (
        found.footprint.intensity_quality is Quality.ACTUAL
        and found.difference is not None
        and baseline is not None
        and baseline.quality is Quality.ACTUAL
    )
