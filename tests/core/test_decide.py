"""The policy, asked as a wait asks it: again and again, over a clock that only it moves."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import MINUTE, T0, all_series, forecast_of, hard_problems, problems

from airflow_carbon.core.decision import (
    NO_RULES,
    Reason,
    Rules,
    StartNow,
    WaitUntil,
    decide,
)
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.intensity import Forecast
from airflow_carbon.core.window import best_window

HOUR = timedelta(hours=1)


def wait(forecasts, flex, now, *, late=timedelta(0), looks=5000, rules=NO_RULES):
    """Follow the policy until it starts; each look wakes up ``late``."""
    planned = None
    for _ in range(looks):
        answer = decide(forecasts(now), flex, now=now, planned=planned, rules=rules)
        if isinstance(answer, StartNow):
            return now, answer
        assert answer.at > now
        planned, now = answer.window, answer.at + late
    pytest.fail("the wait never ends")


@given(hard_problems())
def test_with_a_true_forecast_the_wait_ends_in_the_best_window(problem):
    series, flex = problem
    forecast = Forecast(series=series, issued_at=series.begins, source="t")

    at, answer = wait(lambda _: forecast, flex, flex.earliest)

    best = best_window(series, flex)
    assert answer.window.mean_g_per_kwh == pytest.approx(best.mean_g_per_kwh, abs=1e-6)
    assert flex.earliest <= at <= flex.latest_start


rules = st.builds(
    Rules,
    at_once=st.sampled_from([None, None, None, Reason.REAL_TIME, Reason.OPTED_OUT]),
    limit_g_per_kwh=st.one_of(st.none(), st.floats(0, 1500)),
    soonest=st.booleans(),
    min_saving=st.floats(0, 0.9),
    min_saving_g_per_kwh=st.floats(0, 100),
)
lies = st.lists(st.one_of(st.none(), all_series()), min_size=1, max_size=5)


@given(hard_problems(), lies, rules, st.data())
def test_no_forecast_however_wrong_and_no_rule_moves_a_start_past_the_latest(
    problem, others, rules, data
):
    _, flex = problem
    begin = flex.earliest - data.draw(st.integers(0, 300)) * MINUTE

    def lies(_now):
        series = data.draw(st.sampled_from(others))
        return series and Forecast(series=series, issued_at=series.begins, source="liar")

    at, answer = wait(lies, flex, begin, rules=rules)

    assert flex.earliest <= at <= flex.latest_start
    assert any(first <= at <= last for first, last in flex.starts)
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

    answer = decide(
        forecast_of([300, 300, 200] + [300] * 7), flex, now=T0, rules=Rules(min_saving=share)
    )

    assert isinstance(answer, WaitUntil) is waits
    if not waits:
        assert answer.because is Reason.BELOW_MIN_SAVING
        assert answer.window.mean_g_per_kwh == 300


@given(problems(), st.floats(0, 0.99))
def test_whatever_a_wait_has_to_save_the_start_is_in_time(problem, share):
    series, flex = problem
    forecast = Forecast(series=series, issued_at=series.begins, source="t")

    answer = decide(forecast, flex, now=flex.earliest, rules=Rules(min_saving=share))

    if isinstance(answer, WaitUntil):
        at_once = series.mean(flex.earliest, flex.earliest + flex.duration)
        assert answer.window.mean_g_per_kwh <= at_once * (1 - share) + 1e-6
        assert answer.window.start <= flex.latest_start


DAY = [300] * 4 + [150] + [300] * 4 + [100] + [300] * 10


def flex_of(latest_h, duration=HOUR) -> Flexibility:
    return Flexibility(duration=duration, earliest=T0, deadline=T0 + latest_h * HOUR + duration)


@pytest.mark.parametrize(
    ("limit", "soonest", "starts_h", "because"),
    [
        (None, False, 9, Reason.CLEAN),
        (200, False, 9, Reason.CLEAN),
        (200, True, 3 + 2 / 3, Reason.CLEAN),  # a third of 300, two of 150
        (150, True, 4, Reason.CLEAN),
        (90, False, 15, Reason.DEADLINE),
        (90, True, 15, Reason.DEADLINE),
        (None, True, 0, Reason.CLEAN),
    ],
)
def test_only_below_a_limit_else_at_the_deadline(limit, soonest, starts_h, because):
    rules = Rules(limit_g_per_kwh=limit, soonest=soonest)

    at, answer = wait(lambda _: forecast_of(DAY), flex_of(15), T0, rules=rules)

    assert (at - T0) / HOUR == pytest.approx(starts_h, abs=1e-6)
    assert answer.because is because


def test_a_limit_that_nothing_meets_says_what_is_sought():
    answer = decide(forecast_of(DAY), flex_of(15), now=T0, rules=Rules(limit_g_per_kwh=90))

    assert answer == WaitUntil(at=T0 + HOUR, window=None, sought_g_per_kwh=90)


@given(problems(), st.floats(0, 1500))
def test_the_soonest_window_below_a_limit_is_below_it_and_none_is_sooner(problem, limit):
    series, flex = problem
    forecast = Forecast(series=series, issued_at=series.begins, source="t")
    rules = Rules(limit_g_per_kwh=limit, soonest=True)

    answer = decide(forecast, flex, now=flex.earliest, rules=rules)

    if answer.window is None or answer.window.start <= flex.earliest:
        return
    assert answer.window.mean_g_per_kwh <= limit + 1e-6
    minutes = np.repeat(series.g_per_kwh, series.step // MINUTE)
    first, length = (flex.earliest - series.begins) // MINUTE, flex.duration // MINUTE
    for i in range(first, -((series.begins - answer.window.start) // MINUTE)):
        assert minutes[i : i + length].mean() > limit - 1e-4


@pytest.mark.parametrize("because", [Reason.REAL_TIME, Reason.OPTED_OUT])
def test_what_does_not_wait_says_why(because):
    answer = decide(forecast_of(DAY), flex_of(15), now=T0, rules=Rules(at_once=because))

    assert answer == StartNow(
        window=best_window(forecast_of(DAY).series, flex_of(0)), because=because
    )


def test_what_does_not_wait_still_keeps_its_earliest_start():
    answer = decide(None, flex_of(15), now=T0 - HOUR, rules=Rules(at_once=Reason.OPTED_OUT))

    assert answer.at == T0


@pytest.mark.parametrize(("grams", "waits"), [(199, True), (201, False)])
def test_a_wait_may_have_to_save_a_mass(grams, waits):
    rules = Rules(min_saving_g_per_kwh=grams)

    answer = decide(forecast_of(DAY), flex_of(15), now=T0, rules=rules)

    assert isinstance(answer, WaitUntil) is waits


@pytest.mark.parametrize(("caution", "waits"), [(0, True), (0.9, True), (1.1, False)])
def test_a_cautious_wait_has_to_save_more_than_the_forecast_may_err_by(caution, waits):
    said = forecast_of([300.0, 300.0, 250.0, 300.0])
    unsure = replace(said, rmse_g_per_kwh=np.array([10.0, 30.0, 60.0, 60.0]))
    flex = replace(flex_of(3), duration=HOUR)

    answer = decide(unsure, flex, now=T0, rules=Rules(caution=caution))

    assert isinstance(answer, WaitUntil) is waits
    if not waits:
        assert answer.because is Reason.TOO_RISKY
    assert isinstance(decide(said, flex, now=T0, rules=Rules(caution=caution)), WaitUntil)


def test_a_plan_that_stands_for_a_trifle_is_no_wait_that_saves_too_little():
    planned = decide(forecast_of(DAY), flex_of(15), now=T0).window
    trifle = [99.5, *DAY[1:]]

    answer = decide(forecast_of(trifle), flex_of(15), now=T0, planned=planned)

    assert answer.window == planned


def test_an_outage_in_a_blackout_waits_for_its_end():
    flex = replace(flex_of(15), blackouts=((T0 - HOUR, T0 + 2 * HOUR),))

    assert decide(None, flex, now=T0) == WaitUntil(at=T0 + 2 * HOUR, window=None)
    assert decide(None, flex, now=T0 + 2 * HOUR).because is Reason.NO_DATA
