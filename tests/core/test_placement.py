"""Where and when together."""

from datetime import timedelta

import pytest
from strategies import T0, forecast_of, series_of

from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.intensity import Forecast, IntensitySeries, Signal
from airflow_carbon.core.placement import rank
from airflow_carbon.core.region import DEFAULT_PUE, Region

FLEX = Flexibility(duration=timedelta(hours=1), earliest=T0, deadline=T0 + timedelta(hours=4))


def region_of(name, zone="DE", pue=None) -> Region:
    return Region(
        name=name,
        zone=zone,
        geography="Germany",
        geography_group="Europe",
        country="DE",
        latitude=50.0,
        longitude=8.0,
        pue=pue,
    )


def test_the_overhead_of_the_data_centre_counts():
    lean, fat = region_of("lean", pue=1.1), region_of("fat", pue=1.5)

    placements, _ = rank(
        {lean: forecast_of([100, 120, 130, 140]), fat: forecast_of([90, 90, 90, 90])}, FLEX
    )

    assert [p.region.name for p in placements] == ["lean", "fat"]
    assert placements[0].g_per_it_kwh == pytest.approx(110)


def test_a_region_without_a_published_overhead_gets_the_default_and_not_one():
    placements, _ = rank({region_of("somewhere"): forecast_of([100] * 4)}, FLEX)

    assert placements[0].g_per_it_kwh == pytest.approx(100 * DEFAULT_PUE)


def test_what_is_left_out_says_why():
    dark, short, good = region_of("dark"), region_of("short"), region_of("good")
    later = forecast_of([1, 1], begins=T0 + timedelta(days=3))

    placements, left_out = rank({dark: None, short: later, good: forecast_of([9] * 4)}, FLEX)

    assert [p.region.name for p in placements] == ["good"]
    assert "no source" in left_out[dark]
    assert "covers" in left_out[short]


def test_a_tie_goes_to_the_earlier_start_and_then_to_the_name():
    a, b, c = region_of("a"), region_of("b"), region_of("c")

    placements, _ = rank(
        {
            c: forecast_of([50, 90, 90, 90]),
            b: forecast_of([50, 90, 90, 90]),
            a: forecast_of([90, 50, 90, 90]),
        },
        FLEX,
    )

    assert [p.region.name for p in placements] == ["b", "c", "a"]


def test_average_and_marginal_never_meet_in_one_comparison():
    average = forecast_of([100] * 4)
    series = series_of([100] * 4)
    marginal = Forecast(
        series=IntensitySeries(
            zone=series.zone,
            begins=series.begins,
            step=series.step,
            g_per_kwh=series.g_per_kwh,
            signal=Signal.MARGINAL,
        ),
        issued_at=T0,
        source="m",
    )

    regions = {region_of("a"): average, region_of("b"): marginal, region_of("c"): average}
    placements, left_out = rank(regions, FLEX)

    assert {place.region.name for place in placements} == {"a", "c"}
    assert left_out == {
        region_of("b"): "its marginal lifecycle intensity, of m, does not compare with the others'"
    }
