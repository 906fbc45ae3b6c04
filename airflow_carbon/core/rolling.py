"""Planning again at every look, without chasing the noise of new forecasts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core.decision import hold
from airflow_carbon.core.errors import ForecastCoverageError
from airflow_carbon.core.window import best_window

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.intensity import IntensitySeries
    from airflow_carbon.core.window import Window


def replan(
    series: IntensitySeries, flex: Flexibility, *, now: datetime, planned: Window | None
) -> Window:
    """Return the plan to follow from now on: the one that stands, or a clearly cleaner one.

    A plan whose start has passed no longer stands. The mean [gCO2eq/kWh] of the window is what
    ``series`` says of it.

    Raises:
        ForecastCoverageError: no window that is still feasible lies inside the series.
    """
    if now > flex.latest_start:
        raise ForecastCoverageError(series.begins, series.ends)
    best = best_window(series, replace(flex, earliest=max(now, flex.earliest)))
    if planned is None or planned.start < now:
        return best
    return hold(series, flex, planned=planned, best=best)


def runs_this_step(series: IntensitySeries, *, now: datetime, until: datetime, steps: int) -> bool:
    """Tell whether the step at ``now`` is among the ``steps`` cleanest before ``until``.

    For work that may stop and go on free of charge; an earlier step wins a tie.

    Raises:
        ForecastCoverageError: the span is not wholly inside the series.
    """
    if not (now < until and series.covers(now, until)):
        raise ForecastCoverageError(series.begins, series.ends)
    first, last = (now - series.begins) // series.step, -((series.begins - until) // series.step)
    values = series.g_per_kwh[first:last]
    return int(np.sum(values < values[0])) < steps
