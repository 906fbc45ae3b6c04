"""Work that may stop runs in its cleanest steps."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import T0, series_of

from airflow_carbon.core.errors import ForecastCoverageError
from airflow_carbon.core.rolling import runs_this_step

HOUR = timedelta(hours=1)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=30), st.integers(1, 30))
def test_work_that_may_stop_runs_in_its_cleanest_steps(values, steps) -> None:
    steps = min(steps, len(values))
    series, until = series_of(values), T0 + len(values) * HOUR
    left, grams = steps, 0.0
    for i, value in enumerate(values):
        if left and runs_this_step(series, now=T0 + i * HOUR, until=until, steps=left):
            left, grams = left - 1, grams + value

    assert left == 0
    assert grams == np.sort(values)[:steps].sum()


def test_a_span_outside_the_series_is_refused() -> None:
    with pytest.raises(ForecastCoverageError):
        runs_this_step(series_of([1.0] * 3), now=T0, until=T0 + 4 * HOUR, steps=1)
