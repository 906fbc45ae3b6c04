"""Work that may stop and go on free of charge, decided upon again at every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core.errors import ForecastCoverageError

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_carbon.core.intensity import IntensitySeries


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
