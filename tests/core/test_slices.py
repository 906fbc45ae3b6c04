"""Work that may stop: against an oracle that tries everything."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import T0

from airflow_carbon.core.costs import Stopping
from airflow_carbon.core.errors import ForecastCoverageError, InvalidOptionError
from airflow_carbon.core.flexibility import Flexibility, Phase
from airflow_carbon.core.intensity import IntensitySeries
from airflow_carbon.core.slices import best_slices
from airflow_carbon.core.window import best_window

HOUR = timedelta(hours=1)


def series_of(values, step=HOUR):
    return IntensitySeries(
        zone="DE", begins=T0, step=step, g_per_kwh=np.array(values, dtype=np.float64)
    )


def job(hours, span, begin=0.0):
    return Flexibility(duration=hours * HOUR, earliest=T0 + begin * HOUR, deadline=T0 + span * HOUR)


def emitted(values, cells, work, stopping, *, power=None, blocked=()):
    """Return what running in these cells emits [g h/kWh], None if it is not allowed.

    ``power`` has a value an hour of work; getting on again takes the mean of it.
    """
    if any(cell in blocked for cell in cells):
        return None
    power = np.ones(work) if power is None else np.asarray(power) / np.mean(power)
    slices = [[cells[0]]]
    for cell in cells[1:]:
        if cell == slices[-1][-1] + 1:
            slices[-1].append(cell)
        else:
            slices.append([cell])
    overhead = round(stopping.time / HOUR)
    least = max(1, min(work, round(stopping.shortest / HOUR)))
    done = [len(one) - (overhead if i else 0) for i, one in enumerate(slices)]
    if sum(done) != work or min(done) < least:
        return None
    if stopping.most is not None and len(slices) > stopping.most:
        return None
    restarts = sum(stopping.energy_h * values[one[0]] + stopping.g_per_kw for one in slices[1:])
    left, grams = list(power), 0.0
    for i, one in enumerate(slices):
        for j, cell in enumerate(one):
            grams += values[cell] * (1.0 if i and j < overhead else left.pop(0))
    return grams + restarts


def oracle(values, work, stopping, power=None, blocked=()):
    """Try every set of cells."""
    found = []
    for count in range(work, len(values) + 1):
        for cells in combinations(range(len(values)), count):
            grams = emitted(values, cells, work, stopping, power=power, blocked=blocked)
            if grams is not None:
                found.append(grams)
    return min(found, default=None)


stoppings = st.builds(
    Stopping,
    energy_h=st.sampled_from([0.0, 0.25, 1.0, 3.0]),
    g_per_kw=st.sampled_from([0.0, 5.0, 40.0]),
    time=st.sampled_from([0, 1, 2]).map(lambda h: h * HOUR),
    shortest=st.sampled_from([0, 2, 3]).map(lambda h: h * HOUR),
    most=st.sampled_from([None, 1, 2, 3]),
)


@given(
    values=st.lists(st.integers(0, 50), min_size=4, max_size=9),
    data=st.data(),
    stopping=stoppings,
)
def test_no_other_set_of_slices_emits_less(values, data, stopping):
    work = data.draw(st.integers(1, len(values)))

    found = best_slices(series_of(values), job(work, len(values)), stopping)

    assert found.mean_g_per_kwh * work == pytest.approx(oracle(values, work, stopping), abs=1e-6)


def test_a_stop_without_a_rest_is_none():
    """The minutes of a resume draw less than this job's second half: no way round it."""
    power = (0, 0, 1, 1)
    flex = replace(
        job(4, 5), phases=tuple(Phase(duration=HOUR, power=one) for one in power), blackouts=()
    )

    found = best_slices(series_of([0, 0, 0, 1, 0]), flex, Stopping(time=HOUR))

    assert len(found.windows) == 1
    assert found.mean_g_per_kwh * 4 == pytest.approx(2)


@given(
    values=st.lists(st.integers(0, 50), min_size=4, max_size=9),
    data=st.data(),
    stopping=stoppings,
)
def test_no_other_set_of_slices_emits_less_with_phases_and_blackouts(values, data, stopping):
    work = data.draw(st.integers(1, len(values)))
    power = data.draw(st.lists(st.integers(0, 5), min_size=work, max_size=work).filter(any))
    blocked = data.draw(st.sets(st.integers(0, len(values) - 1), max_size=3))
    flex = replace(
        job(work, len(values)),
        phases=tuple(Phase(duration=HOUR, power=one) for one in power),
        blackouts=tuple((T0 + i * HOUR, T0 + (i + 1) * HOUR) for i in blocked),
    )
    expected = oracle(values, work, stopping, power, blocked)
    if expected is None:  # the deadline comes first
        expected = oracle(values, work, stopping, power)

    if expected is None:
        with pytest.raises(ForecastCoverageError):
            best_slices(series_of(values), flex, stopping)
    else:
        found = best_slices(series_of(values), flex, stopping)
        assert found.mean_g_per_kwh * work == pytest.approx(expected, abs=1e-6)


@given(values=st.lists(st.integers(0, 50), min_size=4, max_size=20), data=st.data())
def test_free_slices_keep_out_of_blackouts(values, data):
    blocked = data.draw(st.sets(st.integers(0, len(values) - 1), max_size=len(values) - 1))
    work = data.draw(st.integers(1, len(values) - len(blocked)))
    black = tuple((T0 + i * HOUR, T0 + (i + 1) * HOUR) for i in blocked)

    found = best_slices(series_of(values), replace(job(work, len(values)), blackouts=black))

    clear = sorted(value for i, value in enumerate(values) if i not in blocked)
    assert found.mean_g_per_kwh * work == pytest.approx(sum(clear[:work]))
    assert not any(w.start < end and begin < w.end for w in found.windows for begin, end in black)


@given(
    values=st.lists(st.integers(0, 50), min_size=4, max_size=20),
    data=st.data(),
    stopping=stoppings,
)
def test_slices_are_in_order_inside_and_do_the_work(values, data, stopping):
    work = data.draw(st.integers(1, len(values)))
    flex = job(work, len(values))

    windows = best_slices(series_of(values), flex, stopping).windows

    assert windows[0].start >= flex.earliest
    assert windows[-1].end <= flex.deadline
    assert all(one.end <= other.start for one, other in pairwise(windows))
    resumed = len(windows) - 1
    done = sum((one.end - one.start for one in windows), timedelta(0)) - resumed * stopping.time
    assert done == flex.duration
    assert stopping.most is None or len(windows) <= stopping.most


@given(values=st.lists(st.floats(0, 900), min_size=3, max_size=30), data=st.data())
def test_free_stops_take_the_cleanest_time_to_the_minute(values, data):
    minutes = data.draw(st.integers(1, 60 * len(values)))
    flex = job(minutes / 60, len(values))

    found = best_slices(series_of(values), flex)

    fine = np.sort(np.repeat(values, 60))[:minutes]
    assert found.mean_g_per_kwh == pytest.approx(fine.mean(), abs=1e-6)
    assert sum((w.end - w.start for w in found.windows), timedelta(0)) == flex.duration


@given(values=st.lists(st.integers(0, 50), min_size=5, max_size=16), data=st.data())
def test_dear_stops_come_to_the_best_window_and_cheaper_ones_never_emit_more(values, data):
    flex = job(data.draw(st.integers(1, len(values))), len(values))
    series = series_of(values)

    means = [
        best_slices(series, flex, Stopping(energy_h=hours)).mean_g_per_kwh
        for hours in (0.0, 0.5, 2.0)
    ]
    dear = best_slices(series, flex, Stopping(g_per_kw=1e9))

    assert means == sorted(means)
    assert dear.mean_g_per_kwh == pytest.approx(best_window(series, flex).mean_g_per_kwh)
    assert means[-1] <= dear.mean_g_per_kwh + 1e-9


@given(values=st.lists(st.integers(0, 50), min_size=3, max_size=8), stopping=stoppings)
def test_a_finer_step_changes_nothing(values, stopping):
    flex = job(2, len(values))
    coarse = best_slices(series_of(values), flex, stopping)

    fine = best_slices(series_of(np.repeat(values, 4), HOUR / 4), flex, stopping)

    # a finer grid allows starts within the hour, so it may be better where slices must be long
    assert fine.mean_g_per_kwh <= coarse.mean_g_per_kwh + 1e-9
    if stopping.shortest == timedelta(0) and stopping.time == timedelta(0):
        assert fine.mean_g_per_kwh == pytest.approx(coarse.mean_g_per_kwh)


def test_a_flat_series_runs_at_once_and_through():
    for stopping in (Stopping(), Stopping(energy_h=0.1)):
        (window,) = best_slices(series_of([7.0] * 20), job(5, 20), stopping).windows

        assert window.start == T0


def test_an_arrival_within_a_step_keeps_the_deadline():
    flex = job(1.5, 5.75, begin=0.3)
    found = best_slices(series_of([9, 1, 9, 1, 9, 9]), flex, Stopping(energy_h=0.1))

    assert found.windows[0].start >= flex.earliest
    assert found.windows[-1].end <= flex.deadline
    assert found.mean_g_per_kwh < 2


def test_what_the_series_does_not_cover_is_refused():
    with pytest.raises(ForecastCoverageError):
        best_slices(series_of([1, 2]), job(3, 9))


@pytest.mark.parametrize(
    "fields", [{"energy_h": -1}, {"time": -HOUR}, {"shortest": -HOUR}, {"most": 0}]
)
def test_costs_that_can_not_be_are_refused(fields):
    with pytest.raises(InvalidOptionError):
        Stopping(**fields)
