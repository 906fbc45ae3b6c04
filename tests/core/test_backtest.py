"""Past jobs, past forecasts, past actuals: nothing of the future is known."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import T0, forecast_of, hard_problems, series_of

from airflow_carbon.core.backtest import Job, Past, jobs_every, replay, summary
from airflow_carbon.core.decision import Reason
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.intensity import Forecast
from airflow_carbon.core.policy import Policy
from airflow_carbon.core.window import best_window

HOUR = timedelta(hours=1)
RANDOM = np.random.default_rng(7)
DAY = 300 + 150 * np.cos(np.arange(24) / 24 * 2 * np.pi)
MONTH = np.tile(DAY, 30) + RANDOM.normal(0, 30, 720)


def job(flex, policy=None) -> Job:
    return Job(name="j", zone="DE", submitted=flex.earliest, flex=flex, policy=policy or Policy())


def outcome(flex, past, policy=None):
    (found,) = replay([job(flex, policy)], {"DE": past})
    return found


@given(hard_problems())
def test_with_a_true_forecast_the_policy_is_as_good_as_hindsight(problem):
    series, flex = problem
    truth = Forecast(series=series, issued_at=series.begins, source="t")

    found = outcome(flex, Past(actual=series, issues=(truth,), lag=timedelta(days=30)))

    assert found.mean_g_per_kwh == pytest.approx(found.hindsight_g_per_kwh, abs=1e-4)
    assert found.one_shot_g_per_kwh == pytest.approx(found.hindsight_g_per_kwh, abs=1e-4)
    assert found.hindsight_g_per_kwh <= found.at_once_g_per_kwh + 1e-4


@given(hard_problems(), st.integers(0, 2**32))
def test_no_forecast_beats_hindsight_or_the_deadline(problem, seed):
    series, flex = problem
    noise = np.random.default_rng(seed).uniform(0, 900, len(series.g_per_kwh))
    lie = Forecast(series=replace(series, g_per_kwh=noise), issued_at=series.begins, source="lie")

    found = outcome(flex, Past(actual=series, issues=(lie,)))

    assert found.hindsight_g_per_kwh <= found.mean_g_per_kwh + 1e-4
    assert flex.earliest <= found.start <= flex.latest_start


def test_what_is_issued_or_measured_later_changes_nothing():
    flex = Flexibility(duration=4 * HOUR, earliest=T0 + 400 * HOUR, deadline=T0 + 424 * HOUR)
    issue = forecast_of(MONTH[390:486], begins=T0 + 390 * HOUR)
    later = forecast_of(np.full(96, 1.0), begins=flex.deadline)
    changed = MONTH.copy()
    changed[430:] = 1.0

    one = outcome(flex, Past(actual=series_of(MONTH), issues=(issue,)))
    other = outcome(flex, Past(actual=series_of(changed), issues=(issue, later)))

    assert (one.start, one.because) == (other.start, other.because)


def test_a_new_issue_is_heard_when_it_is_out_and_planning_once_does_not_hear_it():
    flat = np.full(48, 300.0)
    truth = flat.copy()
    truth[30] = 50.0
    promised = flat.copy()
    promised[10] = 100.0
    first = forecast_of(promised)
    second = forecast_of(truth[6:], begins=T0 + 6 * HOUR)
    flex = Flexibility(duration=HOUR, earliest=T0, deadline=T0 + 40 * HOUR)

    found = outcome(flex, Past(actual=series_of(truth), issues=(first, second), lag=99 * HOUR))

    assert found.start == T0 + 30 * HOUR
    assert found.mean_g_per_kwh == 50
    assert found.one_shot_g_per_kwh == 300


def test_without_issues_history_is_the_forecast():
    flex = Flexibility(duration=4 * HOUR, earliest=T0 + 500 * HOUR, deadline=T0 + 530 * HOUR)

    found = outcome(flex, Past(actual=series_of(MONTH)))

    assert found.because is Reason.CLEAN
    assert found.mean_g_per_kwh < 0.9 * MONTH.mean()


def test_without_anything_the_job_starts_and_says_why():
    flex = Flexibility(duration=4 * HOUR, earliest=T0, deadline=T0 + 30 * HOUR)

    assert outcome(flex, Past(actual=series_of(MONTH))).because is Reason.NO_DATA


def test_a_policy_is_replayed_whole():
    flex = Flexibility(duration=4 * HOUR, earliest=T0 + 500 * HOUR, deadline=T0 + 530 * HOUR)
    past = Past(actual=series_of(MONTH))

    assert outcome(flex, past, Policy.read("real_time")).because is Reason.REAL_TIME
    assert outcome(flex, past, Policy(below_g_per_kwh=1)).start == flex.latest_start
    assert outcome(flex, past, Policy(min_saving=0.9)).because is Reason.BELOW_MIN_SAVING
    low = outcome(flex, past, Policy(below_percentile=10, soonest=True))
    assert low.mean_g_per_kwh < np.percentile(MONTH, 25)


def test_a_job_that_the_actuals_do_not_cover_is_left_out():
    flex = Flexibility(duration=4 * HOUR, earliest=T0 + 700 * HOUR, deadline=T0 + 730 * HOUR)

    assert outcome(flex, Past(actual=series_of(MONTH))) is None


def test_the_summary_adds_up():
    policy = Policy(max_delay="20h")
    past = {"DE": Past(actual=series_of(MONTH))}
    jobs = jobs_every(
        6 * HOUR, begin=T0 + 400 * HOUR, end=T0 + 500 * HOUR, zone="DE", duration="2h",
        policy=policy,
    )  # fmt: skip
    jobs = [replace(one, name="ab"[i % 2], power_kw=1 + i % 2) for i, one in enumerate(jobs)]
    outcomes = [one for one in replay(jobs, past) if one]

    table = summary(outcomes)

    assert list(table.index) == ["a", "b", "all"]
    assert table.loc["all", "jobs"] == len(outcomes) == 17
    assert table.loc["b", "energy_kwh"] == 8 * 2 * 2
    by_hand = sum(o.mean_g_per_kwh * o.job.power_kw * 2 for o in outcomes)
    assert table.loc["all", "emitted_g"] == pytest.approx(by_hand)
    at_once = sum(o.at_once_g_per_kwh * o.job.power_kw * 2 for o in outcomes)
    assert table.loc["all", "saved_percent"] == pytest.approx(100 * (1 - by_hand / at_once))
    hindsight = sum(
        best_window(past["DE"].actual, o.job.flex).mean_g_per_kwh * o.job.power_kw * 2
        for o in outcomes
    )
    assert table.loc["all", "hindsight_g"] == pytest.approx(hindsight)
    assert 0 < table.loc["all", "captured"] <= 1
    assert summary([]).empty
