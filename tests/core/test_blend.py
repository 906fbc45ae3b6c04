"""What an issue is worth after what was seen since, and after how its elders fared."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import T0, forecast_of, series_of

from airflow_carbon.core.blend import blend
from airflow_carbon.core.errors import ForecastCoverageError, InvalidSeriesError
from airflow_carbon.core.intensity import FactorType, Quality, Signal

HOUR = timedelta(hours=1)
DAYS = 40
NOW = 36 * 24 + 7
WEATHER = 8


def world(seed):
    """A daily wave with weather that lasts for some hours [gCO2eq/kWh]."""
    rng = np.random.default_rng(seed)
    hours = np.arange(DAYS * 24)
    weather = np.zeros(len(hours))
    for i in range(1, len(hours)):
        weather[i] = 0.95 * weather[i - 1] + rng.normal(0, WEATHER)
    return np.maximum(300 + 80 * np.sin(2 * np.pi * hours / 24) + weather, 0)


def issues_of(said, until=NOW):
    """Daily issues of three days each, out of the hourly values of a forecaster."""
    days = range(until // 24 + 1)
    return [forecast_of(said[d * 24 : d * 24 + 72], begins=T0 + d * 24 * HOUR) for d in days]


def corrected(said, actual, now=NOW, hours=48):
    *past, issued = issues_of(said)
    history = series_of(actual[:now])
    return blend(issued, history, past, until=history.ends + hours * HOUR)


def values(blended):
    return blended.forecast.series.g_per_kwh


def error(guess, actual):
    return float(np.sqrt(np.mean((guess - actual[NOW : NOW + len(guess)]) ** 2)))


seeds = st.integers(0, 1000)


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_a_perfect_forecaster_is_nearly_left_alone(seed) -> None:
    actual = world(seed)

    # Less than one hour's weather, which nobody could have corrected.
    assert error(values(corrected(actual, actual)), actual) < WEATHER


@given(seeds, st.floats(20, 90))
@settings(max_examples=10, deadline=None)
def test_a_forecaster_who_is_always_too_high_is_corrected(seed, bias) -> None:
    actual = world(seed)

    assert error(values(corrected(actual + bias, actual)), actual) < 0.4 * bias


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_a_useless_forecaster_is_outvoted_by_what_is_usual(seed) -> None:
    actual = world(seed)
    noise = np.random.default_rng(seed + 1).uniform(0, 600, len(actual))

    guess = values(corrected(noise, actual))

    # 0.55 at most, over all seeds.
    assert error(guess, actual) < 0.6 * error(noise[NOW : NOW + 48], actual)


@given(seeds, st.integers(1, 6))
@settings(max_examples=10, deadline=None)
def test_what_happens_later_changes_nothing(seed, ages) -> None:
    actual, said = world(seed), world(seed + 1)
    *past, issued = issues_of(said)
    history = series_of(actual[:NOW])
    until = history.ends + 30 * HOUR
    later = [forecast_of([9.0] * 72, begins=T0 + (NOW + k) * HOUR) for k in range(1, ages + 1)]

    alone = values(blend(issued, history, past, until=until))
    along = values(blend(issued, history, [*past, issued, *later], until=until))

    np.testing.assert_array_equal(alone, along)


@given(seeds, st.integers(1, 20))
@settings(max_examples=10, deadline=None)
def test_all_moved_by_weeks_moves_the_result(seed, weeks) -> None:
    by = weeks * timedelta(weeks=1)
    actual = world(seed)
    *past, issued = issues_of(world(seed + 1))
    history = series_of(actual[:NOW])
    until = history.ends + 90 * HOUR

    def move(one):
        return replace(one, series=one.series.shifted(by), issued_at=one.issued_at + by)

    here = blend(issued, history, past, until=until)
    moved = [move(one) for one in past]
    there = blend(move(issued), history.shifted(by), moved, until=until + by)

    assert there.forecast.series.begins == here.forecast.series.begins + by
    np.testing.assert_allclose(values(there), values(here), atol=1e-6)


@given(seeds, st.floats(0.5, 4))
@settings(max_examples=10, deadline=None)
def test_twice_the_grams_give_twice_the_grams(seed, factor) -> None:
    actual, said = world(seed), world(seed + 1)

    scaled = values(corrected(said * factor, actual * factor))

    np.testing.assert_allclose(scaled, values(corrected(said, actual)) * factor, rtol=1e-3)


@given(seeds, st.integers(1, 200), st.sampled_from([5, 15, 30, 60]), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_it_is_never_negative_and_always_whole(seed, hours, minutes, elders) -> None:
    actual, said = world(seed) - 250, world(seed + 1) - 250
    step = timedelta(minutes=minutes)
    history = series_of(np.maximum(actual[:200], 0), minutes)
    said = np.maximum(said[:100], 0)
    begins = history.ends - 3 * step
    past = [forecast_of(said, minutes, begins - k * 12 * step) for k in range(elders, 0, -1)]
    until = history.ends + hours * HOUR

    blended = blend(forecast_of(said, minutes, begins), history, past, until=until)

    assert blended.forecast.series.covers(history.ends, until)
    assert np.isfinite(values(blended)).all()
    assert (values(blended) >= 0).all()
    assert len(blended.rmse_g_per_kwh) == len(values(blended))
    assert (np.diff(blended.rmse_g_per_kwh) >= 0).all()


def test_the_rmse_is_what_one_finds_later() -> None:
    found = []
    for seed in range(12):
        actual, said = world(seed), world(seed + 1)
        blended = corrected(said, actual)
        found.append(error(values(blended), actual) / np.sqrt((blended.rmse_g_per_kwh**2).mean()))

    assert 0.6 < np.mean(found) < 1.6


def test_the_result_says_where_it_is_from() -> None:
    actual = world(1)
    forecast = corrected(actual, actual).forecast

    assert forecast.source == "replay:day.csv, corrected"
    assert forecast.quality == Quality.ISSUED
    assert forecast.series.begins == T0 + NOW * HOUR


def test_an_issue_that_has_run_out_gives_way_to_what_is_usual() -> None:
    actual = world(1)
    history = series_of(actual[:NOW])
    blended = blend(forecast_of([1.0] * 24), history, [], until=history.ends + 24 * HOUR)

    assert values(blended).min() > 50
    assert blended.forecast.quality == Quality.CLIMATOLOGY


def test_minutes_of_history_leave_an_hourly_issue_as_it_is() -> None:
    history = series_of([100.0], step_minutes=5)
    blended = blend(forecast_of([300.0] * 6), history, [], until=history.ends + 4 * HOUR)

    assert values(blended) == pytest.approx([300.0] * 5)


@pytest.mark.parametrize(
    "other", [{"signal": Signal.MARGINAL}, {"factor_type": FactorType.DIRECT}, {"zone": "FR"}]
)
def test_signals_factors_and_zones_never_mix(other) -> None:
    issued, history = forecast_of([100.0] * 24), series_of([100.0])
    strange = replace(issued, series=replace(issued.series, **other))
    until = history.ends + HOUR

    with pytest.raises(InvalidSeriesError, match=f"{next(iter(other))} is"):
        blend(strange, history, [], until=until)
    with pytest.raises(InvalidSeriesError):
        blend(issued, history, [strange], until=until)


def test_a_future_issue_and_an_empty_span_are_refused() -> None:
    history = series_of([100.0] * 5)
    with pytest.raises(ForecastCoverageError):
        blend(forecast_of([1.0] * 24), history, [], until=history.ends)
    late = forecast_of([1.0] * 24, begins=history.ends + HOUR)
    with pytest.raises(ForecastCoverageError):
        blend(late, history, [], until=history.ends + 9 * HOUR)


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_weekends_that_the_forecaster_does_not_know_are_learnt(seed) -> None:
    said, saturday = world(seed), 34 * 24 + 7
    quiet = np.array([(T0 + h * HOUR).weekday() >= 5 for h in range(len(said))])
    actual = said - 60.0 * quiet

    *past, issued = issues_of(said, saturday)
    history = series_of(actual[:saturday])
    guess = values(blend(issued, history, past, until=history.ends + 64 * HOUR))

    lowered = said[saturday : saturday + 64] - guess
    weekend = quiet[saturday : saturday + 64]
    assert lowered[weekend].mean() > 30 + lowered[~weekend].mean()
