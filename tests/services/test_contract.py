"""What every source keeps, in both colours."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.errors import UnknownZoneError
from airflow_carbon.core.intensity import Quality
from airflow_carbon.data import typical_profiles
from airflow_carbon.services.calls import asend, send
from airflow_carbon.services.replay import Replay
from airflow_carbon.services.typical import Typical

HOUR = timedelta(hours=1)
instants = st.datetimes(datetime(2024, 1, 1), datetime(2034, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
zones = st.sampled_from(sorted(typical_profiles()))


def colours(call):
    return [send(call), asyncio.run(asend(call))]


@pytest.mark.parametrize("source", [Typical(), Replay(), Replay(speed=720)])
@given(now=instants, zone=zones, hours=st.floats(0.01, 80))
def test_a_forecast_reaches_from_the_step_running_now_to_where_it_is_asked(
    source, now, zone, hours
):
    until = now + hours * HOUR / getattr(source, "speed", 1)
    forecast = send(source.forecast(zone, now=now, until=until))

    assert forecast.series.covers(now, until)
    assert now - forecast.series.begins < forecast.series.step
    assert forecast.issued_at <= now
    assert forecast.series.zone == zone


@pytest.mark.parametrize("source", [Typical(), Replay(), Replay(speed=720)])
@given(now=instants, zone=zones)
def test_two_asks_at_different_times_agree_where_they_overlap(source, now, zone):
    step = HOUR / getattr(source, "speed", 1)
    early = send(source.forecast(zone, now=now, until=now + 30 * step)).series
    late = send(source.forecast(zone, now=now + 7.3 * step, until=now + 30 * step)).series

    shift = round((late.begins - early.begins) / late.step)
    np.testing.assert_array_equal(early.g_per_kwh[shift:][:20], late.g_per_kwh[:20])


@pytest.mark.parametrize("source", [Typical(), Replay(speed=60)])
def test_both_colours_say_the_same_of_past_and_future(source):
    now = datetime(2026, 7, 1, 10, 20, tzinfo=UTC)
    for forecast in colours(source.forecast("DE", now=now, until=now + HOUR)):
        for history in colours(source.history("DE", begin=now, end=now + HOUR)):
            np.testing.assert_array_equal(forecast.series.g_per_kwh, history.g_per_kwh)


@pytest.mark.parametrize("source", [Typical(), Replay()])
def test_an_unknown_zone_is_named_in_both_colours(source):
    now = datetime(2026, 7, 1, tzinfo=UTC)
    call = source.forecast("SE-S3", now=now, until=now + HOUR)

    with pytest.raises(UnknownZoneError, match="SE-SE3"):
        send(call)
    with pytest.raises(UnknownZoneError):
        asyncio.run(asend(call))


def test_a_typical_day_says_that_it_is_no_forecast():
    now = datetime(2026, 7, 1, tzinfo=UTC)
    static = next(zone for zone, profile in typical_profiles().items() if profile.static)

    assert send(Typical().forecast("DE", now=now, until=now)).quality is Quality.CLIMATOLOGY
    assert send(Typical().forecast(static, now=now, until=now)).quality is Quality.STATIC


@pytest.mark.parametrize("source", [Typical(), Replay(), Replay(speed=720)])
def test_a_check_says_what_works(source):
    assert source.name in send(source.check())
