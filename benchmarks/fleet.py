"""How near to its bound is the plan of a fleet, and how long does it take?

    python benchmarks/fleet.py --data DIR [--jobs 2000] [--regions 24] [--seeds 3]

Jobs of 1 to 8 hours, each of its own power, arrival and slack within 48 h, and as many slots in
each region as are in use to three loads. The series are hourly actuals of zones drawn from
``DIR/em2022/lifecycle_2022_hourly_123zones.parquet``. ``gap`` is what a better plan could save at
most, by the bound of the linear relaxation; ``one by one`` is what jobs emit that choose one after
the other among the slots that are left, the longest first, over the plan.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from airflow_carbon.core.fleet import FleetJob, FleetPlan, plan_fleet
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.intensity import IntensitySeries
from airflow_carbon.core.units import HOUR, ZoneKey

HOURS = 48
LOADS = (0.5, 0.75, 0.95)
BEGINS = datetime(2022, 1, 1, tzinfo=UTC)


def main() -> None:
    """Plan, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--regions", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    year = pd.read_parquet(options.data / "em2022" / "lifecycle_2022_hourly_123zones.parquet")
    print("seed   load  slots  unplaced      gap  seconds    CPU  one by one")
    for seed in range(options.seeds):
        for load in LOADS:
            rng = np.random.default_rng(seed)
            series = draw_series(year, options.regions, rng)
            jobs = draw_jobs(options.jobs, rng)
            work = sum(job.flex.duration / HOUR for job in jobs)
            slots = int(np.ceil(work / (options.regions * HOURS * load)))
            begin, used = time.perf_counter(), time.process_time()
            plan = plan_fleet(series, jobs, slots=dict.fromkeys(series, slots))
            took, used = time.perf_counter() - begin, time.process_time() - used
            check(plan, dict.fromkeys(series, slots))
            alone = one_by_one(series, jobs, slots) / plan.total_g - 1
            print(
                f"{seed:>4}  {load:>5.0%}  {slots:>5}  {len(plan.unplaced):>8}  {plan.gap:>7.3%}"
                f"  {took:>7.1f}  {used:>5.1f}  {alone:>+9.2%}",
                flush=True,
            )


def draw_series(
    year: pd.DataFrame, count: int, rng: np.random.Generator
) -> dict[str, IntensitySeries]:
    """Draw zones and a time of the year."""
    zones = rng.choice(year.columns, count, replace=False)
    first = int(rng.integers(0, len(year) - HOURS))
    part = year.iloc[first : first + HOURS]
    return {
        str(zone): IntensitySeries(
            zone=ZoneKey(str(zone)), begins=BEGINS, step=HOUR, g_per_kwh=part[zone].to_numpy(float)
        )
        for zone in zones
    }


def draw_jobs(count: int, rng: np.random.Generator) -> list[FleetJob]:
    """Draw jobs on whole hours."""
    length = rng.integers(1, 9, count)
    arrival = rng.integers(0, HOURS - length + 1)
    slack = rng.integers(0, HOURS - length - arrival + 1)
    power = rng.uniform(0.5, 4, count)
    return [
        FleetJob(
            name=f"job{i}",
            flex=Flexibility(
                duration=int(length[i]) * HOUR,
                earliest=BEGINS + int(arrival[i]) * HOUR,
                deadline=BEGINS + int(arrival[i] + length[i] + slack[i]) * HOUR,
            ),
            power_kw=float(power[i]),
        )
        for i in range(count)
    ]


def check(plan: FleetPlan, slots: dict[str, int]) -> None:
    """Count again: no region over its slots, no job late."""
    used = {name: np.zeros(HOURS, dtype=int) for name in slots}
    for one in plan.assignments:
        first, last = (int((at - BEGINS) / HOUR) for at in (one.window.start, one.window.end))
        used[one.region][first:last] += 1
        if not one.job.flex.earliest <= one.window.start <= one.job.flex.latest_start:
            raise SystemExit("a job is planned outside of its span")
    if any(count.max() > slots[name] for name, count in used.items()):
        raise SystemExit("a region runs more jobs than it has slots")


def one_by_one(series: dict[str, IntensitySeries], jobs: list[FleetJob], slots: int) -> float:
    """Return what jobs emit that take the best of what is left [g]; infinite if one has none."""
    sums = np.stack([np.append(0.0, np.cumsum(one.g_per_kwh)) for one in series.values()])
    free, total = np.full((len(series), HOURS), slots), 0.0
    for job in sorted(jobs, key=lambda one: -one.power_kw * (one.flex.duration / HOUR)):
        length = int(job.flex.duration / HOUR)
        first = int((job.flex.earliest - BEGINS) / HOUR)
        starts = np.arange(first, int((job.flex.latest_start - BEGINS) / timedelta(hours=1)) + 1)
        grams = job.power_kw * (sums[:, starts + length] - sums[:, starts])
        room = np.stack([free[:, s : s + length].min(axis=1) for s in starts], axis=1)
        grams[room < 1] = np.inf
        region, at = np.unravel_index(int(grams.argmin()), grams.shape)
        total += float(grams[region, at])
        free[region, starts[at] : starts[at] + length] -= 1
    return total


if __name__ == "__main__":
    main()
