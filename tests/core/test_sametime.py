"""What was at the same time of earlier days, and never what came later."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import T0

from airflow_carbon.core.sametime import FADES_DAYS, SameTime, fading, is_weekend

HOUR = timedelta(hours=1)
STEP = 6 * HOUR
DAY = 4

values_of = st.lists(
    st.one_of(st.floats(0, 900), st.just(float("nan"))), min_size=1, max_size=60
).map(np.array)


def slow_mean(values, at, lag, fades, wanted=lambda _: True):
    """The mean and its weight of what is known at, one lag before, two lags before ..."""
    total = weight = 0.0
    ago = 0
    while at - ago * lag >= 0:
        step = at - ago * lag
        if step < len(values) and not np.isnan(values[step]) and wanted(step):
            total += values[step] * np.exp(-ago / fades)
            weight += np.exp(-ago / fades)
        ago += 1
    return (total / weight if weight else float("nan")), weight


@given(values_of, st.integers(1, 9), st.floats(0.5, 30))
def test_a_fading_mean_forgets_lag_by_lag(values, lag, fades) -> None:
    expected = [slow_mean(values, at, lag, fades)[0] for at in range(len(values))]

    np.testing.assert_allclose(fading(values, lag, fades), expected, rtol=1e-9, atol=1e-9)


@given(values_of, st.integers(0, 70), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_what_is_usual_is_a_mean_of_earlier_days(values, asked, lead) -> None:
    at = asked + lead
    newest, last = at, at
    while newest >= asked:
        newest -= DAY
    while last >= asked:
        last -= 7 * DAY

    def weekend(step):
        return (T0 + step * STEP).weekday() >= 5

    def mean(fades, *, kind=False, borrowed=0.0):
        anyday = slow_mean(values, newest, DAY, fades)[0] if newest < len(values) else np.nan
        if not kind:
            return anyday
        alike, weight = slow_mean(
            values, newest, DAY, fades, lambda step: weekend(step) == weekend(at)
        )
        return (weight * np.nan_to_num(alike) + borrowed * anyday) / (weight + borrowed)

    near, week, season = FADES_DAYS
    expected = [
        mean(near),
        mean(week, kind=True, borrowed=2.0),
        mean(season),
        mean(season, kind=True, borrowed=4.0),
        slow_mean(values, last, 7 * DAY, 3.0)[0] if last < len(values) else np.nan,
    ]

    found = SameTime.of(values, T0, STEP).usual(np.array([[at]]), np.array([[asked]]))

    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-9, atol=1e-9)


@given(values_of, st.integers(0, 40), st.integers(0, 20))
@settings(max_examples=40, deadline=None)
def test_what_happens_after_one_asks_does_not_count(values, asked, lead) -> None:
    at, row = np.array([[asked + lead]]), np.array([[asked]])
    changed = values.copy()
    changed[asked:] = 7.0

    before, after = (SameTime.of(one, T0, STEP).usual(at, row) for one in (values, changed))

    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("by", range(0, 40, 3))
def test_a_weekend_is_a_saturday_or_a_sunday(by) -> None:
    at = T0 + by * 5 * HOUR

    assert is_weekend(T0, 5 * HOUR, np.array([by]))[0] == (at.weekday() in {5, 6})
