"""How much do others' planners save of the same jobs, on the same grid, with the same forecast?

    python benchmarks/peers.py --data DIR [--jobs 291] [--seed 1] [--venv .venv-peers]

DIR holds ``lets_wait_awhile/gb_ci.csv`` and ``ger_ci.csv``. Jobs of 20 minutes to 8 hours come
at any second of 2020 and have 6 to 36 hours of slack, drawn with the seed. Each planner is told
the 48 hours ahead as they came, and what its start emits is read from the same steps; a start
that ends after the deadline counts as late. Climate-Aware Task Scheduler and Arboric are asked
themselves, in a virtual environment of their own; of the others it is the rule. A plan that
keeps its deadline and is cleaner than ours makes the exit status 1: ours claims the optimum.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from papers import half_hours

from airflow_carbon.core.policy import Policy
from airflow_carbon.core.slices import best_slices
from airflow_carbon.core.window import best_window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.intensity import IntensitySeries

HERE = Path(__file__).resolve().parent
HOUR = timedelta(hours=1)
AHEAD = 97
"""Steps of half an hour that a planner sees: the one that runs, and 48 h."""

ZONES = {"GB": "gb_ci.csv", "DE": "ger_ci.csv"}
CATS, ARBORIC = "climate-aware-task-scheduler==1.2.1", "arboric==0.1.1"
PEERS = {
    "arboric": (ARBORIC, ARBORIC),
    "cats": (CATS, CATS),
    "cats_untranslated": (CATS, "  the same, told the deadline"),
}
"""What ``peers_runner.py`` calls a peer: its package, and its line."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a planner's plans of all jobs come to in a zone."""

    saved: float
    """Of running at once [%]."""
    above_ours: float
    """What it emits more than ours [%]."""
    late: int
    """Jobs that miss their deadline."""
    cleaner: int
    """Jobs in time that emit less than ours."""


def main() -> None:
    """Print a line a planner."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=291)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--venv", type=Path, default=HERE.parent / ".venv-peers")
    options = parser.parse_args()
    jobs = draw(options.jobs, options.seed)
    grids = {zone: half_hours(options.data / "lets_wait_awhile" / ZONES[zone]) for zone in ZONES}
    aheads = {zone: [_ahead(grids[zone], job) for job in jobs] for zone in ZONES}
    titles = "".join(f"{zone + ' saved':>12}{'above ours':>12}{'late':>6}" for zone in ZONES)
    print(f"{'planner':<36}{titles}")
    good = True
    for name, start in RULES.items():
        plans = {
            zone: [start(ahead, job) for ahead, job in zip(ahead_of, jobs, strict=True)]
            for zone, ahead_of in aheads.items()
        }
        good = _line(name, jobs, aheads, plans) and good
    for name, (package, label) in PEERS.items():
        python, fault = _installed(options.venv, package)
        if fault:
            print(f"{label:<36}  not installed: {fault}")
            continue
        try:
            plans = {zone: _ask(python, name, aheads[zone], jobs) for zone in ZONES}
        except subprocess.CalledProcessError as exc:
            print(f"{label:<36}  gave no answer: {exc.stderr.strip().splitlines()[-1]}")
            continue
        good = _line(label, jobs, aheads, plans) and good
    print(f"{'ours, when it may stop':<36}{_interruptible(jobs, aheads)}")
    sys.exit(0 if good else 1)


def draw(count: int, seed: int) -> list[Flexibility]:
    """Return jobs: lengths and slack to the minute, arrivals to the second."""
    rng = np.random.default_rng(seed)
    begins = np.sort(rng.integers(0, 366 * 24 * 3600, count))
    minutes = rng.integers(20, 8 * 60, count, endpoint=True)
    slacks = rng.integers(6 * 60, 36 * 60, count, endpoint=True)
    new_year = datetime(2020, 1, 1, tzinfo=UTC)
    return [
        Policy(max_delay=timedelta(minutes=slack)).flexibility(
            submitted=new_year + timedelta(seconds=begin), duration=timedelta(minutes=length)
        )
        for begin, length, slack in np.stack((begins, minutes, slacks), axis=1).tolist()
    ]


def _ahead(series: IntensitySeries, job: Flexibility) -> IntensitySeries:
    first = (job.earliest - series.begins) // series.step
    begins, values = series.begins + first * series.step, series.g_per_kwh[first:][:AHEAD]
    return replace(series, begins=begins, g_per_kwh=values)


def ours(ahead: IntensitySeries, job: Flexibility) -> datetime:
    """Return the start of the best window."""
    return best_window(ahead, job).start


def at_once(_ahead: IntensitySeries, job: Flexibility) -> datetime:
    """Return the instant at which the job comes."""
    return job.earliest


def carbon_aware_sdk(ahead: IntensitySeries, job: Flexibility) -> datetime:
    """Return the best start of those a whole number of steps after the job comes."""
    waits = range((job.latest_start - job.earliest) // ahead.step + 1)
    starts = [job.earliest + wait * ahead.step for wait in waits]
    return min(starts, key=lambda start: ahead.mean(start, start + job.duration))


def cleanest_step(ahead: IntensitySeries, job: Flexibility) -> datetime:
    """Return the begin of the cleanest step, however long the job is; the running one is now."""
    steps = range((job.latest_start - ahead.begins) // ahead.step + 1)
    best = min(steps, key=lambda step: float(ahead.g_per_kwh[step]))
    return max(job.earliest, ahead.begins + best * ahead.step)


def whole_hours(ahead: IntensitySeries, job: Flexibility) -> datetime:
    """Return the best full hour after the job comes, its length taken in whole hours."""
    first = ahead.begins.replace(minute=0) + HOUR
    hours = -(-job.duration // HOUR)
    starts = [first + hour * HOUR for hour in range((job.latest_start - first) // HOUR + 1)]
    return min(starts, key=lambda start: ahead.mean(start, min(start + hours * HOUR, ahead.ends)))


RULES: dict[str, Callable[[IntensitySeries, Flexibility], datetime]] = {
    "at once": at_once,
    "ours": ours,
    "rule of the Carbon Aware SDK": carbon_aware_sdk,
    "cleanest step, length unknown": cleanest_step,
    "whole hours, from the next": whole_hours,
}


def _ask(
    python: Path, name: str, aheads: Sequence[IntensitySeries], jobs: Sequence[Flexibility]
) -> list[datetime]:
    """Return the starts that a peer chooses."""
    questions = [_question(ahead, job) for ahead, job in zip(aheads, jobs, strict=True)]
    command = [str(python), str(HERE / "peers_runner.py"), name]
    answer = subprocess.run(
        command, input=json.dumps(questions), capture_output=True, text=True, check=True
    )
    return [datetime.fromisoformat(start) for start in json.loads(answer.stdout)]


def _question(ahead: IntensitySeries, job: Flexibility) -> dict[str, Any]:
    return {
        "begin": job.earliest.isoformat(),
        "minutes": job.duration // timedelta(minutes=1),
        "deadline": job.deadline.isoformat(),
        "from": ahead.begins.isoformat(),
        "g_per_kwh": ahead.g_per_kwh.tolist(),
    }


def _installed(venv: Path, package: str) -> tuple[Path, str]:
    """Return the Python that has a package, and why it has not if it has not."""
    python = venv / "bin" / "python"
    commands = [[str(python), "-m", "pip", "install", "--quiet", package]]
    if not python.exists():
        commands.insert(0, [sys.executable, "-m", "venv", str(venv)])
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return python, (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]
    return python, ""


def score(
    jobs: Sequence[Flexibility], aheads: Sequence[IntensitySeries], starts: Sequence[datetime]
) -> Score:
    """Return what starts come to, all jobs at the same power."""
    best, usual, found, late, cleaner = 0.0, 0.0, 0.0, 0, 0
    for job, ahead, start in zip(jobs, aheads, starts, strict=True):
        hours = job.duration / HOUR
        optimum = best_window(ahead, job).mean_g_per_kwh * hours
        emitted = ahead.mean(start, start + job.duration) * hours
        usual += ahead.mean(job.earliest, job.earliest + job.duration) * hours
        best, found = best + optimum, found + emitted
        in_time = job.earliest <= start <= job.latest_start
        late += not in_time
        cleaner += in_time and emitted < optimum * (1 - 1e-9)
    saved, above = 100 * (1 - found / usual), 100 * (found / best - 1)
    return Score(saved=saved, above_ours=above, late=late, cleaner=cleaner)


def _line(
    name: str,
    jobs: Sequence[Flexibility],
    aheads: dict[str, list[IntensitySeries]],
    plans: dict[str, list[datetime]],
) -> bool:
    """Print a planner's scores, and tell whether ours stands."""
    scores = [score(jobs, aheads[zone], plans[zone]) for zone in ZONES]
    columns = "".join(f"{s.saved:>10.2f} %{s.above_ours:>10.2f} %{s.late:>6}" for s in scores)
    print(f"{name:<36}{columns}", flush=True)
    return not any(s.cleaner for s in scores) and not (
        name == "ours" and any(s.late for s in scores)
    )


def _interruptible(jobs: Sequence[Flexibility], aheads: dict[str, list[IntensitySeries]]) -> str:
    """Return the same columns for work that may stop and go on, free of charge."""
    columns = ""
    for zone in ZONES:
        pairs = list(zip(aheads[zone], jobs, strict=True))
        hours = [job.duration / HOUR for job in jobs]
        usual = [ahead.mean(job.earliest, job.earliest + job.duration) for ahead, job in pairs]
        best = [best_window(ahead, job).mean_g_per_kwh for ahead, job in pairs]
        slices = [best_slices(ahead, job) for ahead, job in pairs]
        found = np.dot(hours, [one.mean_g_per_kwh for one in slices])
        saved, above = (
            100 * (1 - found / np.dot(hours, usual)),
            100 * (found / np.dot(hours, best) - 1),
        )
        late = sum(
            one.windows[-1].end > job.deadline for one, job in zip(slices, jobs, strict=True)
        )
        columns += f"{saved:>10.2f} %{above:>10.2f} %{late:>6}"
    return columns


if __name__ == "__main__":
    main()
