"""The policy, asked as a wait asks it: again and again, over a clock that only it moves."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import MINUTE, T0, all_series, forecast_of, problems

from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.intensity import Forecast
from airflow_carbon.core.window import Reason, StartNow, WaitUntil, best_window, decide

HOUR = timedelta(hours=1)


def wait(forecasts, flex, now, late=timedelta(0), looks=5000):
    """Follow the policy until it starts; each look wakes up ``late``."""
    planned = None
    for _ in range(looks):
        answer = decide(forecasts(now), flex, now=now, planned=planned)
        if isinstance(answer, StartNow):
            return now, answer
        assert answer.at > now
        planned, now = answer.window, answer.at + late
    pytest.fail("the wait never ends")


@given(problems())
def test_with_a_true_forecast_the_wait_ends_in_the_best_window(problem):
    series, flex = problem
    forecast = Forecast(series=series, issued_at=series.begins, source="t")

    at, answer = wait(lambda _: forecast, flex, flex.earliest)

    best = best_window(series, flex)
    assert answer.window.mean_g_per_kwh == pytest.approx(best.mean_g_per_kwh, abs=1e-6)
    assert flex.earliest <= at <= flex.latest_start


@given(problems(), st.lists(st.one_of(st.none(), all_series()), min_size=1, max_size=5), st.data())
def test_no_forecast_however_wrong_moves_a_start_past_the_latest(problem, others, data):
    _, flex = problem
    begin = flex.earliest - data.draw(st.integers(0, 300)) * MINUTE

    def lies(_now):
        series = data.draw(st.sampled_from(others))
        return series and Forecast(series=series, issued_at=series.begins, source="liar")

    at, answer = wait(lies, flex, begin)

    assert flex.earliest <= at <= flex.latest_start
    assert isinstance(answer.because, Reason)


def test_at_the_latest_start_the_answer_is_always_to_start():
    flex = Flexibility(duration=HOUR, earliest=T0, deadline=T0 + 5 * HOUR)
    for forecast in (None, forecast_of([900] * 5 + [1] * 20)):
        for now in (flex.latest_start, flex.latest_start + 3 * HOUR):
            answer = decide(forecast, flex, now=now)
            assert isinstance(answer, StartNow)
            assert answer.because is Reason.DEADLINE


def test_an_outage_starts_the_job_and_says_so():
    flex = Flexibility(duration=HOUR, earliest=T0, deadline=T0 + 5 * HOUR)

    assert decide(None, flex, now=T0) == StartNow(window=None, because=Reason.NO_DATA)


def test_an_outage_before_the_earliest_start_waits_for_it():
    flex = Flexibility(duration=HOUR, earliest=T0, deadline=T0 + 5 * HOUR)

    assert decide(None, flex, now=T0 - HOUR) == WaitUntil(at=T0, window=None)


def test_a_forecast_that_ends_too_early_is_no_data():
    flex = Flexibility(duration=4 * HOUR, earliest=T0, deadline=T0 + 20 * HOUR)

    assert decide(forecast_of([100, 50]), flex, now=T0).because is Reason.NO_DATA


def test_the_wait_looks_again_at_each_step_so_that_a_new_issue_is_heard():
    flex = Flexibility(duration=HOUR, earliest=T0, deadline=T0 + 10 * HOUR)
    forecast = forecast_of([300, 300, 300, 300, 100, 300, 300, 300, 300, 300])

    answer = decide(forecast, flex, now=T0 + 20 * MINUTE)

    assert answer.at == T0 + HOUR
    assert answer.window.start == T0 + 4 * HOUR


def test_a_new_issue_moves_the_start():
    flex = Flexibility(duration=HOUR, earliest=T0, deadline=T0 + 10 * HOUR)
    first = forecast_of([300, 300, 300, 300, 100, 300, 300, 300, 300, 300])
    second = forecast_of([300, 300, 80, 300, 100, 300, 300, 300, 300, 300])

    at, answer = wait(lambda now: first if now < T0 + HOUR else second, flex, T0)

    assert at == T0 + 2 * HOUR
    assert answer.because is Reason.CLEAN


def test_waking_a_second_late_does_not_lose_the_window_to_the_same_hour_tomorrow():
    day = [300] * 4 + [100] + [300] * 19
    flex = Flexibility(duration=HOUR, earliest=T0, deadline=T0 + 70 * HOUR)

    at, answer = wait(lambda _: forecast_of(day * 3), flex, T0, late=timedelta(seconds=1))

    assert at == T0 + 4 * HOUR + timedelta(seconds=1)
    assert answer.because is Reason.CLEAN


def test_a_window_that_was_chosen_at_the_very_end_is_a_choice():
    flex = Flexibility(duration=HOUR, earliest=T0, deadline=T0 + 3 * HOUR)

    at, answer = wait(lambda _: forecast_of([300, 200, 100]), flex, T0)

    assert at == flex.latest_start
    assert answer.because is Reason.CLEAN


def test_a_start_that_is_forced_is_no_choice():
    flex = Flexibility(duration=HOUR, earliest=T0, deadline=T0 + 3 * HOUR)
    later = Flexibility(duration=HOUR, earliest=T0, deadline=T0 + 4 * HOUR)
    answer = decide(forecast_of([300, 200, 100, 10]), later, now=T0)

    forced = decide(
        forecast_of([300, 200, 100, 10]), flex, now=flex.latest_start, planned=answer.window
    )

    assert forced.because is Reason.DEADLINE


def test_a_job_whose_time_has_passed_starts_now():
    flex = Flexibility(duration=HOUR, earliest=T0, deadline=T0 + 3 * HOUR)

    answer = decide(forecast_of([300] * 200), flex, now=T0 + 100 * HOUR)

    assert answer.because is Reason.DEADLINE
    assert answer.window.start == T0 + 100 * HOUR


@given(problems(), st.integers(1, 50))
def test_waking_late_never_makes_the_wait_endless(problem, seconds):
    series, flex = problem
    forecast = Forecast(series=series, issued_at=series.begins, source="t")

    at, _ = wait(lambda _: forecast, flex, flex.earliest, late=timedelta(seconds=seconds))

    assert at <= flex.latest_start + timedelta(seconds=seconds)


def test_the_window_of_a_start_is_the_time_it_really_runs():
    flex = Flexibility(duration=HOUR, earliest=T0, deadline=T0 + 5 * HOUR)
    forecast = forecast_of([100, 200, 300, 300, 300])
    late = replace(best_window(forecast.series, flex))

    answer = decide(forecast, flex, now=T0 + 30 * MINUTE, planned=late)

    assert answer.window.start == T0 + 30 * MINUTE
    assert answer.window.mean_g_per_kwh == pytest.approx(150)
    assert np.isfinite(answer.window.mean_g_per_kwh)


@pytest.mark.parametrize(("lower", "moves"), [(0.995, False), (0.98, True)])
def test_a_plan_moves_for_what_is_clearly_cleaner_and_for_nothing_less(lower, moves):
    flex = Flexibility(duration=HOUR, earliest=T0, deadline=T0 + 10 * HOUR)
    first = decide(forecast_of([300, 300, 100] + [300] * 7), flex, now=T0)
    later = forecast_of([300, 300, 100, 300, 100 * lower] + [300] * 5)

    second = decide(later, flex, now=T0 + HOUR / 2, planned=first.window)

    assert first.window.start == T0 + 2 * HOUR
    assert second.window.start == T0 + (4 if moves else 2) * HOUR


def test_a_plan_that_stands_says_what_the_newest_forecast_says_of_it():
    flex = Flexibility(duration=HOUR, earliest=T0, deadline=T0 + 10 * HOUR)
    first = decide(forecast_of([300, 300, 100] + [300] * 7), flex, now=T0)

    second = decide(
        forecast_of([300, 300, 120] + [300] * 7), flex, now=T0 + HOUR / 2, planned=first.window
    )

    assert second.window.mean_g_per_kwh == 120


@pytest.mark.parametrize(("share", "waits"), [(0.0, True), (0.3, True), (0.4, False)])
def test_a_wait_that_saves_too_little_is_none(share, waits):
    flex = Flexibility(duration=HOUR, earliest=T0, deadline=T0 + 10 * HOUR)

    answer = decide(forecast_of([300, 300, 200] + [300] * 7), flex, now=T0, min_saving=share)

    assert isinstance(answer, WaitUntil) is waits
    if not waits:
        assert answer.because is Reason.BELOW_MIN_SAVING
        assert answer.window.mean_g_per_kwh == 300


@given(problems(), st.floats(0, 0.99))
def test_whatever_a_wait_has_to_save_the_start_is_in_time(problem, share):
    series, flex = problem
    forecast = Forecast(series=series, issued_at=series.begins, source="t")

    answer = decide(forecast, flex, now=flex.earliest, min_saving=share)

    if isinstance(answer, WaitUntil):
        at_once = series.mean(flex.earliest, flex.earliest + flex.duration)
        assert answer.window.mean_g_per_kwh <= at_once * (1 - share) + 1e-6
        assert answer.window.start <= flex.latest_start
