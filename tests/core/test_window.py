"""Laws of the best window, against a slow search that shares no code with it."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import MINUTE, T0, hard_problems, problems, series_of

from airflow_carbon.core.errors import (
    ForecastCoverageError,
    InputError,
    InvalidSeriesError,
    NoFeasibleWindowError,
)
from airflow_carbon.core.flexibility import Flexibility, Phase
from airflow_carbon.core.window import best_window


def by_the_minute(series) -> np.ndarray:
    return np.repeat(series.g_per_kwh, series.step // MINUTE)


def slow_best(series, flex) -> float:
    minutes = by_the_minute(series)
    length = flex.duration // MINUTE
    first, last = ((t - series.begins) // MINUTE for t in (flex.earliest, flex.latest_start))
    return min(minutes[i : i + length].mean() for i in range(first, last + 1))


@given(problems())
def test_no_minute_beats_the_best_window(problem):
    series, flex = problem

    window = best_window(series, flex)

    assert window.mean_g_per_kwh == pytest.approx(slow_best(series, flex), abs=1e-4)
    assert flex.earliest <= window.start <= flex.latest_start
    assert window.end - window.start == flex.duration


def slow_search(series, flex) -> float:
    """Every minute's start that keeps clear of blackouts; the last possible one if none does."""
    minutes = by_the_minute(series)
    length = flex.duration // MINUTE
    power = np.ones(length)
    if flex.phases:
        counts = [phase.duration // MINUTE for phase in flex.phases]
        power = np.repeat([phase.power for phase in flex.phases], counts)
    begin = (flex.earliest - series.begins) // MINUTE
    last = (flex.deadline - flex.duration - series.begins) // MINUTE
    black = np.zeros(len(minutes) + 1000, dtype=bool)
    for first, until in flex.blackouts:
        a, b = ((t - series.begins) // MINUTE for t in (first, until))
        black[max(a, 0) : max(b, 0)] = True
    clear = [i for i in range(begin, last + 1) if not black[i : i + length].any()] or [last]
    return min(float((minutes[i : i + length] * power).sum() / power.sum()) for i in clear)


@given(hard_problems())
def test_no_minute_beats_the_best_window_of_a_job_with_phases_and_blackouts(problem):
    series, flex = problem

    window = best_window(series, flex)

    assert window.mean_g_per_kwh == pytest.approx(slow_search(series, flex), abs=1e-4)
    assert window.end <= flex.deadline
    assert any(first <= window.start <= last for first, last in flex.starts)


@given(hard_problems())
def test_a_job_never_runs_in_a_blackout_that_leaves_room_for_it(problem):
    series, flex = problem

    window = best_window(series, flex)

    in_blackout = any(begin < window.end and window.start < end for begin, end in flex.blackouts)
    assert not in_blackout or window.end == flex.deadline


@given(problems(), st.floats(0.1, 9))
def test_phases_of_equal_power_change_nothing(problem, power):
    series, flex = problem
    half = flex.duration / 2
    phases = (Phase(duration=half, power=power), Phase(duration=flex.duration - half, power=power))

    assert best_window(series, replace(flex, phases=phases)).mean_g_per_kwh == pytest.approx(
        best_window(series, flex).mean_g_per_kwh, abs=1e-6
    )


def test_the_hungry_phase_gets_the_clean_hour():
    series = series_of([300, 300, 100, 300, 200, 300])
    index = series.to_pandas()

    warm_up_first = best_window(index, duration=[("1h", 0.1), ("1h", 1)])
    evaluation_last = best_window(index, duration=[("1h", 1), ("1h", 0.1)])

    assert warm_up_first.start == T0 + timedelta(hours=1)
    assert warm_up_first.mean_g_per_kwh == pytest.approx((0.1 * 300 + 100) / 1.1)
    assert evaluation_last.start == T0 + timedelta(hours=2)


@given(problems())
def test_the_mean_is_that_of_the_minutes_of_the_window(problem):
    series, flex = problem

    window = best_window(series, flex)

    seconds = np.repeat(series.g_per_kwh, int(series.step.total_seconds()))
    begin, end = (round((t - series.begins).total_seconds()) for t in (window.start, window.end))
    assert window.mean_g_per_kwh == pytest.approx(seconds[begin:end].mean(), abs=1e-3)


@given(problems(), st.floats(0.1, 10), st.timedeltas(timedelta(-400), timedelta(400)))
def test_shifting_time_and_scaling_intensity_shift_and_scale_the_window(problem, factor, by):
    series, flex = problem
    there = best_window(series, flex)
    scaled = series_of(series.g_per_kwh * factor, series.step // MINUTE, series.begins + by)
    moved = Flexibility(
        duration=flex.duration, earliest=flex.earliest + by, deadline=flex.deadline + by
    )

    here = best_window(scaled, moved)

    assert here.mean_g_per_kwh == pytest.approx(there.mean_g_per_kwh * factor, rel=1e-6, abs=1e-6)


@given(problems())
def test_refining_the_step_changes_nothing(problem):
    series, flex = problem
    fine = series_of(np.repeat(series.g_per_kwh, 5), 1 if series.step == 5 * MINUTE else 3)
    assume(fine.ends == series.ends)

    assert best_window(fine, flex).mean_g_per_kwh == pytest.approx(
        best_window(series, flex).mean_g_per_kwh, abs=1e-6
    )


@given(problems(), st.integers(0, 600))
def test_more_slack_is_never_dirtier(problem, minutes):
    series, flex = problem
    deadline = min(flex.deadline + minutes * MINUTE, series.ends)
    wider = Flexibility(duration=flex.duration, earliest=flex.earliest, deadline=deadline)

    assert best_window(series, wider).mean_g_per_kwh <= (
        best_window(series, flex).mean_g_per_kwh + 1e-6
    )


@given(st.floats(0, 1500), st.integers(1, 600), st.integers(0, 600))
def test_a_flat_series_is_no_reason_to_wait(grams, length, slack):
    series = series_of([grams] * 24)
    flex = Flexibility(
        duration=length * MINUTE, earliest=T0, deadline=T0 + (length + slack) * MINUTE
    )

    assert best_window(series, flex).start == T0


def test_a_tie_goes_to_the_earliest():
    series = series_of([300, 100, 300, 100, 300])
    flex = Flexibility(duration=60 * MINUTE, earliest=T0, deadline=series.ends)

    assert best_window(series, flex).start == T0 + timedelta(hours=1)


def test_a_job_may_start_inside_a_step():
    series = series_of([300, 100, 200, 300])
    flex = Flexibility(duration=90 * MINUTE, earliest=T0, deadline=series.ends)

    window = best_window(series, flex)

    assert window.start == T0 + 60 * MINUTE
    flex = Flexibility(duration=90 * MINUTE, earliest=T0, deadline=T0 + 120 * MINUTE)
    assert best_window(series, flex).start == T0 + 30 * MINUTE


# Published half-hours that others misread: a value is the mean of its half hour, not a
# point to be joined by lines (GreenScheduler/cats issues 54, 57 and 127).
HALF_HOURS = [300, 300, 100, 300, 300, 150, 150, 300]


def test_a_half_hour_job_at_ten_past_is_charged_with_the_blocks_it_lies_in():
    series = series_of(HALF_HOURS, 30)

    claimed = series.mean(
        T0 + 10 * MINUTE + timedelta(hours=1), T0 + timedelta(hours=1.5) + 10 * MINUTE
    )

    assert claimed == pytest.approx((20 * 100 + 10 * 300) / 30)


def test_an_hour_lies_in_the_two_clean_halves_not_around_the_single_cleanest():
    series = series_of(HALF_HOURS, 30)
    flex = Flexibility(duration=60 * MINUTE, earliest=T0, deadline=series.ends)

    window = best_window(series, flex)

    assert window.mean_g_per_kwh == pytest.approx(150)
    assert window.start == T0 + timedelta(hours=2.5)


def test_a_window_at_two_is_a_mean_of_blocks_and_not_of_lines():
    series = series_of(HALF_HOURS, 30)

    assert series.mean(T0 + timedelta(hours=2), T0 + timedelta(hours=3)) == pytest.approx(225)


def test_the_part_of_a_block_that_is_covered_counts_and_no_more():
    # One known scheduler takes the first and the last block alone.
    series = series_of([100, 900, 100])

    assert series.mean(T0, T0 + timedelta(hours=3)) == pytest.approx(1100 / 3)


def test_the_first_row_may_be_the_hour_already_running():
    series = series_of([50, 300, 300, 60, 60])
    now = T0 + 20 * MINUTE
    flex = Flexibility(duration=60 * MINUTE, earliest=now, deadline=series.ends)

    window = best_window(series, flex)

    assert window.mean_g_per_kwh == pytest.approx(60)
    assert window.start >= now


def test_a_notebook_needs_one_line():
    index = pd.date_range("2026-01-01", periods=8, freq="30min", tz="Europe/Berlin")
    window = best_window(pd.Series(HALF_HOURS, index=index, dtype=float), duration="1h")

    assert window.mean_g_per_kwh == pytest.approx(150)
    assert window.start == pd.Timestamp("2026-01-01T02:30:00+01:00")


def test_a_notebook_deadline_is_the_end_of_the_work():
    index = pd.date_range("2026-01-01", periods=8, freq="30min", tz="UTC")
    series = pd.Series(HALF_HOURS, index=index, dtype=float)

    window = best_window(series, duration="1h", deadline="2026-01-01T02:00Z")

    assert window.end == pd.Timestamp("2026-01-01T01:30Z")
    with pytest.raises(NoFeasibleWindowError, match="shorten the duration"):
        best_window(series, duration="3h", deadline="2026-01-01T02:00Z")


def test_a_window_beyond_the_series_is_not_invented():
    series = series_of([100, 100])
    later = T0 + timedelta(days=1)
    flex = Flexibility(duration=60 * MINUTE, earliest=later, deadline=later + timedelta(hours=2))

    with pytest.raises(ForecastCoverageError):
        best_window(series, flex)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.drop(s.index[3]), "uneven"),
        (lambda s: s.tz_localize(None), "time zone"),
        (lambda s: s.iloc[::-1], "order"),
        (lambda s: pd.concat([s, s.iloc[-1:]]), "more than once"),
        (lambda s: s.where(s != 100), "missing"),
        (lambda s: -s, "not negative"),
        (lambda s: s * np.inf, "not negative"),
        (lambda s: s.iloc[:1], "two rows"),
        (lambda s: s.iloc[:0], "two rows"),
    ],
)
def test_a_series_that_can_not_be_is_refused_by_name(change, says):
    index = pd.date_range("2026-01-01", periods=8, freq="30min", tz="UTC")
    series = pd.Series(HALF_HOURS, index=index, dtype=float)

    with pytest.raises(InvalidSeriesError, match=says):
        best_window(change(series), duration="1h")


def test_errors_are_input_errors_when_input_is_wrong():
    assert issubclass(InvalidSeriesError, InputError)
    assert not issubclass(ForecastCoverageError, InputError)
