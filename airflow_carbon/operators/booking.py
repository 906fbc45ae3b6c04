"""From a measurement, its account and its plan to the ledger's rows and to XCom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon import __version__, clock
from airflow_carbon.core.flexibility import parse_instant
from airflow_carbon.core.handover import HOST
from airflow_carbon.core.region import DEFAULT_PUE, DEFAULT_PUE_SOURCE
from airflow_carbon.core.units import EPOCH, to_kwh

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from airflow.sdk import Context

    from airflow_carbon.core.accounting import Account
    from airflow_carbon.core.energy import EnergyProfile
    from airflow_carbon.core.region import Region
    from airflow_carbon.core.sci import Embodied
    from airflow_carbon.core.units import ZoneKey
    from airflow_carbon.ledger.entry import Entry, IntervalRow, RunKey
    from airflow_carbon.meters.reading import Measurement
    from airflow_carbon.operators.work import BookedWork

ASSET_KEYS: Final = (
    "region",
    "zone",
    "started_at",
    "ended_at",
    "energy_kwh",
    "energy_method",
    "coverage",
    "pue",
    "mean_g_per_kwh",
    "intensity_source",
    "intensity_quality",
    "emissions_g",
    "emissions_low_g",
    "emissions_high_g",
)
"""What an asset event carries of the footprint; the baseline is of the run, not of the model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """A place whose electricity is priced."""

    zone: ZoneKey
    region: Region | None

    @property
    def pue(self) -> float:
        """The region's PUE, the default where there is none."""
        return self.region.pue_or_default if self.region else DEFAULT_PUE

    @property
    def pue_source(self) -> str:
        """Who published it, and of which year; or that it is the default."""
        return self.region.pue_from if self.region else DEFAULT_PUE_SOURCE

    @property
    def name(self) -> str | None:
        """The region's name."""
        return str(self.region.name) if self.region else None


def run_key(measured: Measurement, context: Context) -> RunKey:
    """Return the key of the task that was measured; this task's where that is not known."""
    from airflow_carbon.ledger.entry import RunKey

    ti, run = context["ti"], measured.run
    own = -1 if ti.map_index is None else ti.map_index
    return RunKey(
        dag_id=str(run.get("dag_id") or ti.dag_id),
        task_id=str(run.get("task_id") or ti.task_id),
        run_id=str(run.get("run_id") or ti.run_id),
        map_index=int(run.get("map_index", own)),
        try_number=int(run.get("try_number") or ti.try_number),
    )


def ledger_entry(  # noqa: PLR0913 - a row is made of all of these
    key: RunKey,
    measured: Measurement,
    account: Account,
    *,
    site: Site,
    baseline: Site,
    plan: Mapping[str, Any],
    submitted: datetime,
    work: BookedWork,
    size: str | None = None,
    embodied: Embodied | None = None,
) -> Entry:
    """Return the ledger's row."""
    from airflow_carbon.core.energy import EnergyQuality
    from airflow_carbon.core.sci import sci
    from airflow_carbon.ledger.entry import Entry

    profile, run, now = measured.profile, account.footprint, clock.now()
    begin, end = profile.span
    planned = plan.get("mean_g_per_kwh")
    reserved_from, reserved_to = profile.without_gaps().span
    built_g = None if embodied is None else embodied.of(reserved_to - reserved_from)
    return Entry(
        key=key,
        submitted_at=submitted,
        planned_start=_instant(plan.get("start")),
        started_at=begin,
        ended_at=end,
        return_code=measured.return_code,
        region=site.name,
        zone=str(site.zone),
        machine_size=size,
        device_names=", ".join(dict.fromkeys(profile.devices)),
        energy_j=profile.total,
        energy_gpu_j=profile.joules_of(lambda device: not device.startswith(HOST)),
        energy_cpu_j=profile.joules_of(lambda device: device.startswith(HOST)),
        energy_modelled_j=profile.joules_by(EnergyQuality.MODEL),
        energy_method=run.energy_method,
        coverage=run.coverage,
        pue_source=site.pue_source,
        baseline_region=baseline.name,
        baseline_zone=str(baseline.zone),
        baseline_pue=baseline.pue,
        **account_values(account),
        planned_g_per_kwh=planned,
        at_once_g_per_kwh=plan.get("at_once_g_per_kwh"),
        planned_emissions_g=None if planned is None else run.energy_kwh * run.pue * planned,
        plan_source=plan.get("source"),
        plan_issued_at=_instant(plan.get("issued_at")),
        plan_quality=plan.get("quality"),
        plan_reason=plan.get("reason"),
        model=work.model,
        functional_unit=work.functional_unit,
        functional_units=work.functional_units,
        embodied_g=built_g,
        embodied_source=None if embodied is None else embodied.source,
        sci_g=sci(run.emissions_g, built_g, work.functional_units),
        computed_at=now,
        package_version=__version__,
        booked_at=now,
    )


def account_values(account: Account) -> dict[str, Any]:
    """Return the columns of the ledger's row that change with the intensities."""
    run, actual, against = account.footprint, account.actual, account.difference
    return {
        "pue": run.pue,
        "emissions_g": run.emissions_g,
        "emissions_low_g": run.low_g,
        "emissions_high_g": run.high_g,
        "intensity_mean_g_per_kwh": run.mean_g_per_kwh,
        "intensity_source": actual.source,
        "intensity_quality": run.intensity_quality.value,
        "intensity_signal": actual.series.signal.value,
        "intensity_factor_type": actual.series.factor_type.value,
        "baseline_g": against.baseline_g if against else None,
        "delta_g": against.delta_g if against else None,
        "delta_percent": against.percent if against else None,
        "baseline_method": account.baseline_method,
    }


def _instant(text: str | None) -> datetime | None:
    return parse_instant("plan", text) if text else None


def interval_rows(profile: EnergyProfile, account: Account, zone: str) -> list[IntervalRow]:
    """Return the ledger's rows of the intervals of one place."""
    from airflow_carbon.ledger.entry import IntervalRow

    pue = account.footprint.pue
    rows = zip(
        profile.devices,
        profile.begins.tolist(),
        profile.ends.tolist(),
        profile.joules.tolist(),
        profile.qualities,
        account.interval_g.tolist(),
        strict=True,
    )
    return [
        IntervalRow(
            device=device,
            begins_at=EPOCH + timedelta(seconds=begin),
            ends_at=EPOCH + timedelta(seconds=end),
            joules=_known(joules),
            quality=quality.value,
            # Of the least joules a float knows there are no kWh.
            intensity_g_per_kwh=_known(grams / kwh / pue) if (kwh := to_kwh(joules)) > 0 else None,
            emissions_g=_known(grams),
            zone=zone,
            pue=pue,
        )
        for device, begin, end, joules, quality, grams in rows
    ]


def _known(value: float) -> float | None:
    return value if isfinite(value) else None


def part_values(site: Site, account: Account) -> dict[str, Any]:
    """Return what was drawn and emitted in one place, as XCom carries it."""
    run = account.footprint
    return {
        "region": site.name,
        "zone": str(site.zone),
        "energy_kwh": run.energy_kwh,
        "pue": run.pue,
        "mean_g_per_kwh": run.mean_g_per_kwh,
        "emissions_g": run.emissions_g,
    }


def xcom_values(entry: Entry, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the footprint as XCom carries it."""
    return {
        "region": entry.region,
        "zone": entry.zone,
        "started_at": entry.started_at.isoformat(),
        "ended_at": entry.ended_at.isoformat(),
        "energy_kwh": to_kwh(entry.energy_j),
        "energy_method": entry.energy_method,
        "coverage": entry.coverage,
        "pue": entry.pue,
        "mean_g_per_kwh": entry.intensity_mean_g_per_kwh,
        "intensity_source": entry.intensity_source,
        "intensity_quality": entry.intensity_quality,
        "emissions_g": entry.emissions_g,
        "emissions_low_g": entry.emissions_low_g,
        "emissions_high_g": entry.emissions_high_g,
        "planned_emissions_g": entry.planned_emissions_g,
        "embodied_g": entry.embodied_g,
        "sci_g": entry.sci_g,
        "baseline_region": entry.baseline_region,
        "baseline_method": entry.baseline_method,
        "baseline_g": entry.baseline_g,
        "delta_g": entry.delta_g,
        "delta_percent": entry.delta_percent,
        "parts": parts,
    }


def annotate_assets(outlets: Iterable[object], context: Context, entry: Entry) -> None:
    """Write a footprint into the extra of the asset events of a task, under ``carbon``."""
    from airflow.sdk import Asset

    values, key = xcom_values(entry, []), entry.key
    footprint = {name: values[name] for name in ASSET_KEYS} | {
        "model": entry.model,
        "functional_unit": entry.functional_unit,
        "functional_units": entry.functional_units,
        "run": {name: getattr(key, name) for name in key.__slots__},
    }
    for outlet in outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra["carbon"] = footprint
