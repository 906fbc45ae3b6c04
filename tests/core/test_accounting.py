"""Energy times intensity: golden cases by hand, and laws."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import T0, all_series, profiles, series_of

from airflow_carbon.core.accounting import (
    baseline_emissions,
    difference,
    emissions_by_interval,
    footprint,
)
from airflow_carbon.core.energy import CounterReading, EnergyProfile, EnergyQuality
from airflow_carbon.core.errors import ForecastCoverageError
from airflow_carbon.core.intensity import Quality

HOUR = timedelta(hours=1)


def run_of(*rows, quality=EnergyQuality.COUNTER) -> EnergyProfile:
    """Energy of one device from (hours since T0, hours, watts)."""
    zero = T0.timestamp()
    return EnergyProfile.from_rows(
        (zero + at * 3600, zero + (at + hours) * 3600, watts * hours * 3600, "gpu", quality)
        for at, hours, watts in rows
    )


def test_mean_start_and_end_intensity_are_all_wrong_and_only_the_interval_sum_is_right():
    # 2 h at 700 W under 450 g/kWh, then 4 h at 250 W under 120 g/kWh: 630 + 120 = 750 g.
    profile = run_of((0, 2, 700), (2, 4, 250))
    series = series_of([450, 450, 120, 120, 120, 120])

    run = footprint(profile, series, pue=1.0, quality=Quality.ACTUAL)

    assert run.energy_kwh == pytest.approx(2.4)
    assert run.emissions_g == pytest.approx(750)
    assert run.mean_g_per_kwh == pytest.approx(312.5)
    assert run.energy_kwh * series.g_per_kwh.mean() == pytest.approx(552)
    assert run.energy_kwh * 450 == pytest.approx(1080)
    assert run.energy_kwh * 120 == pytest.approx(288)


def test_pue_counts_once():
    run = footprint(run_of((0, 1, 1000)), series_of([200, 200]), pue=1.25, quality=Quality.ACTUAL)

    assert run.emissions_g == pytest.approx(250)
    assert run.mean_g_per_kwh == pytest.approx(200)


def test_an_interval_across_an_edge_is_split_by_time():
    grams = emissions_by_interval(run_of((0.5, 1, 1000)), series_of([100, 300]), 1.0)

    assert grams == pytest.approx([200])


@given(st.data(), all_series())
def test_emissions_are_those_of_a_second_by_second_sum(data, series):
    profile = data.draw(profiles(series))
    zero = series.begins.timestamp()
    step = series.step.total_seconds()
    slow = 0.0
    for begin, end, joules in zip(profile.begins, profile.ends, profile.joules, strict=True):
        if np.isnan(joules):
            continue
        seconds = np.arange(int(begin - zero), int(end - zero))
        per_second = joules / len(seconds)
        slow += (per_second * series.g_per_kwh[(seconds // step).astype(int)]).sum() / 3.6e6

    run = footprint(profile, series, pue=1.0, quality=Quality.ACTUAL)

    assert run.emissions_g == pytest.approx(slow, rel=1e-6, abs=1e-6)
    assert run.low_g <= run.emissions_g <= run.high_g


@given(st.data(), all_series(), st.floats(0.05, 0.95))
def test_energy_over_any_partition_of_a_run_sums_to_the_whole(data, series, share):
    profile = data.draw(profiles(series))
    rows = []
    for begin, end, joules in zip(profile.begins, profile.ends, profile.joules, strict=True):
        cut = begin + share * (end - begin)
        quality = EnergyQuality.MISSING if np.isnan(joules) else EnergyQuality.COUNTER
        rows += [
            (begin, cut, joules * share, "gpu", quality),
            (cut, end, joules * (1 - share), "gpu", quality),
        ]
    parts = EnergyProfile.from_rows(rows)

    assert parts.total == pytest.approx(profile.total, rel=1e-9)
    whole = emissions_by_interval(profile, series, 1.2)
    pieces = emissions_by_interval(parts, series, 1.2)
    assert np.nansum(pieces) == pytest.approx(np.nansum(whole), rel=1e-6, abs=1e-6)


def test_the_baseline_prices_the_same_energy_at_submission():
    ran = run_of((10, 1, 1000))
    series = series_of([400] * 5 + [100] * 10)

    actual = footprint(ran, series, pue=1.0, quality=Quality.ACTUAL)
    baseline = baseline_emissions(ran, series, pue=1.5, started=T0 + 10 * HOUR, submitted=T0 + HOUR)
    against = difference(actual, baseline)

    assert baseline == pytest.approx(600)
    assert against.delta_g == pytest.approx(-500)
    assert against.percent == pytest.approx(-100 * 500 / 600)


def test_a_wait_that_made_it_worse_is_not_hidden():
    ran = run_of((1, 1, 1000))
    series = series_of([100, 400])
    actual = footprint(ran, series, pue=1.0, quality=Quality.ACTUAL)

    against = difference(
        actual, baseline_emissions(ran, series, pue=1.0, started=T0 + HOUR, submitted=T0)
    )

    assert against.delta_g == pytest.approx(300)


def test_a_baseline_that_can_not_be_priced_is_unknown_and_not_nothing():
    ran = run_of((1, 1, 1000))
    series = series_of([100, 400])
    actual = footprint(ran, series, pue=1.0, quality=Quality.ACTUAL)

    baseline = baseline_emissions(ran, series, pue=1.0, started=T0 + HOUR, submitted=T0 - 5 * HOUR)

    assert baseline is None
    assert difference(actual, baseline) is None


def test_a_baseline_of_nothing_has_a_difference_but_no_percentage():
    ran = run_of((1, 1, 1000))
    actual = footprint(ran, series_of([0, 400]), pue=1.0, quality=Quality.ACTUAL)
    baseline = baseline_emissions(
        ran, series_of([0, 400]), pue=1.0, started=T0 + HOUR, submitted=T0
    )

    against = difference(actual, baseline)

    assert against.delta_g == pytest.approx(400)
    assert against.percent is None


def test_a_run_outside_the_series_is_not_priced_with_its_edge():
    with pytest.raises(ForecastCoverageError):
        footprint(run_of((1, 5, 100)), series_of([1, 1]), pue=1.0, quality=Quality.ACTUAL)


def test_worse_knowledge_means_wider_bounds():
    ran, series = run_of((0, 1, 1000)), series_of([100])
    modelled = run_of((0, 1, 1000), quality=EnergyQuality.MODEL)

    def width(profile, quality):
        run = footprint(profile, series, pue=1.0, quality=quality)
        return run.high_g - run.low_g

    assert (
        width(ran, Quality.ACTUAL)
        < width(ran, Quality.CLIMATOLOGY)
        < width(modelled, Quality.STATIC)
    )


def test_energy_is_the_difference_of_two_readings():
    profile = EnergyProfile.from_readings(
        [
            CounterReading(at=0, joules={"a": 1000.0, "b": 5.0}),
            CounterReading(at=1, joules={"a": 1300.0, "b": 9.0}),
            CounterReading(at=2, joules={"a": 1450.0, "b": 9.0}),
        ]
    )

    assert profile.total == 454
    assert profile.coverage == 1


def test_a_device_that_is_lost_and_found_is_known_as_a_whole():
    profile = EnergyProfile.from_readings(
        [
            CounterReading(at=0, joules={"a": 0.0}),
            CounterReading(at=1, joules={"a": None}),
            CounterReading(at=2, joules={"a": None}),
            CounterReading(at=3, joules={"a": 900.0}),
        ]
    )

    assert profile.total == 900
    assert (profile.begins.tolist(), profile.ends.tolist()) == ([0], [3])


def test_a_device_that_is_lost_for_good_is_missing_and_not_zero():
    profile = EnergyProfile.from_readings(
        [
            CounterReading(at=0, joules={"a": 0.0}),
            CounterReading(at=1, joules={"a": 100.0}),
            CounterReading(at=4, joules={"a": None}),
        ]
    )

    assert profile.total == 100
    assert profile.coverage == pytest.approx(0.25)


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e6)), min_size=1, max_size=30))
def test_a_counter_however_it_jumps_gives_no_negative_joule(values):
    profile = EnergyProfile.from_readings(
        [CounterReading(at=float(i), joules={"a": value}) for i, value in enumerate(values)]
    )

    assert not (profile.joules < 0).any()
    assert 0 <= profile.coverage <= 1


def test_no_reading_is_not_zero_joules():
    with pytest.raises(ValueError, match="missing"):
        EnergyProfile.from_rows([(0, 1, 0.0, "gpu", EnergyQuality.MISSING)])


def test_shifting_a_run_keeps_its_energy():
    profile = run_of((0, 2, 500))

    assert profile.shifted(-3 * HOUR).total == profile.total


@given(
    st.lists(st.integers(0, 10**9), min_size=2, max_size=60),
    st.integers(0, 10**13),
    st.data(),
)
def test_energy_over_any_partition_of_readings_sums_to_the_whole_exactly_in_mj(steps, first, data):
    """A counter of mJ, years after the driver was loaded; the oracle counts in whole numbers."""
    counter = np.cumsum([first, *steps])
    readings = [
        CounterReading(at=float(10 * i), joules={"gpu": int(value) / 1000})
        for i, value in enumerate(counter)
    ]
    whole = EnergyProfile.from_readings(readings)
    group = data.draw(
        st.lists(st.integers(0, 3), min_size=len(whole), max_size=len(whole)), label="groups"
    )
    rows = list(
        zip(whole.begins, whole.ends, whole.joules, whole.devices, whole.qualities, strict=True)
    )
    parts = [
        EnergyProfile.from_rows(row for row, g in zip(rows, group, strict=True) if g == one)
        for one in range(4)
    ]

    assert round(1000 * whole.total) == sum(steps)
    assert sum(round(1000 * part.total) for part in parts) == sum(steps)
