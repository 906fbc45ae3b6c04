"""How much of the saving that hindsight allows does the corrected forecast capture?

    python benchmarks/hindsight.py --data DIR [--since DAY] [--until DAY] [--every H] [--zones A,B]
                                   [--processes N]

DIR holds ``issued_forecasts.parquet`` (zone, issued_at, h00 to h95) and ``actuals.parquet``
(hourly, a column a zone); integers are tenths of a gram. A job of L hours arrives every H
hours and must end L + S hours later, for each case (L, S); the planner sees what was issued
and what happened before the hour it is in. Interruptible work rests free of charge. The score
is the saving against running at once, summed over zones and cases, as a share of what a
planner that knew the actuals saves. ``policy`` is the same planner, asked hour by hour.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from airflow_carbon.core.blend import blend
from airflow_carbon.core.decision import StartNow, decide
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.intensity import Forecast, IntensitySeries
from airflow_carbon.core.rolling import runs_this_step
from airflow_carbon.core.units import ZoneKey

if TYPE_CHECKING:
    from airflow_carbon.core.window import Window

HOUR = timedelta(hours=1)
CASES = [(1, 24), (4, 20), (6, 24), (8, 16), (12, 24), (24, 24), (24, 48), (24, 72), (48, 48)]
HISTORY = 800 * 24
REACH = 96
KINDS = ("contiguous", "interruptible")


@dataclass
class Zone:
    """What the planner remembers of a zone: earlier issues, the last outlook, standing plans."""

    issues: dict[datetime, Forecast] = field(default_factory=dict)
    outlooks: dict[datetime, Forecast] = field(default_factory=dict)
    plans: dict[tuple[datetime, int], tuple[datetime, Window | None]] = field(default_factory=dict)


_ZONES: defaultdict[str, Zone] = defaultdict(Zone)


def policy(  # noqa: PLR0913, PLR0917 - the protocol's signature
    now: pd.Timestamp,
    issues: list[tuple[pd.Timestamp, pd.Series]],
    actuals: pd.Series,
    hours_left: int,
    deadline: pd.Timestamp,
    interruptible: bool,  # noqa: FBT001 - the protocol's signature
) -> bool:
    """Tell whether to run this hour."""
    zone = _ZONES[str(actuals.name)]
    at, end = now.to_pydatetime(), deadline.to_pydatetime()
    for issued_at, series in issues:
        if issued_at not in zone.issues:
            zone.issues[issued_at] = _forecast(issued_at, series.to_numpy())
    if at not in zone.outlooks:
        zone.outlooks[at] = _outlook(at, zone.issues, actuals.iloc[-HISTORY:].to_numpy())
    outlook = zone.outlooks[at]
    if interruptible:
        return runs_this_step(outlook.series, now=at, until=end, steps=hours_left)
    flex = Flexibility(duration=hours_left * HOUR, earliest=at, deadline=end)
    asked, planned = zone.plans.get((end, hours_left), (None, None))
    answer = decide(outlook, flex, now=at, planned=planned if asked == at - HOUR else None)
    zone.plans[end, hours_left] = (at, answer.window)
    return isinstance(answer, StartNow)


def _forecast(issued_at: pd.Timestamp, values: np.ndarray) -> Forecast:
    """Read an issue; some say a few hours below zero, which can't be."""
    begins = issued_at.to_pydatetime()
    series = _series(begins, np.maximum(values, 0.0))
    return Forecast(series=series, issued_at=begins, source="replay")


def _series(begins: datetime, values: np.ndarray) -> IntensitySeries:
    return IntensitySeries(zone=ZoneKey("zone"), begins=begins, step=HOUR, g_per_kwh=values)


def _outlook(now: datetime, issues: dict[datetime, Forecast], known: np.ndarray) -> Forecast:
    """Return the corrected forecast from now on; ``known`` are the hours before now."""
    heard = [issues[at] for at in sorted(issues) if at <= now]
    history = _series(now - len(known) * HOUR, known)
    better = blend(heard[-1], history, heard[:-1], until=now + REACH * HOUR)
    return replace(better.forecast, rmse_g_per_kwh=better.rmse_g_per_kwh)


def _issued(now: int, begin: int, values: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Return what the issue that began at hour ``begin`` says; beyond it, a week ago."""
    ahead = values[now - begin :][:REACH]
    return np.concatenate((ahead, actual[now + len(ahead) - 168 : now + REACH - 168]))


def _half_climate(now: int, issued: np.ndarray, actual: np.ndarray) -> np.ndarray:
    ahead = np.arange(REACH)
    days = (ahead // 24 + 1)[:, None] * 24 + 24 * np.arange(14)
    return 0.5 * issued + 0.5 * actual[now + ahead[:, None] - days].mean(axis=1)


def _once(said: np.ndarray, actual: np.ndarray, work: int, kind: str) -> float:
    """Return the grams of a job that is planned once on what is said."""
    if kind == "interruptible":
        return float(actual[np.argsort(said, kind="stable")[:work]].sum())
    start = int(np.argmin(_sums(said, work)))
    return float(actual[start : start + work].sum())


def _sums(values: np.ndarray, work: int) -> np.ndarray:
    sums = np.concatenate(([0.0], np.cumsum(values)))
    return sums[work:] - sums[:-work]


def _window(outlooks: list[Forecast], actual: np.ndarray, work: int, slack: int) -> float:
    """Return the grams of a job that runs through, decided upon again each hour."""
    begin, planned = outlooks[0].series.begins, None
    flex = Flexibility(duration=work * HOUR, earliest=begin, deadline=begin + (work + slack) * HOUR)
    for n in range(slack + 1):
        answer = decide(outlooks[n], flex, now=begin + n * HOUR, planned=planned)
        if isinstance(answer, StartNow):
            break
        planned = answer.window
    return float(actual[n : n + work].sum())


def _slices(outlooks: list[Forecast], actual: np.ndarray, work: int, slack: int) -> float:
    """Return the grams of a job that may rest, decided upon again each hour."""
    begin, left, grams = outlooks[0].series.begins, work, 0.0
    until = begin + (work + slack) * HOUR
    for n, outlook in enumerate(outlooks[: work + slack]):
        now = begin + n * HOUR
        if left and runs_this_step(outlook.series, now=now, until=until, steps=left):
            left, grams = left - 1, grams + actual[n]
    return float(grams)


def score_zone(
    actual: pd.Series, begins: list[int], rows: np.ndarray, arrivals: np.ndarray
) -> pd.DataFrame:
    """Return grams by case and kind: at once, with hindsight, and by each planner."""
    zero, actual = actual.index[0], actual.to_numpy()
    issues = {
        (zero + b * HOUR).to_pydatetime(): _forecast(zero + b * HOUR, row)
        for b, row in zip(begins, rows, strict=True)
    }
    hours = range(int(arrivals[0]), int(arrivals[-1]) + REACH)
    ours = [_look(zero, hour, issues, actual) for hour in hours]
    out = defaultdict(float)
    for at in arrivals:
        newest = int(np.searchsorted(begins, at, side="right")) - 1
        issued = _issued(at, begins[newest], rows[newest], actual)
        climate = _half_climate(at, issued, actual)
        for work, slack in CASES:
            span = work + slack
            a = actual[at : at + span]
            looks = ours[at - hours[0] :][:span]
            said = looks[0].series.g_per_kwh[:span]
            for kind, again in zip(KINDS, (_window, _slices), strict=True):
                key = (work, slack, kind)
                out[*key, "at once"] += a[:work].sum()
                out[*key, "hindsight"] += _once(a, a, work, kind)
                out[*key, "plan once"] += _once(issued[:span], a, work, kind)
                out[*key, "half climate"] += _once(climate[:span], a, work, kind)
                out[*key, "ours, once"] += _once(said, a, work, kind)
                out[*key, "ours"] += again(looks, a, work, slack)
    return pd.Series(out).unstack()  # noqa: PD010 - the last level becomes the columns


def _look(
    zero: pd.Timestamp, hour: int, issues: dict[datetime, Forecast], actual: np.ndarray
) -> Forecast:
    now = (zero + hour * HOUR).to_pydatetime()
    return _outlook(now, issues, actual[max(0, hour - HISTORY) : hour])


def main() -> None:
    """Print the scores of each planner, and its worst case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--since", help="the first day of issues that counts")
    parser.add_argument("--until", help="the last")
    parser.add_argument("--every", type=int, default=6, help="hours between arrivals")
    parser.add_argument("--zones", help="A,B; all without it")
    parser.add_argument("--processes", type=int, default=1, help="that share the zones")
    options = parser.parse_args()
    issued = pd.read_parquet(options.data / "issued_forecasts.parquet")
    actuals = pd.read_parquet(options.data / "actuals.parquet")
    leads = [name for name in issued if str(name).startswith("h")]
    scale = 0.1 if issued[leads[0]].dtype.kind == "i" else 1.0
    since = pd.Timestamp(options.since, tz="UTC") if options.since else issued.issued_at.min()
    until = pd.Timestamp(options.until, tz="UTC") if options.until else issued.issued_at.max()
    zones = options.zones.split(",") if options.zones else sorted(issued.zone.unique())
    first = actuals.index[0]
    arrivals = pd.date_range(
        since + timedelta(days=7), until - timedelta(days=8), freq=f"{options.every}h"
    )
    at = ((arrivals - first) // HOUR).to_numpy()
    asked = []
    for zone in zones:
        mine = issued[issued.zone == zone].sort_values("issued_at")
        begins = ((mine.issued_at - first) // HOUR).tolist()
        values = actuals[zone].astype(float) * scale
        asked.append((values, begins, mine[leads].to_numpy(float) * scale, at))
    with ProcessPoolExecutor(options.processes) as pool:
        tables = list(pool.map(score_zone, *zip(*asked, strict=True)))
    _print(
        pd.concat(dict(zip(zones, tables, strict=True)), names=["zone", "work", "slack", "kind"])
    )


def _print(grams: pd.DataFrame) -> None:
    saved = 100 * (1 - grams.drop(columns="at once").div(grams["at once"], axis=0))
    total = saved.groupby("kind").sum()
    print("share of hindsight's saving")
    shares = total.div(total["hindsight"], axis=0).drop(columns="hindsight").T
    print(shares.to_string(float_format="%.4f"))
    print("worst saving against running at once [%]")
    for planner in shares.index:
        zone, work, slack, kind = saved[planner].idxmin()
        worst = saved[planner].min()
        print(f"{planner:<14}{worst:7.2f}  {zone}, {work} h of work, {slack} h of slack, {kind}")


if __name__ == "__main__":
    main()
