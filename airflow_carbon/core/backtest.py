"""What a policy would have emitted: past jobs, waiting through past forecasts, on past actuals."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from airflow_carbon.core.decision import Rules, StartNow, decide, rules_of
from airflow_carbon.core.errors import ForecastCoverageError, NoFeasibleWindowError
from airflow_carbon.core.outlook import LEARNT, corrected, usual
from airflow_carbon.core.policy import Policy
from airflow_carbon.core.units import HOUR, GramsPerKWh
from airflow_carbon.core.window import best_window, window_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_carbon.core.decision import Reason
    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.intensity import Forecast, IntensitySeries
    from airflow_carbon.core.window import Window

OUTLOOK: Final = timedelta(days=4)
"""How far the forecast of a wait reaches, at least; as where it is for real."""

DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """Work that was submitted once; ``name`` groups what is summed, a DAG say.

    ``power_kw`` is its mean power, the data centre's overhead included.
    """

    name: str
    zone: str
    submitted: datetime
    flex: Flexibility
    policy: Policy = field(default_factory=Policy)
    power_kw: float = 1.0


@dataclass(kw_only=True, eq=False)
class Past:
    """What happened in a zone, and what was known of it when.

    ``issues`` are the forecasts of one source, oldest first; without any, our own forecast from
    the history stands in, as it does in a wait. ``lag`` is how late actuals become known;
    ``origin`` says where all of this is from.
    """

    actual: IntensitySeries
    issues: tuple[Forecast, ...] = ()
    lag: timedelta = HOUR
    origin: str = ""
    _known: dict[datetime, Forecast | None] = field(default_factory=dict, repr=False)

    def issue(self, now: datetime) -> Forecast | None:
        """Return the newest issue that was out, None before the first."""
        heard = [one for one in self.issues if one.issued_at <= now]
        return heard[-1] if heard else None

    def history(self, now: datetime) -> IntensitySeries | None:
        """Return the actuals that were known, of the last :data:`LEARNT`."""
        step, begins = self.actual.step, self.actual.begins
        last = min((now - self.lag - begins) // step, len(self.actual.g_per_kwh))
        first = max(0, last - LEARNT // step)
        if last <= first:
            return None
        return replace(
            self.actual, begins=begins + first * step, g_per_kwh=self.actual.g_per_kwh[first:last]
        )

    def forecast(self, now: datetime) -> Forecast | None:
        """Return the best that could be said at an instant; the same within a step."""
        at = self.actual.begins + (now - self.actual.begins) // self.actual.step * self.actual.step
        if at not in self._known:
            self._known[at] = self._best(at)
        return self._known[at]

    def week(self, now: datetime) -> IntensitySeries | None:
        """Return the last seven days, as far as they were known."""
        history = self.history(now)
        if history is None:
            return None
        return replace(history, g_per_kwh=history.g_per_kwh[-(WEEK // history.step) :])

    def _best(self, now: datetime) -> Forecast | None:
        issued, history = self.issue(now), self.history(now)
        if issued is not None and issued.series.ends <= now:
            issued = None
        if history is None:
            return issued
        try:
            if issued is None:
                return usual(history, "history", now=now, until=now + OUTLOOK)
            until = max(issued.series.ends, now + OUTLOOK)
            elders = self._elders(issued, now)
            return corrected(issued, history, elders, now=now, until=until)
        except ForecastCoverageError:  # too little history
            return issued

    def _elders(self, newest: Forecast, now: datetime) -> list[Forecast]:
        """Return one earlier issue a day, counted back from the newest."""
        chosen = [newest]
        for one in reversed(self.issues):
            if one.issued_at < now - LEARNT:
                break
            if chosen[-1].issued_at - one.issued_at >= DAY:
                chosen.append(one)
        return chosen[:0:-1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """When a job would have started and why, and the actual mean intensities [g/kWh] it met.

    ``at_once``: had it run when it first could; ``one_shot``: in the best window of the forecast
    that was out then, with no second look; ``hindsight``: in the window that really was best.
    """

    job: Job
    start: datetime
    because: Reason
    mean_g_per_kwh: GramsPerKWh
    at_once_g_per_kwh: GramsPerKWh
    one_shot_g_per_kwh: GramsPerKWh
    hindsight_g_per_kwh: GramsPerKWh


def jobs_every(  # noqa: PLR0913 - each says a part of which jobs
    every: timedelta,
    *,
    begin: datetime,
    end: datetime,
    zone: str,
    duration: object,
    policy: Policy,
) -> list[Job]:
    """Return a job of one kind at each instant of a raster in ``[begin, end)``."""
    return [
        Job(
            name=zone,
            zone=zone,
            submitted=begin + i * every,
            flex=policy.flexibility(submitted=begin + i * every, duration=duration),
            policy=policy,
        )
        for i in range(max(0, -(-(end - begin) // every)))
    ]


def replay(jobs: Iterable[Job], past: Mapping[str, Past]) -> Iterator[Outcome | None]:
    """Yield each job's outcome; None where the actuals do not cover what it might have met."""
    for job in jobs:
        yield _outcome(job, past[job.zone])


def _outcome(job: Job, past: Past) -> Outcome | None:
    flex, actual = job.flex, past.actual
    if not actual.covers(flex.starts[0][0], flex.deadline):
        return None
    rules = rules_of(job.policy, flex.duration, week=past.week(job.submitted))
    start, because = _wait(flex, past, rules)
    first = flex.starts[0][0]
    return Outcome(
        job=job,
        start=start,
        because=because,
        mean_g_per_kwh=window_at(actual, flex, start).mean_g_per_kwh,
        at_once_g_per_kwh=window_at(actual, flex, first).mean_g_per_kwh,
        one_shot_g_per_kwh=window_at(
            actual, flex, _one_shot(flex, past.issue(first) or past.forecast(first))
        ).mean_g_per_kwh,
        hindsight_g_per_kwh=best_window(actual, flex).mean_g_per_kwh,
    )


def _wait(flex: Flexibility, past: Past, rules: Rules) -> tuple[datetime, Reason]:
    """Ask as the trigger asks: again and again, until the answer is to start."""
    now, planned = flex.earliest, None
    while True:
        answer = decide(past.forecast(now), flex, now=now, planned=planned, rules=rules)
        if isinstance(answer, StartNow):
            return now, answer.because
        now, planned = answer.at, answer.window


def _one_shot(flex: Flexibility, issued: Forecast | None) -> datetime:
    """Return the start that the forecast names best, as far as it reaches; at once without one."""
    first = flex.starts[0][0]
    if issued is None:
        return first
    try:
        reach = replace(flex, deadline=min(flex.deadline, issued.series.ends))
        window: Window = best_window(issued.series, reach)
    except (ForecastCoverageError, NoFeasibleWindowError):
        return first
    return window.start


def summary(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """Return a row a name and a last row ``all``: what was emitted, and saved against at once.

    Columns: ``jobs``; ``mean_delay_h``; ``energy_kwh`` at the jobs' stated power; ``emitted_g``,
    ``at_once_g``, ``one_shot_g``, ``hindsight_g``; ``saved_percent``, ``one_shot_percent``,
    ``hindsight_percent`` against at once; ``captured``, the share of hindsight's saving that the
    policy captured (NaN where there was nothing to save).
    """
    rows = pd.DataFrame([_row(one) for one in outcomes])
    if rows.empty:
        return rows
    sums = rows.groupby("name", sort=True).sum()
    sums.loc["all"] = sums.sum()
    table = sums.drop(columns="delay_h")
    table.insert(1, "mean_delay_h", sums["delay_h"] / sums["jobs"])
    table["jobs"] = table["jobs"].astype(int)
    for name in ("emitted", "one_shot", "hindsight"):
        share = 1 - table[f"{name}_g"] / table["at_once_g"].replace(0, np.nan)
        table["saved_percent" if name == "emitted" else f"{name}_percent"] = 100 * share
    possible = table["hindsight_percent"].where(table["hindsight_percent"] > 0)
    table["captured"] = table["saved_percent"] / possible
    return table


def _row(one: Outcome) -> dict[str, object]:
    energy = one.job.power_kw * (one.job.flex.duration / HOUR)
    return {
        "name": one.job.name,
        "jobs": 1,
        "delay_h": (one.start - one.job.flex.earliest) / HOUR,
        "energy_kwh": energy,
        "emitted_g": energy * one.mean_g_per_kwh,
        "at_once_g": energy * one.at_once_g_per_kwh,
        "one_shot_g": energy * one.one_shot_g_per_kwh,
        "hindsight_g": energy * one.hindsight_g_per_kwh,
    }
