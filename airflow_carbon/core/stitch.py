"""One series from several that each know a part."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core.errors import InvalidSeriesError
from airflow_carbon.core.intensity import Quality, Survey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow_carbon.core.intensity import IntensitySeries


def stitch(
    parts: Sequence[tuple[IntensitySeries, Quality]], source: str, begin: datetime, end: datetime
) -> Survey | None:
    """Return the intensity over ``[begin, end)``, each step from the first part that holds it.

    Parts come best first; the grid is the finest of those in use, and the quality the worst.
    None where a step is in no part. The survey reaches over whole steps, so it may begin a
    little earlier and end a little later.

    Raises:
        InvalidSeriesError: parts of different signals or factors.
    """
    near = [(one, quality) for one, quality in parts if one.begins < end and begin < one.ends]
    if not near:
        return None
    first = near[0][0]
    for one, _ in near[1:]:
        if (one.signal, one.factor_type) != (first.signal, first.factor_type):
            fault = "signals or factors differ between what happened and what was forecast"
            raise InvalidSeriesError(first.zone, fault)
    step = min(one.step for one, _ in near)
    zero = first.begins - -((begin - first.begins) // step) * step
    count = -((zero - end) // step)
    starts = np.arange(count, dtype=np.float64) * step.total_seconds()
    values, used = np.full(count, np.nan), []
    for one, quality in near:
        offsets = starts + one.offset(zero)
        inside = (offsets >= 0) & (offsets + step.total_seconds() <= one.offset(one.ends))
        inside &= np.isnan(values)
        if inside.any():
            values[inside] = one.mean_over(offsets[inside], step)
            used.append(quality)
    if np.isnan(values).any():
        return None
    order = list(Quality)
    series = replace(first, begins=zero, step=step, g_per_kwh=np.maximum(values, 0.0), filled=0)
    return Survey(series=series, source=source, quality=max(used, key=order.index))
