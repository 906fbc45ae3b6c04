"""Does the planner come to the numbers that papers have published?

    python benchmarks/papers.py --data DIR [--only NAME] [--every N]

DIR holds the series, the jobs and the published results (docs/benchmarks.md says which). Each
plan is asked of the public planner, job by job: ``Policy``, ``best_window``, ``best_slices``.
A line has what was published and what is ours, their means where there are many, and the
largest difference; a difference over the tolerance makes the exit status 1. ``--only`` takes
the papers whose name begins so; ``--every`` N takes each Nth row of the long tables.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from airflow_carbon.core.calendar import Days, DoneBy
from airflow_carbon.core.costs import FREE, Stopping
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.intensity import IntensitySeries
from airflow_carbon.core.policy import Policy
from airflow_carbon.core.slices import best_slices
from airflow_carbon.core.window import best_window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

HOUR = timedelta(hours=1)
STEP = timedelta(minutes=30)

NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
OFFICE = DoneBy(at="09:00", days="working", unless="09:00-17:00")
SATURDAY = DoneBy(at="09:00", days="sat")
SEMI_WEEKLY = Policy(done_by=(DoneBy(at="09:00", days="mon,thu"),))
NEXT_WORKDAY = Policy(done_by=(OFFICE,))
FRIDAY = Days(days="fri")
AFTER_FRIDAY = Policy(done_by=(OFFICE, SATURDAY))
"""The authors' program lets what would end on a Friday evening end by Saturday, 09:00; all else
by the next working day's."""
NIGHTLY = Policy(max_delay=timedelta(hours=16))


@dataclass(kw_only=True)
class Check:
    """Published numbers and ours, and how far apart they may be."""

    name: str
    tolerance: float
    relative: bool = False
    published: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)

    @property
    def difference(self) -> float:
        """The largest."""
        published = np.array(self.published)
        difference = np.abs(np.array(self.ours) - published)
        return float(np.max(difference / published if self.relative else difference))

    @property
    def ok(self) -> bool:
        """Whether each number is as published."""
        return self.difference <= self.tolerance

    def add(self, published: float, ours: float) -> None:
        """Take one more number."""
        self.published.append(published)
        self.ours.append(ours)


def lets_wait_awhile(data: Path, _every: int) -> Iterator[Check]:
    """Yield the savings [%] of Wiesner et al., Middleware 2021, with a perfect forecast."""
    golden = json.loads((data / "golden" / "lwa_golden.json").read_text())
    jobs = pd.read_csv(data / "golden" / "lwa_ml_jobs_3387.csv").to_numpy().tolist()
    for zone, file in {"DE": "ger_ci.csv", "GB": "gb_ci.csv"}.items():
        series = half_hours(data / "lets_wait_awhile" / file)
        nightly = golden[zone]["nightly_saving_pct_e0_all_365_days"]["16"]
        check = Check(name=f"{zone} nightly, 8 h to either side", tolerance=1e-3)
        check.add(nightly, _nightly(series))
        yield check
        at_once = sum(_at_once(series, *job) for job in jobs)
        for name, deadline in {"next_workday": next_workday, "semi_weekly": semi_weekly}.items():
            for key, late in {"_e0": STEP, "": timedelta(0)}.items():
                where = golden[zone][
                    "ml_saving_pct" if late else "ml_saving_pct_strict_deadline_e0"
                ]
                flexes = [deadline(NEW_YEAR + begin * STEP, work * STEP) for begin, work in jobs]
                flexes = [replace(flex, deadline=flex.deadline + late) for flex in flexes]
                for kind, solve in {"non": contiguous, "int": interruptible}.items():
                    case = f"{zone} {name.replace('_', ' ')}, {solve.__name__}"
                    check = Check(
                        name=f"{case}, {'inclusive' if late else 'strict'}", tolerance=1e-3
                    )
                    emitted = sum(solve(series, flex) for flex in flexes)
                    check.add(where[f"{name}_{kind}{key}"], 100 * (1 - emitted / at_once))
                    yield check


def next_workday(begin: datetime, work: timedelta) -> Flexibility:
    """Return until when a training may wait: the next morning on which people work."""
    policy = AFTER_FRIDAY if FRIDAY.count((begin + work).date()) else NEXT_WORKDAY
    return policy.flexibility(submitted=begin, duration=work)


def semi_weekly(begin: datetime, work: timedelta) -> Flexibility:
    """Return until when a training may wait: the next Monday or Thursday morning."""
    return SEMI_WEEKLY.flexibility(submitted=begin, duration=work)


def gaia(data: Path, _every: int) -> Iterator[Check]:
    """Yield figure 8 of GAIA (ASPLOS 2024): emissions over those of running at once."""
    optimum = json.loads((data / "golden" / "gaia_golden.json").read_text())["optimum"]
    values = _year_2022(data)["AU-SA"].iloc[7000 : 7000 + 720]
    series = IntensitySeries.from_pandas(values)
    emitted = np.zeros(3)
    for arrival, length, cpus in pd.read_csv(data / "gaia" / "pai_1k.csv").to_numpy().tolist():
        begin = series.begins + timedelta(seconds=arrival // 5 * 5)
        work = timedelta(seconds=length // 5 * 5)
        policy = Policy(max_delay=timedelta(hours=6 if work < 2 * HOUR else 24))
        flex = policy.flexibility(submitted=begin, duration=work)
        at_once = series.mean(begin, begin + work) * (work / HOUR)
        plans = contiguous(series, flex), interruptible(series, flex)
        emitted += cpus * np.array([at_once, *plans])
    for kind, ours in zip(("contiguous", "interruptible"), emitted[1:] / emitted[0], strict=True):
        check = Check(name=f"AU-SA, lengths known, {kind}", tolerance=1e-6)
        check.add(optimum[f"{kind}_known_length"], float(ours))
        yield check


def sukprasert(data: Path, every: int) -> Iterator[Check]:
    """Yield the sums [g h/kWh] of Sukprasert et al., EuroSys 2024, a start hour a row."""
    rows = pd.read_parquet(data / "golden" / "sukprasert_per_start_20zones_every7h.parquet")
    year = _year_2022(data)
    rows = rows.iloc[::every]
    for job, slack in rows[["job_h", "slack_h"]].drop_duplicates().to_numpy().tolist():
        group = rows[(rows["job_h"] == job) & (rows["slack_h"] == slack)]
        columns = ("slack_0", "non_interrupt", "interrupt")
        names = ("at once", "contiguous", "interruptible")
        checks = [
            Check(name=f"{job} h of work, {slack} h of slack, {name}", tolerance=0.01)
            for name in names
        ]
        for zone, mine in group.groupby("zone", observed=True):
            series = IntensitySeries.from_pandas(year[str(zone)])
            for start, *sums in mine[["start_hour", *columns]].to_numpy(float).tolist():
                begin = series.begins + start * HOUR
                deadline = min(begin + (job + slack) * HOUR, series.ends)
                flex = Flexibility(duration=job * HOUR, earliest=begin, deadline=deadline)
                ours = (
                    series.mean(begin, begin + flex.duration) * job,
                    contiguous(series, flex),
                    interruptible(series, flex),
                )
                for check, published, found in zip(checks, sums, ours, strict=True):
                    check.add(published, found)
        yield from checks


def stopping_costs(data: Path, every: int) -> Iterator[Check]:
    """Yield the means over the days of 2022 of what jobs emit that pay for each begin [g h/kWh].

    There the first begin is paid for too; here it is each that follows a stop.
    """
    year = _year_2022(data)
    table = pd.read_csv(data / "golden" / "switching_cost_optimum_2022.csv").iloc[::every]
    for zone, rows in table.groupby("zone", sort=False):
        series = IntensitySeries.from_pandas(year[str(zone)])
        check = Check(name=f"{zone}, relative", tolerance=1e-6, relative=True)
        columns = ["job_h", "window_h", "restart_cost_g_per_kWh_h", "n", "optimum_mean"]
        for job, window, cost, days, optimum in rows[columns].to_numpy(float).tolist():
            stopping = Stopping(g_per_kw=cost)
            policy = Policy(max_delay=(window - job) * HOUR)
            emitted = []
            for day in range(int(days)):
                begin = series.begins + 24 * day * HOUR
                flex = policy.flexibility(submitted=begin, duration=job * HOUR)
                emitted.append(cost + interruptible(series, flex, stopping))
            check.add(optimum, float(np.mean(emitted)))
        yield check


def contiguous(series: IntensitySeries, flex: Flexibility) -> float:
    """Return what a job emits in its best window [g h/kWh]."""
    window = best_window(_cut(series, flex), flex)
    return window.mean_g_per_kwh * (flex.duration / HOUR)


def interruptible(series: IntensitySeries, flex: Flexibility, stopping: Stopping = FREE) -> float:
    """Return what a job emits in its best slices [g h/kWh]."""
    slices = best_slices(_cut(series, flex), flex, stopping)
    return slices.mean_g_per_kwh * (flex.duration / HOUR)


def _cut(series: IntensitySeries, flex: Flexibility) -> IntensitySeries:
    """Return the steps between a job's earliest start and its deadline."""
    first = (flex.earliest - series.begins) // series.step
    last = -((series.begins - flex.deadline) // series.step)
    begins = series.begins + first * series.step
    return replace(series, begins=begins, g_per_kwh=series.g_per_kwh[first:last])


def _nightly(series: IntensitySeries) -> float:
    """Return what moving a job of half an hour by up to 8 h to either side saves [%]."""
    at_once, emitted = 0.0, 0.0
    for day in range(365):
        usual = NEW_YEAR + timedelta(days=day, hours=1)
        flex = NIGHTLY.flexibility(submitted=usual - 8 * HOUR, duration=STEP)
        at_once += series.mean(usual, usual + STEP) / 2
        emitted += contiguous(series, flex)
    return 100 * (1 - emitted / at_once)


def _at_once(series: IntensitySeries, arrival: int, steps: int) -> float:
    """Return what a job emits that may wait for nothing [g h/kWh]: in the paper, for a step."""
    begin, work = NEW_YEAR + arrival * STEP, steps * STEP
    return contiguous(
        series, Flexibility(duration=work, earliest=begin, deadline=begin + work + STEP)
    )


def half_hours(path: Path) -> IntensitySeries:
    """Read what begins at a full or half hour: some of the file comes in quarters."""
    values = pd.read_csv(path, index_col=0, parse_dates=True)["Carbon Intensity"]
    minutes = pd.DatetimeIndex(values.index).minute
    return IntensitySeries.from_pandas(values[minutes % 30 == 0].tz_localize("UTC"))


def _year_2022(data: Path) -> pd.DataFrame:
    path = data / "em2022" / "lifecycle_2022_hourly_123zones.parquet"
    return pd.read_parquet(path).astype(float)


PAPERS: dict[str, Callable[[Path, int], Iterator[Check]]] = {
    "Let's Wait Awhile": lets_wait_awhile,
    "GAIA": gaia,
    "Stopping costs": stopping_costs,
    "Sukprasert et al.": sukprasert,
}


def main() -> None:
    """Print a line a number, and leave with 1 if one is not as published."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", default="", help="the papers whose name begins so")
    parser.add_argument(
        "--every", type=int, default=1, help="of the long tables, take every Nth row"
    )
    options = parser.parse_args()
    good = True
    for paper, checks in PAPERS.items():
        if not paper.lower().startswith(options.only.lower()):
            continue
        began = time.monotonic()
        print(
            f"{paper:<45}{'numbers':>8}{'published':>13}{'ours':>13}{'difference':>12}", flush=True
        )
        for check in checks(options.data, options.every):
            print(_line(check), flush=True)
            good = good and check.ok
        print(f"  ({time.monotonic() - began:.0f} s)")
    sys.exit(0 if good else 1)


def _line(check: Check) -> str:
    published, ours = np.mean(check.published), np.mean(check.ours)
    return (
        f"  {check.name:<43}{len(check.ours):>8}{published:>13.6f}{ours:>13.6f}"
        f"{check.difference:>12.1e}  {'ok' if check.ok else 'NOT OK'}"
    )


if __name__ == "__main__":
    main()
