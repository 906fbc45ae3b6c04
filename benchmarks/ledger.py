"""How long do sums over 100,000 runs take, and by which plan does the database read them?

    python benchmarks/ledger.py [--runs 100000] [--url sqlite:////tmp/carbon.db]

Fills a new ledger with invented runs of a year, 40 DAGs, 3 tasks and 15 models, one in twenty of
them a second try. Prints for each reading the best of five: by the clock, and of this process alone
(which on a busy machine is what it would take on an idle one, where the database is SQLite); how
many times as long pandas takes after a SELECT of the same rows; and what EXPLAIN says. ``--url``
names another database, which has to be empty: PostgreSQL, say.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sqlalchemy import event, insert, select

from airflow_carbon.core.month import span_of
from airflow_carbon.core.summary import Facet
from airflow_carbon.ledger.pages import page
from airflow_carbon.ledger.schema import carbon_run
from airflow_carbon.ledger.spans import counted_once
from airflow_carbon.ledger.store import Ledger
from airflow_carbon.ledger.summary import Among, Summaries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BEGINS = datetime(2025, 11, 1, tzinfo=UTC)
TIMES, LIMIT_MS = 5, 300
RETRIED, COMPARED = 20, 0.8
OCTOBER = Among(span=span_of(date(2026, 10, 1)))
ALLOWED = Among(dag_ids=[f"dag_{i:02}" for i in range(39)])
EVERY = (Facet.DAG, Facet.TASK, Facet.MODEL, Facet.MONTH)


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--url")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.url or f"sqlite:///{Path(folder) / 'carbon.db'}"
        with Ledger.open(url) as ledger:
            _fill(ledger, options.runs)
            _measure(ledger)


def _fill(ledger: Ledger, count: int) -> None:
    began = time.perf_counter()
    rng = np.random.default_rng(1)
    with ledger.engine.begin() as connection:
        rows = list(_rows(rng, count))
        for first in range(0, count, 10_000):
            connection.execute(insert(carbon_run), rows[first : first + 10_000])
    print(f"{count} runs written in {time.perf_counter() - began:.0f} s", flush=True)


def _rows(rng: np.random.Generator, count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        second = number % RETRIED == RETRIED - 1
        own = number - second  # of which run this is another try
        at = BEGINS + timedelta(seconds=int(rng.integers(0, 365 * 86_400)))
        joules = float(rng.gamma(2, 2e7))
        grams = joules / 3.6e6 * 1.17 * float(rng.uniform(20, 500))
        baseline = grams * float(rng.uniform(0.7, 1.6)) if rng.random() < COMPARED else None
        yield {
            "dag_id": f"dag_{own % 40:02}",
            "task_id": f"task_{own % 3}",
            "run_id": f"scheduled__{own:08}T00:00:00+00:00",
            "map_index": -1,
            "try_number": 1 + second,
            "version": 1,
            "submitted_at": at,
            "started_at": at,
            "ended_at": at + timedelta(hours=1),
            "region": "swedencentral",
            "zone": "SE-SE3",
            "device_names": "GPU-00000000-0000-4000-8000-000000000000, cpu, memory",
            "energy_j": joules,
            "energy_gpu_j": 0.9 * joules,
            "energy_cpu_j": 0.1 * joules,
            "energy_modelled_j": 0.1 * joules,
            "energy_method": "counter+model",
            "coverage": 1.0,
            "pue": 1.172,
            "pue_source": "published 2023: measured, Microsoft through GSF",
            "emissions_g": grams,
            "emissions_low_g": 0.9 * grams,
            "emissions_high_g": 1.1 * grams,
            "intensity_source": "electricity_maps",
            "intensity_quality": "actual",
            "intensity_signal": "marginal" if number % 10 == 0 else "average",
            "intensity_factor_type": "lifecycle",
            "baseline_region": "westeurope",
            "baseline_zone": "NL",
            "baseline_pue": 1.14,
            "baseline_g": baseline,
            "delta_g": None if baseline is None else grams - baseline,
            "delta_percent": None if baseline is None else 100 * (grams / baseline - 1),
            "baseline_method": "the same energy, begun when the job first could",
            "planned_g_per_kwh": 200.0,
            "planned_emissions_g": 1.02 * grams,
            "plan_source": "electricity_maps",
            "plan_reason": "clean",
            "model": f"model_{own % 15:02}",
            "functional_unit": "epoch",
            "functional_units": 10.0,
            "computed_at": at,
            "package_version": "0.1.0",
            "booked_at": at,
        }


def _measure(ledger: Ledger) -> None:
    summaries, first = Summaries(ledger), page(ledger)
    readings: dict[str, tuple[Callable[[], Any], Callable[[pd.DataFrame], Any] | None]] = {
        "total": (summaries.by, _grouped),
        "by DAG": (lambda: summaries.by(Facet.DAG), lambda frame: _grouped(frame, "dag_id")),
        "by model": (lambda: summaries.by(Facet.MODEL), lambda frame: _grouped(frame, "model")),
        "by month": (lambda: summaries.by(Facet.MONTH), lambda frame: _grouped(frame, "month")),
        "by DAG, task, model, month": (
            lambda: summaries.by(*EVERY),
            lambda frame: _grouped(frame, "dag_id", "task_id", "model", "month"),
        ),
        "by DAG, 39 DAGs allowed": (lambda: summaries.by(Facet.DAG, among=ALLOWED), None),
        "by DAG, one month": (lambda: summaries.by(Facet.DAG, among=OCTOBER), None),
        "the names of DAGs": (summaries.dags, None),
        "the last 50 runs": (lambda: page(ledger), None),
        "the 50 before them": (lambda: page(ledger, after=first.after), None),
    }
    which = 1 if ledger.engine.dialect.name == "sqlite" else 0  # a server is another process
    selected, frame = _select(ledger)
    for name, (read, by_pandas) in readings.items():
        clock, own = _fastest(read)
        note = "" if clock < LIMIT_MS else f"   OVER {LIMIT_MS} ms"
        ratio = ""
        if by_pandas is not None:
            theirs = selected[which] + _fastest(lambda f=by_pandas: f(frame))[which]
            ratio = f", pandas after a SELECT {theirs / (clock, own)[which]:.0f} times as long"
        print(f"{name:<28}{clock:6.0f} ms, of this process {own:4.0f} ms{ratio}{note}")
        for step in _plan(ledger, read):
            print(f"    {step}")


def _fastest(read: Callable[[], Any]) -> tuple[float, float]:
    """Return the least time by the clock, and the least of this process [ms]."""
    took = []
    for _ in range(TIMES):
        began, own = time.perf_counter(), time.process_time()
        read()
        took.append((1e3 * (time.perf_counter() - began), 1e3 * (time.process_time() - own)))
    return min(clock for clock, _ in took), min(own for _, own in took)


def _select(ledger: Ledger) -> tuple[tuple[float, float], pd.DataFrame]:
    """Return how long it takes to have all rows in pandas, as :func:`_fastest`, and them."""
    began, own = time.perf_counter(), time.process_time()
    with ledger.engine.connect() as connection:
        rows = connection.execute(select(carbon_run).where(counted_once()))
        frame = pd.DataFrame(rows.mappings())
    frame["month"] = frame["started_at"].dt.strftime("%Y-%m")
    took = 1e3 * (time.perf_counter() - began), 1e3 * (time.process_time() - own)
    return took, frame


def _grouped(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    keys = ["intensity_signal", "intensity_factor_type", *names]
    sums = ["energy_j", "emissions_g", "emissions_low_g", "emissions_high_g", "delta_g"]
    return frame.groupby(keys, dropna=False)[sums].sum()


def _plan(ledger: Ledger, read: Callable[[], Any]) -> list[str]:
    asked: list[tuple[str, Any]] = []

    def note(*about: Any) -> None:
        asked.append(about[2:4])

    event.listen(ledger.engine, "before_cursor_execute", note)
    read()
    event.remove(ledger.engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN" if ledger.engine.dialect.name == "sqlite" else "EXPLAIN"
    with ledger.engine.connect() as connection:
        return [
            str(row[-1])
            for statement, parameters in asked
            if statement.startswith("SELECT")
            for row in connection.exec_driver_sql(f"{explain} {statement}", parameters)
        ]


if __name__ == "__main__":
    main()
