"""When in doubt, wait: the next look knows more than this one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from airflow_carbon.core.window import start_at, start_means, startable, window_at

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.intensity import IntensitySeries
    from airflow_carbon.core.window import Window

    FloatArray = NDArray[np.float64]

SHORT: Final = timedelta(days=1)
"""Work shorter than this finds the dip of a day, and loses it where it hesitates."""

_TRIFLE: Final = 1e-4
"""A window that may be cleaner by less than this share is a tie, which goes to now."""


def rival(
    series: IntensitySeries,
    doubt: FloatArray,
    flex: Flexibility,
    *,
    now: datetime,
    g_per_kwh: float,
) -> Window | None:
    """Return the later window that may turn out cleaner than ``g_per_kwh`` now; None without one.

    ``doubt`` says of each step by how much it may [gCO2eq/kWh]. A window that begins *k* after
    now, of work of the length *L*, is credited with

        (min(k, L) / max(L, 24 h))^2 x doubt

    of the step in the middle of what it does not share with the one now. While they share most of
    their hours little is lost by looking again, and what is news then may change which is best:
    an option that has its value. No window is credited with more than starts differ by at all, so
    that a flat forecast is no reason to wait.
    """
    spans = [span for span in startable(series, flex) if span[1] > now]
    if not spans:
        return None
    first, last = spans[0]
    spans[0] = (max(first, now), last)
    starts, means = start_means(series, flex, spans)
    length, step = flex.duration.total_seconds(), series.step.total_seconds()
    beyond = np.minimum(starts - series.offset(now), length)
    at = ((starts + length - beyond / 2) // step).astype(np.int64)
    share = beyond / max(length, SHORT.total_seconds())
    most = max(float(means.max()), g_per_kwh) - min(float(means.min()), g_per_kwh)
    least = means - np.minimum(share**2 * doubt[np.minimum(at, len(doubt) - 1)], most)
    i = int(np.argmin(least))
    later = start_at(series, float(starts[i]), spans)
    if later <= now or least[i] >= g_per_kwh * (1 - _TRIFLE):
        return None
    return window_at(series, flex, later)
