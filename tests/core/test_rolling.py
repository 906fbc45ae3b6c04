"""A plan that stands until something clearly cleaner is there."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import MINUTE, T0, problems, series_of

from airflow_carbon.core.costs import MARGIN
from airflow_carbon.core.errors import ForecastCoverageError
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.rolling import replan, runs_this_step
from airflow_carbon.core.units import GramsPerKWh
from airflow_carbon.core.window import Window, best_window

HOUR = timedelta(hours=1)


def job(hours, span):
    return Flexibility(duration=hours * HOUR, earliest=T0, deadline=T0 + span * HOUR)


def window(start, hours):
    begin = T0 + start * HOUR
    return Window(start=begin, end=begin + hours * HOUR, mean_g_per_kwh=GramsPerKWh(0.0))


@given(problems(), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_what_stands_is_never_much_dirtier_than_the_best(problem, where) -> None:
    series, flex = problem
    slack = (flex.latest_start - flex.earliest) // MINUTE
    start = flex.earliest + int(slack * where) * MINUTE
    planned = Window(start=start, end=start + flex.duration, mean_g_per_kwh=GramsPerKWh(0.0))

    plan = replan(series, flex, now=flex.earliest, planned=planned)
    best = best_window(series, flex)

    assert plan.start in {start, best.start}
    assert plan.mean_g_per_kwh * (1 - MARGIN) <= best.mean_g_per_kwh + 1e-9


def test_a_plan_is_not_given_up_for_a_trifle() -> None:
    series = series_of([100.0, 99.5, 99.4, 100.0])

    assert replan(series, job(1, 4), now=T0, planned=window(1, 1)).start == T0 + HOUR


def test_a_plan_is_given_up_for_something_clearly_cleaner() -> None:
    series = series_of([100.0, 99.5, 60.0, 100.0])

    assert replan(series, job(1, 4), now=T0, planned=window(1, 1)).start == T0 + 2 * HOUR


def test_a_plan_whose_start_has_passed_no_longer_stands() -> None:
    series = series_of([1.0, 99.5, 60.0, 100.0])

    plan = replan(series, job(1, 4), now=T0 + HOUR, planned=window(0, 1))

    assert plan.start == T0 + 2 * HOUR


def test_after_the_latest_start_there_is_no_plan() -> None:
    with pytest.raises(ForecastCoverageError):
        replan(series_of([1.0] * 9), job(2, 4), now=T0 + 3 * HOUR, planned=None)


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
