"""What a running job is told when reality leaves the forecast: laws, against slow oracles."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import (
    FRANCE,
    HOUR,
    PLACE,
    SECOND,
    SWEDEN,
    all_costs,
    intensities,
    runs,
    steps,
    stoppings,
)
from strategies import MINUTE, T0, forecast_of

from airflow_carbon.core.costs import Costs, Stopping
from airflow_carbon.core.course import Because, Continue, Move, Pause, Resume
from airflow_carbon.core.drift import follow, resume
from airflow_carbon.core.remaining import Remaining


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


def emitted(values, step, left, now, *, stopping, pue):
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
    pauses = emitted(here, step, left, now, stopping=costs.stopping, pue=left.pue)
    moves = emitted(there, step, left, now, stopping=costs.move, pue=FRANCE.pue)
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


@settings(max_examples=60, deadline=None)
@given(run=runs(), here=intensities, there=intensities, step=steps, costs=all_costs)
def test_a_move_leads_to_a_cleaner_promise_and_without_drift_all_goes_on(
    run, here, there, step, costs
):
    left, now = run
    forecast, regions = forecast_of(here, step), {SWEDEN: forecast_of(there, step)}

    answer = follow(forecast, left, now=now, drifted=True, costs=costs, regions=regions)
    calm = follow(forecast, left, now=now, drifted=False, costs=costs, regions=regions)

    on = going_on(here, step, left, now)
    on = on if on is None else pytest.approx(on)
    assert calm == Continue(
        because=Because.NO_DRIFT, place=PLACE, going_on_g_per_kw=calm.going_on_g_per_kw
    )
    if isinstance(answer, Move):
        promised = answer.going_on_g_per_kw / (left.work / HOUR)
        assert answer.window.mean_g_per_kwh * SWEDEN.pue < promised


@given(run=runs(), level=st.integers(0, 900), count=st.integers(4, 12), step=steps, costs=all_costs)
def test_a_flat_forecast_gives_no_reason_to_stop(run, level, count, step, costs):
    left, now = run
    flat = forecast_of([level] * count, step)

    answer = follow(flat, left, now=now, drifted=True, costs=costs, regions={FRANCE: flat})

    assert isinstance(answer, Continue)


@given(
    run=runs(),
    values=st.tuples(intensities, intensities),
    step=steps,
    dear=stoppings,
    share=st.sampled_from([0.0, 0.3, 0.9]),
)
def test_cheaper_stops_never_promise_more(run, values, step, dear, share):
    left, now = run
    here, there = values
    forecast, regions = forecast_of(here, step), {SWEDEN: forecast_of(there, step)}
    cheap = replace(dear, energy_h=dear.energy_h * share, g_per_kw=dear.g_per_kw * share)
    if not dear.energy_h:  # sooner back at work, it may meet a dirtier step with that energy
        cheap = replace(cheap, time=dear.time * share)

    promises = []
    for one in (cheap, dear):
        answer = follow(
            forecast,
            left,
            now=now,
            drifted=True,
            costs=Costs(stopping=one),
            regions=regions,
        )
        on = isinstance(answer, Continue)
        promises.append(answer.going_on_g_per_kw if on else answer.expects_g_per_kw)

    if None not in promises:
        assert promises[0] <= promises[1] + 1e-6


@given(
    run=runs(), here=intensities, there=intensities, step=steps, factor=st.sampled_from([0.25, 8])
)
def test_only_ratios_count(run, here, there, step, factor):
    left, now = run
    costs = Costs(stopping=Stopping(energy_h=0.5, time=5 * MINUTE))

    once, scaled = (
        follow(
            forecast_of(by * np.array(here), step),
            left,
            now=now,
            drifted=True,
            costs=costs,
            regions={FRANCE: forecast_of(by * np.array(there), step)},
        )
        for by in (1.0, factor)
    )

    assert type(once) is type(scaled)
    assert once.because is scaled.because
    if not isinstance(once, Continue):
        assert once.window.start == scaled.window.start


def live(flex, costs, seed, forecasts, every):
    """Follow the answers of a world that wants to delay the job; return when it ended.

    It says at random what is expected, here and there, and that it has drifted.
    """
    world = random.Random(seed)  # noqa: S311 - a test's dice
    now, done, behind, stops, planned = flex.earliest, timedelta(0), timedelta(0), 0, None
    paused, moved, place = False, False, PLACE
    while done < flex.duration:
        left = Remaining(flex=flex, place=place, done=done - behind, stops=stops)
        forecast = world.choice(forecasts)
        if not paused:
            there = world.choice(forecasts)
            answer = follow(
                forecast,
                left,
                now=now,
                drifted=world.random() < 0.8,
                costs=costs,
                regions={SWEDEN: there} if there else None,
            )
            if isinstance(answer, Continue):
                run = min(every, flex.duration - done + behind)
                done, behind = done + max(run - behind, timedelta(0)), max(behind - run, 0 * run)
                now += run
                continue
            paused, moved, stops = True, isinstance(answer, Move), stops + 1
            place, planned = (answer.to if moved else place), answer.window.start
        answer = resume(forecast, left, now=now, planned=planned, costs=costs, moved=moved)
        if isinstance(answer, Resume):
            paused, behind = False, (costs.move if moved else costs.stopping).time
            now_or_never = answer.because is Because.DEADLINE
            assert not (now_or_never and now > flex.deadline - left.work - behind)
        else:
            assert answer.until > now
            planned = answer.until
            now = min(now + every, planned)
    return now


@settings(max_examples=60, deadline=None)
@given(
    run=runs(),
    worlds=st.lists(st.one_of(st.none(), st.tuples(intensities, steps)), min_size=1, max_size=5),
    costs=all_costs,
    seed=st.integers(0, 10**6),
    every=st.sampled_from([1, 7, 20]),
)
def test_no_world_however_wrong_makes_the_job_late(run, worlds, costs, seed, every):
    left, _ = run
    forecasts = [world and forecast_of(*world) for world in worlds]

    assert live(left.flex, costs, seed, forecasts, every * MINUTE) <= left.flex.deadline


@settings(max_examples=60, deadline=None)
@given(run=runs(), here=intensities, step=steps, costs=all_costs, late=st.sampled_from([0, 1, 40]))
def test_with_a_true_forecast_the_pause_ends_when_it_was_meant_to(run, here, step, costs, late):
    left, now = run
    forecast = forecast_of(here, step)
    answer = follow(forecast, left, now=now, drifted=True, costs=costs)
    if not isinstance(answer, Pause):
        return
    meant = planned = answer.until

    while now < planned:
        answer = resume(forecast, left, now=now, planned=planned, costs=costs)
        assert isinstance(answer, Pause)
        planned = answer.until
        now = min(now + 10 * MINUTE, planned)
    answer = resume(forecast, left, now=now + late * SECOND, planned=planned, costs=costs)

    assert planned == meant
    assert isinstance(answer, Resume)
