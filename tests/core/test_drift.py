"""Whether reality has left the forecast: against an oracle that looks at every minute."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import HOUR, SECOND, levels
from strategies import MINUTE, T0, series_of

from airflow_carbon.core.costs import Drift
from airflow_carbon.core.drift import has_drifted
from airflow_carbon.core.errors import InvalidDurationError, InvalidOptionError, InvalidSeriesError
from airflow_carbon.core.intensity import FactorType, Signal

minutes = st.integers(-90, 400)
shares = st.sampled_from([0, 15, 20, 33, 150])


@st.composite
def stretches(draw):
    values = draw(st.lists(levels, min_size=1, max_size=12))
    begins = T0 + draw(st.integers(-60, 60)) * MINUTE
    return values, draw(st.sampled_from([5, 15, 30, 60])), begins


def at_minute(stretch, at):
    values, step, begins = stretch
    i = ((at - begins) // MINUTE) // step
    return values[i] if 0 <= i < len(values) else None


def minute_by_minute(promised, actual, *, since, now, percent, lasting):
    """Return whether every known minute of the last ``lasting`` is over, in whole numbers."""
    values, step, begins = actual
    end = min(now, begins + len(values) * step * MINUTE)
    for i in range(1, lasting + 1):
        at = end - i * MINUTE
        said, was = at_minute(promised, at), at_minute(actual, at)
        if at < since or said is None or was is None or was * 100 <= said * (100 + percent):
            return False
    return True


@settings(max_examples=300)
@given(
    promised=stretches(),
    actual=stretches(),
    times=st.tuples(minutes, minutes),
    percent=shares,
    lasting=st.integers(1, 100),
)
def test_it_has_drifted_where_every_minute_is_over(promised, actual, times, percent, lasting):
    since, now = (T0 + time * MINUTE for time in times)

    found = has_drifted(
        series_of(*promised),
        series_of(*actual),
        since=since,
        now=now,
        drift=Drift(share=percent / 100, lasting=lasting * MINUTE),
    )

    assert found == minute_by_minute(
        promised, actual, since=since, now=now, percent=percent, lasting=lasting
    )


def drifted(promised, actual, *, since=T0, now=T0 + 2 * HOUR, drift=None):
    return has_drifted(promised, actual, since=since, now=now, drift=drift or Drift())


def test_twenty_per_cent_exactly_is_not_over():
    for promised in (3, 35, 70, 100, 333.3):
        for share in (0.05, 0.15, 0.2, 0.33, 1.1):
            exact = promised * (100 + round(100 * share)) / 100
            drift = Drift(share=share)
            said = series_of([promised] * 2)
            assert not drifted(said, series_of([exact] * 2), drift=drift)
            assert drifted(said, series_of([exact * 1.001] * 2), drift=drift)


def test_anything_is_over_a_promise_of_nothing_and_nothing_is_not():
    assert drifted(series_of([0, 0]), series_of([5, 5]))
    assert not drifted(series_of([0, 0]), series_of([0, 0]))


def test_half_an_hour_counts_only_while_the_job_ran():
    promised, actual = series_of([100] * 3), series_of([200] * 3)

    assert not drifted(promised, actual, since=T0 + HOUR, now=T0 + HOUR + 29 * MINUTE)
    assert drifted(promised, actual, since=T0 + HOUR, now=T0 + HOUR + 30 * MINUTE)


def test_five_minutes_back_within_the_promise_end_a_drift():
    actual = [200] * 12

    assert drifted(series_of([100]), series_of(actual, 5), now=T0 + HOUR)
    actual[8] = 119
    assert not drifted(series_of([100]), series_of(actual, 5), now=T0 + HOUR)


def test_missing_actuals_are_no_drift():
    promised = series_of([100] * 9)
    ended_before_the_run = series_of([200] * 2)
    begins_too_late = series_of([200], begins=T0 + 4 * HOUR - 10 * MINUTE, step_minutes=10)

    now = T0 + 4 * HOUR
    assert not drifted(promised, ended_before_the_run, since=T0 + 2 * HOUR, now=now)
    assert not drifted(promised, begins_too_late, now=now)
    assert not drifted(series_of([100]), series_of([200] * 9), now=now)


def test_what_is_not_of_the_same_kind_is_refused():
    series = series_of([100] * 2)
    for other in (
        replace(series, signal=Signal.MARGINAL),
        replace(series, factor_type=FactorType.DIRECT),
        replace(series, zone="FR"),
    ):
        with pytest.raises(InvalidSeriesError):
            drifted(series, other)


def test_a_drift_survives_json_and_may_be_written_as_text():
    for drift in (Drift(), Drift(share=1.5, lasting=0.1 * SECOND), Drift(share="150 %")):
        assert Drift.read(json.loads(json.dumps(drift.as_dict()))) == drift
        assert Drift.read(drift) is drift
    assert Drift.read(None) == Drift(share=0.2, lasting="30m")


@pytest.mark.parametrize("value", ["20%", 0.2, {"shares": 1}, {"share": -0.1}, {"share": "much"}])
def test_a_drift_that_can_not_be_is_refused(value):
    with pytest.raises(InvalidOptionError):
        Drift.read(value)


def test_a_drift_needs_a_length():
    with pytest.raises(InvalidDurationError):
        Drift(lasting="0m")
