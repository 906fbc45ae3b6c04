"""What is usual in a zone, from its own history."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import T0, all_series, series_of

from airflow_carbon.core.climatology import climatology
from airflow_carbon.core.errors import ForecastCoverageError

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def ahead(history, hours=48):
    return climatology(history, begin=history.ends, end=history.ends + hours * HOUR)


@given(all_series(), st.integers(1, 100))
@settings(max_examples=60, deadline=None)
def test_any_history_gives_a_whole_forecast_that_is_never_negative(history, hours) -> None:
    usual = ahead(history, hours)

    assert usual.begins == history.ends
    assert usual.ends >= history.ends + hours * HOUR
    assert np.isfinite(usual.g_per_kwh).all()
    assert (usual.g_per_kwh >= 0).all()


@given(all_series(), st.integers(-5, 5))
@settings(max_examples=40, deadline=None)
def test_a_history_moved_by_weeks_moves_what_is_usual(history, weeks) -> None:
    moved = ahead(history.shifted(weeks * 7 * DAY))

    np.testing.assert_allclose(moved.g_per_kwh, ahead(history).g_per_kwh, atol=1e-6)


@given(all_series(), st.floats(0.1, 10))
@settings(max_examples=40, deadline=None)
def test_twice_the_grams_are_twice_as_many_usually(history, factor) -> None:
    scaled = ahead(replace(history, g_per_kwh=history.g_per_kwh * factor))

    np.testing.assert_allclose(scaled.g_per_kwh, ahead(history).g_per_kwh * factor, atol=1e-6)


def test_a_daily_wave_goes_on() -> None:
    hours = np.arange(28 * 24 + 48)
    wave = 200 + 50 * np.sin(2 * np.pi * hours / 24)

    usual = ahead(series_of(wave[:-48]))

    np.testing.assert_allclose(usual.g_per_kwh, wave[-48:], atol=1e-6)


def test_a_weekend_looks_like_weekends() -> None:
    days = (np.arange(28 * 24) + 22) // 24  # T0 is a Saturday, 22:00
    history = series_of(np.where(np.isin((days + 5) % 7, (5, 6)), 100.0, 300.0))

    usual = climatology(history, begin=T0 + 28 * DAY, end=T0 + 35 * DAY).g_per_kwh

    assert usual[5:20].mean() < usual[60:70].mean()


def test_an_hour_of_history_is_enough() -> None:
    assert ahead(series_of([120.0])).g_per_kwh == pytest.approx([120.0] * 48)


@pytest.mark.parametrize(("begin", "end"), [(-1, 5), (2, 2), (3, 1)])
def test_the_past_and_empty_spans_are_refused(begin, end) -> None:
    history = series_of([120.0] * 24)
    with pytest.raises(ForecastCoverageError):
        climatology(history, begin=history.ends + begin * HOUR, end=history.ends + end * HOUR)
