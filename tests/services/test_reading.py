"""What may be repaired is, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.errors import InvalidSeriesError
from airflow_carbon.services.reading import LONGEST_GAP, even_series, instant, number

T0 = datetime(2026, 10, 24, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
QUARTER = HOUR / 4


def points(values, step=HOUR):
    return [(T0 + i * step, value) for i, value in enumerate(values)]


@given(values=st.lists(st.floats(0, 1000), min_size=2, max_size=40), seed=st.randoms())
def test_order_and_repetition_do_not_matter(values, seed):
    given_twice = points(values) + points(values)[::3]
    seed.shuffle(given_twice)

    series = even_series(given_twice, zone="DE")

    np.testing.assert_array_equal(series.g_per_kwh, values)
    assert (series.begins, series.step, series.filled) == (T0, HOUR, 0)


def test_a_short_gap_is_filled_along_a_line_and_counted():
    series = even_series(points([10, None, None, None, 50, 60, 70], QUARTER), zone="DE")

    np.testing.assert_allclose(series.g_per_kwh, [10, 20, 30, 40, 50, 60, 70])
    assert series.filled == 3


def test_a_long_gap_is_refused():
    values = [1.0, *[None] * (LONGEST_GAP // HOUR), 2.0, 3.0]

    with pytest.raises(InvalidSeriesError, match="nothing is known for 3:00:00 from"):
        even_series(points(values), zone="DE")


def test_missing_values_at_the_ends_are_no_gap():
    series = even_series(points([None, 1, 2, None, None, None, None]), zone="DE")

    np.testing.assert_array_equal(series.g_per_kwh, [1, 2])
    assert series.begins == T0 + HOUR


def test_a_step_that_becomes_coarser_is_cut_to_the_finest():
    fine = points([1, 2, 3, 4], QUARTER)
    coarse = [(T0 + HOUR + i * HOUR, 10.0 + i) for i in range(4)]

    series = even_series(fine + coarse, zone="DE")

    assert series.step == QUARTER
    np.testing.assert_array_equal(series.g_per_kwh, [1, 2, 3, 4, *np.repeat([10, 11, 12, 13], 4)])
    assert series.filled == 0


@pytest.mark.parametrize(
    ("given_points", "says"),
    [
        ([], "no values"),
        (points([None, None]), "no values"),
        (points([1.0]), "does not tell its step"),
        ([*points([1, 2, 3]), (T0 + 2.5 * HOUR + HOUR / 60, 4)], "fit no grid"),
        ([*points([1, 2]), (T0, 3)], "gives both 1 and 3"),
        ([*points([1, 2]), (T0 + timedelta(seconds=1), 3)], "fit no grid"),
    ],
)
def test_what_is_no_even_series_is_refused(given_points, says):
    with pytest.raises(InvalidSeriesError, match=says):
        even_series(given_points, zone="DE")


def test_a_single_point_with_its_length_is_a_series():
    series = even_series(points([5.0]), zone="DE", step=HOUR / 2)

    assert (series.begins, series.ends) == (T0, T0 + HOUR / 2)


def test_the_day_on_which_clocks_go_back_has_25_hours():
    berlin = [timezone(2 * HOUR)] * 3 + [timezone(HOUR)] * 3
    text = [(T0 + i * HOUR).astimezone(zone).isoformat() for i, zone in enumerate(berlin)]

    series = even_series([(instant(at), 1.0 * i) for i, at in enumerate(text)], zone="DE")

    np.testing.assert_array_equal(series.g_per_kwh, range(6))
    assert series.filled == 0


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00", "yesterday", None, 5])
def test_an_instant_needs_an_offset(text):
    with pytest.raises(ValueError, match=r"time zone|isoformat"):
        instant(text)


@pytest.mark.parametrize("value", ["12", float("nan"), float("inf"), -1, True, [1]])
def test_what_is_no_intensity_is_refused(value):
    with pytest.raises(ValueError, match=r"not a number|can't be"):
        number(value)


def test_null_is_a_missing_value():
    assert number(None) is None
    assert number(0) == 0.0
