"""A job that runs while reality leaves the forecast: against oracles that try every second."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import MINUTE, T0, forecast_of, series_of

from airflow_carbon.core.course import Because, Continue, Move, Pause, Resume
from airflow_carbon.core.drift import Drift, follow, has_drifted, resume
from airflow_carbon.core.errors import InvalidDurationError, InvalidOptionError, InvalidSeriesError
from airflow_carbon.core.flexibility import Flexibility, Phase
from airflow_carbon.core.intensity import FactorType, Signal
from airflow_carbon.core.plan import Place
from airflow_carbon.core.region import Region
from airflow_carbon.core.remaining import Costs, Remaining
from airflow_carbon.core.stopping import Stopping

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
PLACE = Place(zone="NL", region="westeurope")


def region_of(name, zone, pue=1.0):
    return Region(
        name=name,
        zone=zone,
        geography="Europe",
        geography_group="Europe",
        country=zone[:2],
        latitude=0.0,
        longitude=0.0,
        pue=pue,
    )


SWEDEN = region_of("swedencentral", "SE-SE3")
FRANCE = region_of("francecentral", "FR", pue=1.5)


def left_of(hours, span, **fields):
    flex = Flexibility(duration=hours * HOUR, earliest=T0, deadline=T0 + span * HOUR)
    return Remaining(flex=flex, place=PLACE, pue=1.0, **fields)


# Whether it has drifted

minutes = st.integers(-90, 400)
shares = st.sampled_from([0, 15, 20, 33, 150])
levels = st.sampled_from([0, 70, 80, 84, 85, 100, 115, 120, 121, 133, 250])


@st.composite
def stretches(draw):
    values = draw(st.lists(levels, min_size=1, max_size=12))
    begins = T0 + draw(st.integers(-60, 60)) * MINUTE
    return values, draw(st.sampled_from([5, 15, 30, 60])), begins


def at_minute(stretch, at):
    values, step, begins = stretch
    i = ((at - begins) // MINUTE) // step
    return values[i] if 0 <= i < len(values) else None


def minute_by_minute(promised, actual, since, now, percent, lasting):
    """Return whether every known minute of the last ``lasting`` is over, in whole numbers."""
    values, step, begins = actual
    end = min(now, begins + len(values) * step * MINUTE)
    for i in range(1, lasting + 1):
        at = end - i * MINUTE
        said, was = at_minute(promised, at), at_minute(actual, at)
        if at < since or said is None or was is None or was * 100 <= said * (100 + percent):
            return False
    return True


@settings(max_examples=300)
@given(
    promised=stretches(),
    actual=stretches(),
    since=minutes,
    now=minutes,
    percent=shares,
    lasting=st.integers(1, 100),
)
def test_it_has_drifted_where_every_minute_is_over(promised, actual, since, now, percent, lasting):
    since, now = T0 + since * MINUTE, T0 + now * MINUTE

    found = has_drifted(
        series_of(*promised),
        series_of(*actual),
        since=since,
        now=now,
        drift=Drift(share=percent / 100, lasting=lasting * MINUTE),
    )

    assert found == minute_by_minute(promised, actual, since, now, percent, lasting)


def drifted(promised, actual, *, since=T0, now=T0 + 2 * HOUR, drift=None):
    return has_drifted(promised, actual, since=since, now=now, drift=drift or Drift())


def test_twenty_per_cent_exactly_is_not_over():
    for promised in (3, 35, 70, 100, 333.3):
        for share in (0.05, 0.15, 0.2, 0.33, 1.1):
            exact = promised * (100 + round(100 * share)) / 100
            drift = Drift(share=share)
            said = series_of([promised] * 2)
            assert not drifted(said, series_of([exact] * 2), drift=drift)
            assert drifted(said, series_of([exact * 1.001] * 2), drift=drift)


def test_anything_is_over_a_promise_of_nothing_and_nothing_is_not():
    assert drifted(series_of([0, 0]), series_of([5, 5]))
    assert not drifted(series_of([0, 0]), series_of([0, 0]))


def test_half_an_hour_counts_only_while_the_job_ran():
    promised, actual = series_of([100] * 3), series_of([200] * 3)

    assert not drifted(promised, actual, since=T0 + HOUR, now=T0 + HOUR + 29 * MINUTE)
    assert drifted(promised, actual, since=T0 + HOUR, now=T0 + HOUR + 30 * MINUTE)


def test_missing_actuals_are_no_drift():
    promised = series_of([100] * 9)
    ended_before_the_run = series_of([200] * 2)
    begins_too_late = series_of([200], begins=T0 + 4 * HOUR - 10 * MINUTE, step_minutes=10)

    now = T0 + 4 * HOUR
    assert not drifted(promised, ended_before_the_run, since=T0 + 2 * HOUR, now=now)
    assert not drifted(promised, begins_too_late, now=now)
    assert not drifted(series_of([100]), series_of([200] * 9), now=now)


def test_what_is_not_of_the_same_kind_is_refused():
    series = series_of([100] * 2)
    for other in (
        replace(series, signal=Signal.MARGINAL),
        replace(series, factor_type=FactorType.DIRECT),
        replace(series, zone="FR"),
    ):
        with pytest.raises(InvalidSeriesError):
            drifted(series, other)


# What to do then

stoppings = st.builds(
    Stopping,
    energy_h=st.sampled_from([0.0, 0.25, 2.0]),
    g_per_kw=st.sampled_from([0.0, 5.0, 200.0]),
    time=st.sampled_from([0, 1, 25, 90]).map(lambda n: n * MINUTE),
    shortest=st.sampled_from([0, 0, 40]).map(lambda n: n * MINUTE),
    most=st.sampled_from([None, None, 1, 2, 4]),
)
all_costs = st.builds(
    Costs,
    stopping=stoppings,
    moving=st.one_of(st.none(), stoppings),
    min_saving=st.sampled_from([0.0, 0.01, 0.2]),
    min_saving_g_per_kw=st.sampled_from([0.0, 0.0, 150.0]),
)
intensities = st.lists(st.one_of(st.integers(0, 900), levels), min_size=4, max_size=12)
steps = st.sampled_from([15, 30, 60])


@st.composite
def runs(draw):
    """A job under way somewhere between its earliest start and its deadline, and now."""
    span = draw(st.integers(30, 540))
    length = draw(st.integers(10, span))
    gone = draw(st.integers(0, span - length))
    phases = ()
    if draw(st.booleans()):
        cut = draw(st.integers(1, length - 1))
        powers = draw(st.sampled_from([(0.0, 1.0), (1.0, 0.0), (0.3, 1.0), (2.0, 1.0)]))
        phases = tuple(
            Phase(duration=n * MINUTE, power=power)
            for n, power in zip((cut, length - cut), powers, strict=True)
        )
    blackouts = []
    for _ in range(draw(st.integers(0, 2))):
        begin = draw(st.integers(0, span))
        blackouts.append((T0 + begin * MINUTE, T0 + (begin + draw(st.integers(1, 90))) * MINUTE))
    flex = Flexibility(
        duration=length * MINUTE,
        earliest=T0,
        deadline=T0 + span * MINUTE,
        phases=phases,
        blackouts=tuple(blackouts),
    )
    done = draw(st.integers(0, min(gone, length - 1)))
    pue = draw(st.sampled_from([1.0, 1.2]))
    stops = draw(st.integers(0, 2))
    left = Remaining(flex=flex, place=PLACE, pue=pue, done=done * MINUTE, stops=stops)
    return left, T0 + gone * MINUTE


def powers_of(left):
    """Return the power of each minute of the work left, as a multiple of its mean."""
    power = np.ones(left.flex.duration // MINUTE)
    if left.flex.phases:
        lengths = [phase.duration // MINUTE for phase in left.flex.phases]
        power = np.repeat([phase.power for phase in left.flex.phases], lengths)
    power = power[left.done // MINUTE :]
    return power / power.mean() if power.any() else np.ones(len(power))


def allowed(left, length):
    """Return the minutes from T0 at which so many minutes may begin: outside of blackouts."""
    latest = (left.flex.deadline - T0) // MINUTE - length
    black = {
        i
        for begin, end in left.flex.blackouts
        for i in range((begin - T0) // MINUTE, (end - T0) // MINUTE)
    }
    found = [i for i in range(latest + 1) if black.isdisjoint(range(i, i + length))]
    return found or [latest]  # a blackout yields to the deadline


def emitted(values, step, left, now, stopping, pue):
    """Return the grams per kW of each later start that a stop allows, by its second from T0.

    Between whole minutes, on which all else changes, they are linear: what counts besides these
    is the second before a minute, when a resume is still charged with the step that ends.
    """
    power = powers_of(left)
    few = stopping.most is None or left.stops + 2 <= stopping.most
    if not few or len(power) < stopping.shortest / MINUTE:
        return {}
    power = np.concatenate((np.ones(stopping.time // MINUTE), power))
    minutes = np.repeat(np.asarray(values, dtype=float), step)
    begin, starts, grams = (now - T0) // MINUTE, allowed(left, len(power)), {}
    if begin >= starts[-1]:
        return {}
    starts = {i for i in starts if i >= begin and i + len(power) <= len(minutes)}
    run = np.correlate(minutes, power) / 60 if starts else []
    for i in starts:
        resumed = minutes[i] * stopping.energy_h
        grams[60 * i] = pue * (run[i] + resumed) + stopping.g_per_kw
        if i - 1 in starts:
            resumed = minutes[i - 1] * stopping.energy_h
            just_before = run[i] + (run[i - 1] - run[i]) / 60
            grams[60 * i - 1] = pue * (just_before + resumed) + stopping.g_per_kw
    return grams


def going_on(values, step, left, now):
    """Return the grams per kW of going on now; None where they are not known."""
    power, minutes = powers_of(left), np.repeat(np.asarray(values, dtype=float), step)
    begin = (now - T0) // MINUTE
    end = begin + len(power)
    late = end > (left.flex.deadline - T0) // MINUTE
    return None if late or end > len(minutes) else left.pue * minutes[begin:end] @ power / 60


@settings(max_examples=100, deadline=None)
@given(run=runs(), here=intensities, there=intensities, step=steps, costs=all_costs)
def test_no_other_second_and_no_other_place_emits_less(run, here, there, step, costs):
    left, now = run
    regions = {FRANCE: forecast_of(there, step)}

    answer = follow(
        forecast_of(here, step), left, now=now, drifted=True, costs=costs, regions=regions
    )

    on = going_on(here, step, left, now)
    pauses = emitted(here, step, left, now, costs.stopping, left.pue)
    moves = emitted(there, step, left, now, costs.move, FRANCE.pue)
    best = min([*pauses.values(), *moves.values()], default=float("inf"))
    needed = max(costs.min_saving * (on or 0), costs.min_saving_g_per_kw)
    assert answer.going_on_g_per_kw == (on if on is None else pytest.approx(on))
    if isinstance(answer, Continue):
        assert on is None or best >= on - needed - 1e-5
        return
    start = round((answer.window.start - T0) / SECOND)
    courses = pauses if isinstance(answer, Pause) else moves
    assert answer.expects_g_per_kw == pytest.approx(best, abs=1e-6)
    assert courses[start] == pytest.approx(best, abs=1e-6)
    assert answer.saves_g_per_kw > needed
