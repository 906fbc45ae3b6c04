"""The best that can be said of the hours to come."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from strategies import T0

from airflow_carbon.core.errors import ForecastCoverageError, InvalidSeriesError
from airflow_carbon.core.intensity import Forecast, IntensitySeries, Quality, Signal
from airflow_carbon.core.outlook import corrected, usual

HOUR = timedelta(hours=1)


def test_a_corrected_forecast_says_how_far_off_it_may_be_and_further_ahead_is_further_off():
    rng = np.random.default_rng(1)
    known = series(0, 40 * 24)
    noisy = replace(known, g_per_kwh=known.g_per_kwh + rng.normal(0, 20, len(known.g_per_kwh)))
    issues = [
        Forecast(series=series(24 * day, 72), issued_at=T0 + 24 * day * HOUR, source="x")
        for day in range(41)
    ]
    now = noisy.ends

    better = corrected(issues[-1], noisy, issues[:-1], now=now, until=now + 48 * HOUR)

    soon, late = (better.spread(now + h * HOUR, now + (h + 4) * HOUR) for h in (0, 44))
    assert 10 < soon <= late < 60
    assert better.spread(now, now + 480 * HOUR) is None


def truth(first, count):
    return 200 + 80 * np.sin((first + np.arange(count)) * 2 * np.pi / 24)


def series(first, count, bias=0.0, **fields):
    return IntensitySeries(
        zone="DE",
        begins=T0 + first * HOUR,
        step=HOUR,
        g_per_kwh=truth(first, count) + bias,
        **fields,
    )


def issue(first, count=48, bias=0.0, **fields):
    return Forecast(
        series=series(first, count, bias), issued_at=T0 + first * HOUR, source="x", **fields
    )


def ask(issued, history, past=(), *, now=0.5, until=30):
    return corrected(issued, history, past, now=T0 + now * HOUR, until=T0 + until * HOUR)


@pytest.mark.parametrize("lag", [0, 1, 5, 20])
def test_actuals_that_come_late_are_bridged(lag):
    found = ask(issue(-10), series(-240, 240 - lag))

    assert found.quality is Quality.CORRECTED
    assert found.series.covers(T0 + HOUR / 2, T0 + 30 * HOUR)
    expected = truth(0, len(found.series.g_per_kwh))
    np.testing.assert_allclose(found.series.g_per_kwh, expected, atol=6)


def test_what_happens_after_now_changes_nothing():
    short = ask(issue(-10), series(-240, 240))
    long = ask(issue(-10), series(-240, 300, bias=0.0))

    np.testing.assert_array_equal(short.series.g_per_kwh, long.series.g_per_kwh)


def test_an_issue_that_is_too_high_so_far_is_lowered():
    found = ask(issue(-10, bias=50.0), series(-240, 240))

    off = found.series.g_per_kwh[:6] - truth(0, 6)
    assert off.mean() < 25


def test_a_stale_issue_stays_one():
    found = ask(issue(-10, quality=Quality.STALE), series(-240, 240))

    assert found.quality is Quality.STALE
    assert found.source == "x"


@pytest.mark.parametrize("history", [series(-20, 20), series(-240, 180)])
def test_too_little_or_too_old_a_history_corrects_nothing(history):
    with pytest.raises(ForecastCoverageError):
        ask(issue(-2), history)
    with pytest.raises(ForecastCoverageError):
        usual(history, "x", now=T0, until=T0 + HOUR)


def test_signals_do_not_meet():
    with pytest.raises(InvalidSeriesError, match="signal"):
        ask(issue(-2), series(-240, 240, signal=Signal.MARGINAL))


def test_what_is_usual_is_no_issue():
    found = usual(series(-240, 238), "x", now=T0, until=T0 + 48 * HOUR)

    assert (found.source, found.quality) == ("x", Quality.CLIMATOLOGY)
    assert found.issued_at == T0 - 2 * HOUR
    np.testing.assert_allclose(found.series.g_per_kwh, truth(0, 48), atol=6)
