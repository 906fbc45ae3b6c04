"""Now or later: the policy, asked again and again with what is known by then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from airflow_carbon.core.costs import MARGIN
from airflow_carbon.core.doubt import rival
from airflow_carbon.core.errors import ForecastCoverageError
from airflow_carbon.core.policy import WorkloadClass
from airflow_carbon.core.units import GramsPerKWh
from airflow_carbon.core.window import Window, best_window, first_window, startable, window_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.intensity import Forecast, IntensitySeries
    from airflow_carbon.core.policy import Policy

    FloatArray = NDArray[np.float64]

SHORTEST_WAIT: Final = timedelta(seconds=1)


class Reason(StrEnum):
    """Why a job starts; an outage never looks like a choice."""

    CLEAN = "clean"
    """Its best window begins."""
    DEADLINE = "deadline"
    """Its latest start has come."""
    BELOW_MIN_SAVING = "below_min_saving"
    """Waiting would save less than was asked for."""
    TOO_RISKY = "too_risky"
    """What waiting would save is within the error of the forecast."""
    NO_DATA = "no_data"
    """No source had anything to say."""
    REAL_TIME = "real_time"
    """Its workload class never waits."""
    OPTED_OUT = "opted_out"
    """This run was asked not to wait."""
    DRY_RUN = "dry_run"
    """It would have waited, but was asked only to say so."""


DOUBT: Final = 0.2
"""By so many standard errors a later window may turn out cleaner than it looks.

Chosen on the issued forecasts of 23 zones, by what planning with them emitted in 2022.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What a start has to meet besides its deadline; nothing by default.

    ``at_once``: why this job does not wait at all. ``limit_g_per_kwh``: only a window at or
    below it is good enough; where none is in sight the job waits, to its latest start at the
    latest. ``soonest``: of the windows that are good enough the first, not the cleanest.
    ``min_saving``: what a wait has to save, as a share of running now;
    ``min_saving_g_per_kwh``: the same as grams per kWh of the job. ``caution``: by how many of the
    forecast's standard errors a promised window is taken to be worse, over running now. ``doubt``:
    by how many a later one may be better (:func:`~airflow_carbon.core.doubt.rival`), where nothing
    else is asked; 0 for who asks only once.
    """

    at_once: Reason | None = None
    limit_g_per_kwh: float | None = None
    soonest: bool = False
    min_saving: float = 0.0
    min_saving_g_per_kwh: float = 0.0
    caution: float = 0.0
    doubt: float = DOUBT

    def allow(self, mean_g_per_kwh: float) -> bool:
        """Tell whether a window is clean enough."""
        return self.limit_g_per_kwh is None or mean_g_per_kwh <= self.limit_g_per_kwh

    def are_met_by(self, window: Window, run_now: Window) -> bool:
        """Tell whether a window is worth the wait; any is where nothing is asked."""
        if not (self.min_saving or self.min_saving_g_per_kwh):
            return True
        saved = run_now.mean_g_per_kwh - window.mean_g_per_kwh
        share = saved / run_now.mean_g_per_kwh if run_now.mean_g_per_kwh else 0.0
        return share >= self.min_saving and saved >= self.min_saving_g_per_kwh

    def dare(self, forecast: Forecast, window: Window, run_now: Window) -> bool:
        """Tell whether a promised window is cleaner than now even if the forecast errs."""
        later, sooner = (forecast.spread(one.start, one.end) for one in (window, run_now))
        if not self.caution or later is None or sooner is None:
            return True
        feared = window.mean_g_per_kwh + self.caution * max(0.0, later - sooner)
        return feared < run_now.mean_g_per_kwh

    def doubts(self, forecast: Forecast) -> FloatArray | None:
        """Return by how much each step may turn out cleaner [g/kWh]; None where it is no matter.

        It is none where that is not known, and where more is asked than the cleanest window.
        """
        asked = (self.soonest, self.min_saving, self.min_saving_g_per_kwh, self.caution)
        if self.limit_g_per_kwh is not None or any(asked) or forecast.errors is None:
            return None
        return self.doubt * forecast.errors if self.doubt else None


NO_RULES: Final = Rules()


def rules_of(
    policy: Policy,
    duration: timedelta,
    *,
    week: IntensitySeries | None = None,
    opted_out: bool = False,
) -> Rules:
    """Return what a policy asks of a start; without the last week no percentile limits it."""
    at_once = Reason.REAL_TIME if policy.workload is WorkloadClass.REAL_TIME else None
    limits = [] if policy.below_g_per_kwh is None else [policy.below_g_per_kwh]
    if policy.below_percentile is not None and week is not None:
        limits.append(float(np.percentile(week.g_per_kwh, policy.below_percentile)))
    return Rules(
        at_once=Reason.OPTED_OUT if opted_out else at_once,
        limit_g_per_kwh=min(limits, default=None),
        soonest=policy.soonest,
        min_saving=policy.min_saving,
        min_saving_g_per_kwh=policy.min_saving_g_per_kwh(duration),
        caution=policy.caution,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class StartNow:
    """Run at once; ``window`` is None where no forecast covers the job."""

    window: Window | None
    because: Reason


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitUntil:
    """Ask again at ``at``; ``window`` is what is planned.

    None before anything is known, and where none of the windows in sight is below
    ``sought_g_per_kwh``. ``in_doubt``: now looks cleanest, but not by enough to be sure of it.
    """

    at: datetime
    window: Window | None
    sought_g_per_kwh: GramsPerKWh | None = None
    in_doubt: bool = False


def decide(
    forecast: Forecast | None,
    flex: Flexibility,
    *,
    now: datetime,
    planned: Window | None = None,
    rules: Rules = NO_RULES,
) -> StartNow | WaitUntil:
    """Decide between running now and waiting: the whole policy of the package.

    Asked again at every step of the forecast, so that a new issue is heard. A missing
    forecast never costs the deadline: at ``flex.latest_start`` the answer is always
    :class:`StartNow`.

    ``planned`` is the window of the last answer. It stands until another is cleaner by more
    than :data:`MARGIN`, so that noise does not move the start back and forth. It still counts
    while its start is a moment ago, so that waking up late by a second does not lose it to a
    tie tomorrow. Where the errors of the forecast are known, now has to beat what comes later
    clearly (:func:`~airflow_carbon.core.doubt.rival`): the next look knows more.
    """
    opens = _opens(flex, now)
    window = _plan(forecast, flex, now, planned, rules)
    if rules.at_once is not None and now >= opens:
        return StartNow(window=_run_at(forecast, flex, now), because=rules.at_once)
    if now >= flex.latest_start:
        chosen = window is not None and planned is not None and planned.start <= now
        because = Reason.CLEAN if chosen else Reason.DEADLINE
        return StartNow(window=_run_at(forecast, flex, now), because=because)
    if now < opens:
        return WaitUntil(at=_next_look(forecast, now, opens), window=window)
    if forecast is None or not startable(forecast.series, _from(flex, now)):
        return StartNow(window=None, because=Reason.NO_DATA)
    return _choose(forecast, flex, now, window, rules)


def _choose(
    forecast: Forecast, flex: Flexibility, now: datetime, window: Window | None, rules: Rules
) -> StartNow | WaitUntil:
    """Decide where there is a choice: the job may start now, and may start later."""
    if window is None:
        limit = GramsPerKWh(rules.limit_g_per_kwh or 0.0)
        look = _next_look(forecast, now, flex.latest_start)
        return WaitUntil(at=look, window=None, sought_g_per_kwh=limit)
    run_now = _run_at(forecast, flex, now)
    if run_now and (doubt := rules.doubts(forecast)) is not None:
        return _unless_in_doubt(forecast, flex, now, window, run_now, doubt)
    if window.start <= now:
        return StartNow(window=run_now or window, because=Reason.CLEAN)
    if run_now and rules.allow(run_now.mean_g_per_kwh):
        if not rules.are_met_by(window, run_now):
            return StartNow(window=run_now, because=Reason.BELOW_MIN_SAVING)
        if not rules.dare(forecast, window, run_now):
            return StartNow(window=run_now, because=Reason.TOO_RISKY)
    return WaitUntil(at=_next_look(forecast, now, window.start), window=window)


def _unless_in_doubt(  # noqa: PLR0913, PLR0917 - what is known of one choice
    forecast: Forecast,
    flex: Flexibility,
    now: datetime,
    window: Window,
    run_now: Window,
    doubt: FloatArray,
) -> StartNow | WaitUntil:
    least, begun = run_now.mean_g_per_kwh, window.start <= now
    if begun:  # a look that comes a moment late sees the window that it comes for
        least = min(least, window.mean_g_per_kwh)
    later = rival(forecast.series, doubt, flex, now=now, g_per_kwh=least)
    if later is None:
        return StartNow(window=run_now, because=Reason.CLEAN)
    planned = later if begun else window
    look = _next_look(forecast, now, planned.start)
    return WaitUntil(at=look, window=planned, in_doubt=begun)


def hold(series: IntensitySeries, flex: Flexibility, *, planned: Window, best: Window) -> Window:
    """Return the plan that stands, with what is said of it now, unless the best is far better."""
    if not any(first <= planned.start <= last for first, last in flex.starts):
        return best
    try:
        standing = window_at(series, flex, planned.start)
    except ForecastCoverageError:
        return best
    if standing.mean_g_per_kwh * (1 - MARGIN) <= best.mean_g_per_kwh:
        return standing
    return best


def _opens(flex: Flexibility, now: datetime) -> datetime:
    """Return the first instant from now on at which the job may start."""
    later = [max(first, now) for first, last in flex.starts if now <= last]
    return later[0] if later else now


def _from(flex: Flexibility, since: datetime) -> Flexibility:
    return replace(flex, earliest=min(max(since, flex.earliest), flex.latest_start))


def _plan(
    forecast: Forecast | None,
    flex: Flexibility,
    now: datetime,
    planned: Window | None,
    rules: Rules,
) -> Window | None:
    """Return the window to run in; None where nothing is known, or nothing is clean enough."""
    if forecast is None:
        return None
    begun = planned is not None and planned.start <= now
    left = _from(flex, planned.start if planned is not None and begun else now)
    try:
        limit = rules.limit_g_per_kwh
        best = first_window(forecast.series, left, limit) if rules.soonest else None
        best = best or best_window(forecast.series, left)
    except ForecastCoverageError:
        return None
    if not rules.allow(best.mean_g_per_kwh):
        return None
    if planned is None or begun or rules.soonest:
        return best
    standing = hold(forecast.series, flex, planned=planned, best=best)
    return standing if rules.allow(standing.mean_g_per_kwh) else best


def _run_at(forecast: Forecast | None, flex: Flexibility, now: datetime) -> Window | None:
    """Return the window that starts now, None where the forecast does not cover it."""
    if forecast is None or not forecast.series.covers(now, now + flex.duration):
        return None
    return window_at(forecast.series, flex, now)


def _next_look(forecast: Forecast | None, now: datetime, latest: datetime) -> datetime:
    """Return the next edge of the forecast's steps, when a new issue may be out."""
    if forecast is None:
        return latest
    step = forecast.series.step
    edge = now + step - (now - forecast.series.begins) % step
    return min(max(edge, now + SHORTEST_WAIT), latest)
