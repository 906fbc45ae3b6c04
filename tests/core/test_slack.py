"""When a run of a schedule begins: inside its slack, whatever is said of the hours to come."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from strategies import MINUTE, T0, forecast_of, hard_problems, problems

from airflow_carbon.core.decision import Rules
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.intensity import Forecast
from airflow_carbon.core.slack import GRACE, start_within
from airflow_carbon.core.window import best_window

HOUR = timedelta(hours=1)

all_rules = st.builds(
    Rules,
    limit_g_per_kwh=st.one_of(st.none(), st.floats(0, 800)),
    soonest=st.booleans(),
    min_saving=st.sampled_from([0.0, 0.05, 0.9]),
)


def known(series) -> Forecast:
    return Forecast(series=series, issued_at=series.begins, source="test")


@given(
    problem=hard_problems(),
    minute=st.integers(-3000, 3000),
    moved=st.integers(-600, 600),
    rules=all_rules,
)
def test_no_forecast_moves_a_start_out_of_its_slack(problem, minute, moved, rules):
    series, flex = problem
    elsewhere = known(series.shifted(moved * MINUTE))  # it covers all, a part, or nothing
    start = start_within(elsewhere, flex, now=flex.earliest + minute * MINUTE, rules=rules)

    assert any(first <= start <= last for first, last in flex.starts)


@given(problem=problems(), minute=st.integers(0, 3000))
def test_before_its_time_a_run_is_planned_for_the_cleanest_window(problem, minute):
    series, flex = problem
    now = flex.earliest - minute * MINUTE

    assert start_within(known(series), flex, now=now) == best_window(series, flex).start


@given(problem=problems(), minute=st.integers(0, 3000))
def test_what_is_told_again_is_decided_again_alike(problem, minute):
    series, flex = problem
    now = flex.earliest + minute * MINUTE
    first = start_within(known(series), flex, now=now)

    assert start_within(known(series), flex, now=now) == first


DAY = Flexibility(duration=HOUR, earliest=T0, deadline=T0 + 9 * HOUR)
VALLEY = forecast_of([300, 300, 300, 100, 300, 300, 200, 300, 300, 300])


def test_a_window_that_has_just_begun_is_taken_and_one_long_gone_is_not():
    begins = T0 + 3 * HOUR

    assert start_within(VALLEY, DAY, now=begins + GRACE / 2) == begins
    assert start_within(VALLEY, DAY, now=begins + 2 * HOUR) == T0 + 6 * HOUR


def test_a_newer_forecast_moves_a_run_that_has_not_begun():
    newer = replace(VALLEY, series=VALLEY.series.shifted(HOUR))

    assert start_within(VALLEY, DAY, now=T0) == T0 + 3 * HOUR
    assert start_within(newer, DAY, now=T0) == T0 + 4 * HOUR


def test_without_a_forecast_a_run_begins_at_its_clock_time():
    assert start_within(None, DAY, now=T0 - HOUR) == T0
    assert start_within(forecast_of([1], begins=T0 - 9 * HOUR), DAY, now=T0 - HOUR) == T0


def test_a_run_whose_slack_is_over_begins_at_once():
    assert start_within(VALLEY, DAY, now=T0 + 20 * HOUR) == T0


def test_where_no_window_is_good_enough_a_run_begins_at_the_end_of_its_slack():
    assert start_within(VALLEY, DAY, now=T0, rules=Rules(limit_g_per_kwh=50)) == T0 + 8 * HOUR
