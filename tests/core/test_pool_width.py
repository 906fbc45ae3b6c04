"""How wide a pool is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import MINUTE, T0, all_series, forecast_of

from airflow_carbon.core.errors import InputError
from airflow_carbon.core.intensity import Forecast
from airflow_carbon.core.pool_width import Because, Bounds, intensity_at, width

HOUR = timedelta(hours=1)


@st.composite
def all_bounds(draw, *, fixed=None) -> Bounds:
    least = draw(st.integers(0, 20))
    most = draw(st.integers(max(least, 1), 64))
    limits = {}
    if draw(st.booleans()) if fixed is None else fixed:
        clean = draw(st.integers(0, 800))
        limits = {"clean_below": clean, "dirty_above": clean + draw(st.integers(1, 500))}
    return Bounds(
        min_slots=least,
        max_slots=most,
        safe_slots=draw(st.one_of(st.none(), st.integers(least, most))),
        hysteresis=draw(st.sampled_from([0.0, 0.05, 0.3])),
        **limits,
    )


forecasts = st.one_of(
    st.none(),
    all_series().map(lambda one: Forecast(series=one, issued_at=one.begins, source="test")),
)
widths = st.one_of(st.none(), st.integers(-1, 200))
instants = st.integers(-300, 4000).map(lambda n: T0 + n * MINUTE)


@given(bounds=all_bounds(), forecast=forecasts, now=instants, slots=widths)
def test_no_grid_makes_a_pool_wider_or_narrower_than_its_bounds(bounds, forecast, now, slots):
    found = width(bounds, forecast, now=now, slots=slots)

    assert bounds.min_slots <= found.slots <= bounds.max_slots


@given(bounds=all_bounds(), forecast=forecasts, now=instants, slots=widths)
def test_asked_again_with_its_own_answer_it_says_the_same(bounds, forecast, now, slots):
    found = width(bounds, forecast, now=now, slots=slots)

    assert width(bounds, forecast, now=now, slots=found.slots).slots == found.slots


@given(bounds=all_bounds(fixed=True), one=st.floats(0, 1500), two=st.floats(0, 1500), slots=widths)
def test_a_cleaner_grid_never_makes_a_narrower_pool(bounds, one, two, slots):
    clean, dirty = sorted((one, two))
    wide, narrow = (
        width(bounds, forecast_of([g]), now=T0, slots=slots).slots for g in (clean, dirty)
    )

    assert wide >= narrow


@given(
    least=st.integers(0, 20),
    more=st.integers(1, 64),
    g=st.floats(110, 790),
    noise=st.lists(st.floats(-0.02, 0.02), max_size=20),
)
def test_noise_within_the_hysteresis_does_not_move_a_pool(least, more, g, noise):
    bounds = Bounds(min_slots=least, max_slots=least + more, clean_below=100, dirty_above=810)
    slots = width(bounds, forecast_of([g]), now=T0).slots
    for share in noise:
        assert width(bounds, forecast_of([g * (1 + share)]), now=T0, slots=slots).slots == slots


GPU = Bounds(min_slots=2, max_slots=16, clean_below=100, dirty_above=300)


@pytest.mark.parametrize(
    ("g", "slots", "because"),
    [
        (0, 16, Because.CLEAN),
        (100, 16, Because.CLEAN),
        (200, 9, Because.BETWEEN),
        (300, 2, Because.DIRTY),
        (900, 2, Because.DIRTY),
    ],
)
def test_between_the_limits_the_width_is_in_proportion(g, slots, because):
    found = width(GPU, forecast_of([g]), now=T0)

    assert (found.slots, found.because, found.g_per_kwh) == (slots, because, g)


def test_a_pool_that_is_nearly_right_is_left_alone_and_one_that_somebody_set_is_not():
    assert width(GPU, forecast_of([200]), now=T0, slots=10).because is Because.HELD
    assert width(GPU, forecast_of([200]), now=T0, slots=128).slots == 9
    assert width(GPU, forecast_of([200]), now=T0, slots=-1).slots == 9


def test_without_limits_the_coming_day_says_what_is_clean():
    bounds = Bounds(min_slots=0, max_slots=10)
    values = [100, 100, 100, 200, 300, 300, 300, 200, 100, 100, 100, 200, 9999]
    day = forecast_of(values, step_minutes=180)

    assert width(bounds, day, now=T0).because is Because.CLEAN
    assert width(bounds, day, now=T0 + 10 * HOUR).because is Because.BETWEEN
    assert width(bounds, day, now=T0 + 12 * HOUR).because is Because.DIRTY
    assert width(bounds, day, now=T0 + 900 * HOUR).because is Because.NO_DATA


def test_where_no_hour_is_better_a_pool_is_not_held_narrow():
    found = width(Bounds(min_slots=1, max_slots=8), forecast_of([300] * 24), now=T0)

    assert (found.slots, found.because) == (8, Because.FLAT)


def test_where_nothing_is_known_the_width_is_the_safe_one():
    assert width(GPU, None, now=T0, slots=5).slots == 16
    cautious = Bounds(min_slots=2, max_slots=16, safe_slots=4)
    assert width(cautious, None, now=T0).as_dict()["because"] == "no_data"
    assert width(cautious, None, now=T0).slots == 4
    assert intensity_at(forecast_of([1, 2]), T0 + 2 * HOUR) is None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"min_slots": 3},
        {"min_slots": 3, "max_slots": 2},
        {"min_slots": 0, "max_slots": 0},
        {"min_slots": -1, "max_slots": 2},
        {"min_slots": 1.5, "max_slots": 2},
        {"min_slots": 1, "max_slots": 2, "safe_slots": 3},
        {"min_slots": 1, "max_slots": 2, "clean_below": 100},
        {"min_slots": 1, "max_slots": 2, "clean_below": 100, "dirty_above": 100},
        {"min_slots": 1, "max_slots": 2, "hysteresis": 2},
        {"min_slots": 1, "max_slots": 2, "slots": 2},
    ],
)
def test_what_can_not_be_is_refused(fields):
    with pytest.raises(InputError):
        Bounds.read(fields)
