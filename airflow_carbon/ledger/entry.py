"""One run as the ledger holds it, and the intervals that it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RunKey:
    """One try of one Airflow task; ``map_index`` is -1 for a task that is not mapped."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int = -1
    try_number: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """The ledger's row: what one try used and emitted, and what it is compared with.

    Energy in J, emissions in gCO2eq, intensities in gCO2eq/kWh, ``coverage`` from 0 to 1.
    Instants are aware. None is *unknown*, never 0.
    """

    key: RunKey
    submitted_at: datetime
    planned_start: datetime | None = None
    started_at: datetime
    ended_at: datetime
    return_code: int | None = None
    region: str | None = None
    zone: str
    machine_size: str | None = None
    device_names: str
    energy_j: float
    energy_gpu_j: float | None = None
    energy_cpu_j: float | None = None
    energy_modelled_j: float | None = None
    """How much of ``energy_j`` a model gave; None in rows of before that was kept."""
    energy_method: str
    coverage: float
    pue: float
    pue_source: str
    emissions_g: float
    emissions_low_g: float
    emissions_high_g: float
    intensity_mean_g_per_kwh: float | None = None
    intensity_source: str
    intensity_quality: str
    intensity_signal: str
    intensity_factor_type: str
    baseline_region: str | None = None
    baseline_zone: str | None = None
    baseline_pue: float | None = None
    baseline_g: float | None = None
    delta_g: float | None = None
    """Emissions minus the baseline's, signed: negative where the run emitted less [gCO2eq]."""
    delta_percent: float | None = None
    baseline_method: str
    planned_g_per_kwh: float | None = None
    """What the plan promised [gCO2eq/kWh]."""
    at_once_g_per_kwh: float | None = None
    """What the plan expected of running at once [gCO2eq/kWh]."""
    planned_emissions_g: float | None = None
    """What its energy would have emitted at the intensity that the plan promised [gCO2eq]."""
    plan_source: str | None = None
    plan_issued_at: datetime | None = None
    plan_quality: str | None = None
    plan_reason: str | None = None
    model: str | None = None
    """The model that was trained, or that was asked."""
    functional_unit: str | None = None
    """What the work is counted in: ``epoch``, ``sample``, ``inference``."""
    functional_units: float | None = None
    """How many of them it did."""
    embodied_g: float | None = None
    """Its share of what building the hardware emitted [gCO2eq]; None where nobody said."""
    embodied_source: str | None = None
    sci_g: float | None = None
    """Software carbon intensity [gCO2eq a functional unit], without ``embodied_g`` where None."""
    computed_at: datetime
    package_version: str
    booked_at: datetime | None = None
    """When it was booked, before any revision; None in rows of before that was kept."""
    settled_at: datetime | None = None
    """When the intensities were found to change no more; None while they may."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IntervalRow:
    """Energy of one device in ``[begins_at, ends_at)``; ``joules`` is None where it is missing."""

    device: str
    begins_at: datetime
    ends_at: datetime
    joules: float | None = None
    quality: str
    intensity_g_per_kwh: float | None = None
    emissions_g: float | None = None
    zone: str | None = None
    """The grid zone that it was drawn in; None in rows of before that was kept."""
    pue: float | None = None
