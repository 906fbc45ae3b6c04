"""A ledger with a history: a year of runs that look like those of a real team."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_carbon.core.budget import Budget
from airflow_carbon.ledger.budgets import Scope
from airflow_carbon.ledger.entry import Entry, IntervalRow, RunKey
from airflow_carbon.ledger.standing import Standing, StandingBudgets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from airflow_carbon.ledger.store import Ledger

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)

TEAM = (
    ("nightly_retraining", "train", "churn", "swedencentral", "SE-SE3", 26.0, 2.4e7),
    ("nightly_retraining", "evaluate", "churn", "swedencentral", "SE-SE3", 25.0, 3.1e6),
    ("batch_scoring", "score", None, "westeurope", "NL", 268.0, 6.2e6),
    ("sweep_recommender", "trial", "recommender", "germanywestcentral", "DE", 355.0, 1.5e7),
    ("embeddings_weekly", "embed", "search", "francecentral", "FR", 41.0, 3.9e7),
)

HOSTILE = "<img src=x onerror=document.title='owned'>"
BENT = "quotes\"'&\u202eesrever"


def entry(now: datetime, **fields: object) -> Entry:
    """A run of two hours that ended a moment ago."""
    known = {
        "key": RunKey(dag_id="nightly_retraining", task_id="train", run_id="manual__1"),
        "submitted_at": now - 8 * HOUR,
        "planned_start": now - 3 * HOUR,
        "started_at": now - 3 * HOUR,
        "ended_at": now - HOUR,
        "region": "swedencentral",
        "zone": "SE-SE3",
        "machine_size": "Standard_NC40ads_H100_v5",
        "device_names": "GPU-0 (H100), cpu",
        "energy_j": 2.4e7,
        "energy_modelled_j": 2.1e6,
        "energy_method": "counter+model",
        "coverage": 0.998,
        "pue": 1.16,
        "pue_source": "published 2024: Microsoft",
        "emissions_g": 180.0,
        "emissions_low_g": 160.0,
        "emissions_high_g": 210.0,
        "intensity_mean_g_per_kwh": 24.0,
        "intensity_source": "electricity_maps",
        "intensity_quality": "issued",
        "intensity_signal": "average",
        "intensity_factor_type": "lifecycle",
        "baseline_region": "westeurope",
        "baseline_zone": "NL",
        "baseline_g": 640.0,
        "delta_g": -460.0,
        "delta_percent": -71.9,
        "baseline_method": "same energy at once in westeurope",
        "planned_g_per_kwh": 22.0,
        "at_once_g_per_kwh": 31.0,
        "plan_source": "electricity_maps",
        "plan_reason": "clean",
        "model": "churn",
        "computed_at": now,
        "package_version": "0.1.0",
    }
    return Entry(**{**known, **fields})


def history(now: datetime, *, days: int = 330, every: int = 3) -> Iterator[Entry]:
    """Runs of a team, one of each kind every few days, the newest last."""
    for day in range(days, 0, -every):
        for kind, (dag_id, task_id, model, region, zone, g, joules) in enumerate(TEAM):
            swing = 1 + 0.3 * math.sin(day / 9 + kind) + 0.08 * math.sin(day * 7 + kind)
            energy = joules * (1 + 0.2 * math.sin(day + kind))
            emitted = energy / 3.6e6 * g * swing * 1.16
            saved = 0.12 + 0.25 * abs(math.sin(day / 5 + kind))
            began = now - day * DAY + kind * HOUR
            yield entry(
                now,
                key=RunKey(dag_id=dag_id, task_id=task_id, run_id=f"scheduled__{began:%F}"),
                submitted_at=began - 5 * HOUR,
                started_at=began,
                ended_at=began + 2 * HOUR,
                region=region,
                zone=zone,
                energy_j=energy,
                energy_modelled_j=0.12 * energy,
                emissions_g=emitted,
                emissions_low_g=0.9 * emitted,
                emissions_high_g=1.15 * emitted,
                intensity_mean_g_per_kwh=g * swing,
                planned_g_per_kwh=g * swing * (1 - 0.1 * math.sin(day * 3 + kind)),
                at_once_g_per_kwh=g * swing / (1 - saved),
                baseline_g=emitted / (1 - saved),
                delta_g=emitted - emitted / (1 - saved),
                delta_percent=-100 * saved,
                model=model,
            )


def intervals(run: Entry, *, every_s: int = 20) -> Iterator[IntervalRow]:
    """What two devices drew: a warm-up, epochs with a pause between them."""
    length = (run.ended_at - run.started_at).total_seconds()
    for at in range(0, int(length), every_s):
        begins = run.started_at + timedelta(seconds=at)
        share = at / length
        busy = 0.3 if at % 900 < 120 else 1.0
        g = 20 + 14 * share**2 + 2 * math.sin(at / 700)
        for device, watts in (("GPU-0 (H100)", 620 * busy), ("cpu", 90 + 60 * busy)):
            joules = watts * (1 + 0.04 * math.sin(at / 37)) * every_s
            yield IntervalRow(
                device=device,
                begins_at=begins,
                ends_at=begins + timedelta(seconds=every_s),
                joules=joules,
                quality="counter",
                intensity_g_per_kwh=g,
                emissions_g=joules / 3.6e6 * g * 1.16,
                zone=run.zone,
            )


def seed(ledger: Ledger, now: datetime, *, days: int = 330, every: int = 6) -> Entry:
    """Fill a ledger; return its newest run, which has its intervals."""
    for one in history(now, days=days, every=every):
        ledger.write(one)
    hostile = RunKey(dag_id=HOSTILE, task_id=BENT, run_id=HOSTILE)
    ledger.write(entry(now, key=hostile, model=HOSTILE, zone="NL", region=None, emissions_g=0.4))
    newest = entry(now)
    ledger.write(newest, list(intervals(newest)))
    budgets = (
        ("nightly_retraining", Scope(model="churn"), "20 kg"),
        ("sweep_recommender", Scope(dag_id="sweep_recommender"), "6 kg"),
        ("batch_scoring", Scope(), "15 kg"),
    )
    for dag_id, scope, limit in budgets:
        budget = Budget.read(limit=limit)
        StandingBudgets(ledger).note(
            Standing(dag_id=dag_id, task_id="budget", budget=budget, scope=scope, asked_at=now)
        )
    return replace(newest)
