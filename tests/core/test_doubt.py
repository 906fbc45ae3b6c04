"""A start that is not clearly the cleanest waits for news, within what its deadline allows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import T0, forecast_of, series_of

from airflow_carbon.core.decision import Reason, Rules, StartNow, WaitUntil, decide
from airflow_carbon.core.doubt import rival
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.plan import Place, wait_sentence
from airflow_carbon.core.slack import start_within

HOUR = timedelta(hours=1)


def job(hours, span):
    return Flexibility(duration=hours * HOUR, earliest=T0, deadline=T0 + span * HOUR)


def unsure(values, rmse):
    errors = np.full(len(values), float(rmse)) if np.isscalar(rmse) else np.array(rmse, float)
    return replace(forecast_of(values), rmse_g_per_kwh=errors)


LEVEL = [299.0] * 24 + [300.0] * 48
"""Now is a little cleaner than any later hour."""


@pytest.mark.parametrize(
    ("hours", "rmse", "waits"), [(24, 60, True), (24, 1, False), (1, 60, False), (48, 60, True)]
)
def test_long_work_waits_where_the_forecast_may_err_by_more_than_now_is_ahead(hours, rmse, waits):
    answer = decide(unsure(LEVEL, rmse), job(hours, 72), now=T0)

    assert isinstance(answer, WaitUntil) is waits
    if waits:
        assert answer.in_doubt
        assert answer.at == T0 + HOUR
        assert answer.window.start > T0
    else:
        assert answer.because is Reason.CLEAN


def test_a_look_that_finds_now_clearly_cleanest_starts():
    flex = job(24, 72)
    first = decide(unsure(LEVEL, 60), flex, now=T0)
    news = unsure([300.0] + [200.0] * 24 + [300.0] * 47, 60)

    answer = decide(news, flex, now=T0 + HOUR, planned=first.window)

    assert answer == StartNow(window=answer.window, because=Reason.CLEAN)
    assert answer.window.start == T0 + HOUR


def test_a_flat_forecast_is_no_reason_to_wait_however_unsure():
    assert isinstance(decide(unsure([300.0] * 72, 200), job(24, 72), now=T0), StartNow)


def test_a_start_that_was_promised_for_later_is_still_waited_for():
    dip = [300.0] * 10 + [100.0] * 24 + [300.0] * 38

    answer = decide(unsure(dip, 10), job(24, 72), now=T0)

    assert (answer.window.start, answer.in_doubt) == (T0 + 10 * HOUR, False)


@pytest.mark.parametrize(
    "rules",
    [
        {"caution": 0.1},
        {"min_saving": 0.01},
        {"min_saving_g_per_kwh": 1.0},
        {"soonest": True},
        {"limit_g_per_kwh": 500.0},
        {"doubt": 0.0},
    ],
)
def test_who_asks_for_more_than_the_cleanest_window_does_not_wait_in_doubt(rules):
    answer = decide(unsure(LEVEL, 60), job(24, 72), now=T0, rules=Rules(**rules))

    assert isinstance(answer, StartNow)


def test_errors_that_do_not_fit_the_steps_are_none():
    assert isinstance(decide(unsure(LEVEL, [60.0] * 3), job(24, 72), now=T0), StartNow)


def test_a_timetable_asks_once_and_takes_what_looks_cleanest():
    assert start_within(unsure(LEVEL, 60), job(24, 72), now=T0) == T0


def test_a_doubt_is_said_as_one():
    forecast, flex = unsure(LEVEL, 60), job(24, 72)
    answer = decide(forecast, flex, now=T0)

    said = wait_sentence(answer, place=Place(zone="NL"), flex=flex, now=T0, forecast=forecast)

    begins, later = (f"{at:%F %H:%MZ}" for at in (answer.at, answer.window.start))
    assert f"looks again at {begins}, as now is not clearly cleaner than {later}: 299" in said
    assert f"299 against {answer.window.mean_g_per_kwh:.0f} ± 60 g/kWh" in said


@given(
    st.lists(st.integers(0, 500), min_size=4, max_size=60),
    st.data(),
)
def test_the_rival_is_the_one_that_a_slow_reading_of_the_rule_finds(values, data):
    hours = data.draw(st.integers(1, len(values) - 1))
    doubt = np.array(data.draw(st.lists(st.integers(0, 90), min_size=len(values))), float)
    doubt = doubt[: len(values)]
    flex, at_once = job(hours, len(values)), float(np.mean(values[:hours]))
    means = [np.mean(values[k : k + hours]) for k in range(len(values) - hours + 1)]
    span, least = max(means) - min(means), {}
    for k, mean in enumerate(means):
        beyond = min(k, hours)
        middle = int(np.floor(k + hours - beyond / 2))
        share = beyond / max(hours, 24)
        least[k] = mean - min(span, share**2 * doubt[min(middle, len(values) - 1)])

    found = rival(series_of(values), doubt, flex, now=T0, g_per_kwh=at_once)

    if found is None:
        assert min(least.values()) >= at_once - 1e-9
    else:
        k = (found.start - T0) // HOUR
        assert k > 0
        assert least[k] == pytest.approx(min(least.values()), abs=1e-9)
        assert least[k] < at_once + 1e-9


@given(st.data())
def test_however_unsure_no_forecast_costs_the_latest_start(data):
    hours, slack = data.draw(st.integers(1, 30)), data.draw(st.integers(0, 60))
    flex, now, planned = job(hours, hours + slack), T0, None
    while True:
        values = data.draw(st.lists(st.integers(0, 500), min_size=2, max_size=8)) * 12
        errors = data.draw(st.lists(st.integers(0, 900), min_size=1, max_size=8)) * 12
        errors = (errors * len(values))[: len(values)]
        answer = decide(unsure(values, errors), flex, now=now, planned=planned)
        if isinstance(answer, StartNow):
            break
        assert answer.at > now
        now, planned = answer.at, answer.window
    assert T0 <= now <= flex.latest_start
