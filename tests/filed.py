"""A ledger of a small company, of which a report is made: every figure can be checked by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from airflow_carbon.core.provider_report import Figure, Level, Scopes
from airflow_carbon.ledger.entry import Entry, RunKey
from airflow_carbon.ledger.provider import ProviderReports
from airflow_carbon.ledger.signals import Beside, Signals

OCTOBER = date(2026, 10, 1)
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOSTILE = "<script>alert(1)</script>|`x`|[a](http://b.c)"
"""A DAG may be called anything that Airflow allows, and a model anything at all."""

AT_ONCE = "the same energy, begun when the job first could, in the default region"


def entry_of(day, *, dag="nightly_training", kwh=10.0, intensity=50.0, **fields) -> Entry:
    """A training of so many kWh on a grid of so many g/kWh, at a PUE of 1.2."""
    begin = datetime(2026, 10, 1, 2, tzinfo=UTC) + timedelta(days=day)
    grams = kwh * 1.2 * intensity
    baseline = fields.pop("baseline", 2 * grams)
    known = {
        "key": RunKey(dag_id=dag, task_id="train", run_id=f"scheduled__{begin:%Y-%m-%d}"),
        "submitted_at": begin - 4 * HOUR,
        "started_at": begin,
        "ended_at": begin + 2 * HOUR,
        "return_code": 0,
        "region": "swedencentral",
        "zone": "SE-SE3",
        "device_names": "GPU-1, cpu, memory",
        "energy_j": kwh * 3.6e6,
        "energy_modelled_j": kwh * 0.1 * 3.6e6,
        "energy_method": "counter+model",
        "coverage": 1.0,
        "pue": 1.2,
        "pue_source": "published 2023: measured, Microsoft through GSF",
        "emissions_g": grams,
        "emissions_low_g": 0.9 * grams,
        "emissions_high_g": 1.1 * grams,
        "intensity_mean_g_per_kwh": intensity,
        "intensity_source": "electricity_maps",
        "intensity_quality": "actual",
        "intensity_signal": "average",
        "intensity_factor_type": "lifecycle",
        "baseline_region": "westeurope",
        "baseline_zone": "NL",
        "baseline_g": baseline,
        "delta_g": None if baseline is None else grams - baseline,
        "baseline_method": AT_ONCE if baseline is not None else "no source knows it",
        "planned_g_per_kwh": 0.9 * intensity,
        "planned_emissions_g": 0.9 * grams,
        "model": "churn",
        "functional_unit": "epoch",
        "functional_units": 4.0,
        "computed_at": begin + 3 * HOUR,
        "package_version": "0.1.0",
        "settled_at": begin + 60 * HOUR,
    }
    return Entry(**known | fields)


def entries() -> list[Entry]:
    """Ten nights and a worse one in October, two of a pricey model, and what others did."""
    nights = [entry_of(day) for day in range(10)]
    worse = entry_of(10, intensity=100.0, baseline=1000.0)
    unknown = entry_of(11, baseline=None, coverage=0.6, settled_at=None)
    weekly = [
        entry_of(
            day,
            dag="weekly_sweep",
            kwh=40.0,
            intensity=300.0,
            baseline=12_000.0,
            region="westeurope",
            zone="NL",
            model="vision",
            embodied_g=100.0,
            embodied_source="a study",
            pue_source="default 2022: mean of Microsoft's data centres worldwide",
            energy_method="model",
            energy_modelled_j=40.0 * 3.6e6,
            intensity_quality="issued",
            planned_emissions_g=None,
            planned_g_per_kwh=None,
        )
        for day in (3, 17)
    ]
    marginal = entry_of(5, dag=HOSTILE, intensity_signal="marginal", model=HOSTILE, kwh=1.0)
    before = [entry_of(day) for day in (-40, -20, -5)]
    return [*nights, worse, unknown, *weekly, marginal, *before, entry_of(31)]


def file(ledger, *, with_azure: bool = True) -> None:
    """Write all of it."""
    for entry in entries():
        ledger.write(entry)
    first = entries()[0]
    grams = first.energy_j / 3.6e6 * 1.2 * 700
    Signals(ledger).write(
        first.key,
        Beside(
            intensity_signal="marginal",
            intensity_factor_type="lifecycle",
            pue=1.2,
            emissions_g=grams,
            emissions_low_g=0.8 * grams,
            emissions_high_g=1.2 * grams,
            intensity_mean_g_per_kwh=700.0,
            intensity_source="watttime",
            intensity_quality="actual",
            baseline_g=None,
            delta_g=None,
            delta_percent=None,
            baseline_method="none",
            computed_at=first.computed_at,
        ),
    )
    if with_azure:
        figures = [
            Figure(scopes=scopes, level=level, item=item, emissions_g=grams)
            for scopes, grams in ((Scopes.ALL, 21_000.0), (Scopes.SUPPLY_CHAIN, 20_500.0))
            for level, item in (
                (Level.SUBSCRIPTION, "0b1f6471"),
                (Level.LOCATION, "swedencentral"),
            )
        ]
        ProviderReports(ledger).write("0b1f6471", OCTOBER, figures, fetched_at=NOW)
