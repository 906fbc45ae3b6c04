"""How long does planning take, and how much less than by a loop over single windows?

    python benchmarks/speed.py [--data DIR]

100,000 jobs, each of its own arrival, length and slack, over 96 h at 5 minutes in 60 regions, in
one call; the same, a few hundred of them, one after the other with ``WindowedForecast`` of
climate-aware-task-scheduler (from PyPI, in an environment of its own); one job in one zone; and
slices with a price on stopping, over 96 h at 5 minutes. The series are made of hourly actuals in
``DIR/em2022/lifecycle_2022_hourly_123zones.parquet``, drawn as straight lines between the hours;
without DIR they are invented. Prints seconds, the peak of memory, and the ratio.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from airflow_carbon.core.costs import Stopping
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.intensity import IntensitySeries
from airflow_carbon.core.many import best_windows
from airflow_carbon.core.slices import best_slices
from airflow_carbon.core.units import ZoneKey
from airflow_carbon.core.window import best_window

if TYPE_CHECKING:
    from collections.abc import Callable

JOBS, REGIONS, HOURS, STEP = 100_000, 60, 96, timedelta(minutes=5)
BEGINS = datetime(2022, 6, 1, tzinfo=UTC)
FEW = 200
HERE = Path(__file__).resolve().parent


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    series = _series(parser.parse_args().data)
    jobs = _jobs()
    seconds = _fastest(lambda: best_windows(series, jobs), 3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{JOBS} jobs, {REGIONS} regions     {seconds:9.3f} s, peak memory {peak:.2f} GB")
    few = jobs[:FEW]
    alone = _alone(series, few) / FEW
    print(f"one job, one zone           {alone / REGIONS * 1e3:9.3f} ms")
    print(f"a loop over best_window     {alone * JOBS:9.0f} s for all, from {FEW} of them")
    _beside_cats(series, few, seconds)
    one = next(iter(series.values()))
    flex = Flexibility(
        duration=timedelta(hours=12), earliest=BEGINS, deadline=BEGINS + timedelta(hours=HOURS)
    )
    stopping = Stopping(energy_h=0.1, time=timedelta(minutes=10), shortest=timedelta(minutes=30))
    price = Stopping(energy_h=0.1)
    for name, cost in (("a price", price), ("a price, minutes, a shortest", stopping)):
        took = _fastest(lambda cost=cost: best_slices(one, flex, cost), 5)
        print(f"12 h in slices, {name:<30}{took * 1e3:9.1f} ms")


def _series(data: Path | None) -> dict[str, IntensitySeries]:
    count = timedelta(hours=HOURS) // STEP
    if data is None:
        rng = np.random.default_rng(1)
        days = np.arange(count) * (STEP / timedelta(days=1))
        phase, level = rng.uniform(0, 1, (2, REGIONS, 1))
        rows = (300 + 100 * np.sin(2 * np.pi * (days - phase))) * (0.5 + level)
        rows = np.maximum(rows + np.cumsum(rng.normal(0, 3, rows.shape), axis=1), 5)
        names = [f"zone{i}" for i in range(REGIONS)]
    else:
        year = pd.read_parquet(data / "em2022" / "lifecycle_2022_hourly_123zones.parquet")
        begin = pd.Timestamp(BEGINS)
        part = year[(year.index >= begin) & (year.index <= begin + pd.Timedelta(hours=HOURS))]
        names = [str(name) for name in part.columns[:REGIONS]]
        at = np.arange(count) * (STEP / timedelta(hours=1))
        rows = [np.interp(at, np.arange(len(part)), part[name].to_numpy(float)) for name in names]
    return {
        name: IntensitySeries(zone=ZoneKey(name), begins=BEGINS, step=STEP, g_per_kwh=row)
        for name, row in zip(names, rows, strict=True)
    }


def _jobs() -> pd.DataFrame:
    """Draw jobs at whole seconds: 10 minutes to 24 h long, up to 48 h of slack."""
    rng = np.random.default_rng(2)
    length = rng.integers(600, 24 * 3600, JOBS)
    slack = rng.integers(0, 48 * 3600, JOBS)
    arrival = (rng.random(JOBS) * (HOURS * 3600 - length - slack)).astype(int)
    earliest = pd.Timestamp(BEGINS) + pd.to_timedelta(arrival, unit="s")
    return pd.DataFrame(
        {
            "earliest": earliest,
            "deadline": earliest + pd.to_timedelta(length + slack, unit="s"),
            "duration": pd.to_timedelta(length, unit="s"),
        }
    )


def _fastest(call: Callable[[], object], times: int) -> float:
    took = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        took.append(time.perf_counter() - begin)
    return min(took)


def _alone(series: dict[str, IntensitySeries], jobs: pd.DataFrame) -> float:
    """Return how long the jobs take one by one, in every region [s]."""
    flexes = [
        Flexibility(
            duration=job.duration.to_pytimedelta(),
            earliest=job.earliest.to_pydatetime(),
            deadline=job.deadline.to_pydatetime(),
        )
        for job in jobs.itertuples()
    ]
    return _fastest(lambda: [best_window(one, f) for f in flexes for one in series.values()], 1)


def _beside_cats(series: dict[str, IntensitySeries], jobs: pd.DataFrame, ours: float) -> None:
    minutes = [
        (
            (job.earliest - BEGINS) // STEP * STEP // timedelta(minutes=1),
            job.duration // timedelta(minutes=1),
            (job.deadline - job.earliest - job.duration) // timedelta(minutes=1),
        )
        for job in jobs.itertuples()
    ]
    asked = {
        "begins": BEGINS.isoformat(),
        "series": [one.g_per_kwh.tolist() for one in series.values()],
        "jobs": minutes[: FEW // 20],
    }
    command = [sys.executable, "-m", "uv", "run", "--no-project", "--quiet"]
    command += ["--with", "climate-aware-task-scheduler==1.2.1", "python", HERE / "cats_loop.py"]
    done = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"cats could not be run: {done.stderr.strip()[-300:]}")
        return
    theirs = float(done.stdout) / len(asked["jobs"]) * JOBS
    print(f"a loop over cats            {theirs:9.0f} s for all, from {len(asked['jobs'])} of them")
    print(f"ratio                       {theirs / ours:9.0f} (cats / one call)")


if __name__ == "__main__":
    main()
