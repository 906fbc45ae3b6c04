"""A fleet's plan: never over its slots, the best there is where that can be told, else bounded."""

from datetime import timedelta
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from strategies import MINUTE, T0, grams, plateaus, series_of

from airflow_carbon.core import fleet_solver
from airflow_carbon.core.errors import InputError
from airflow_carbon.core.fleet import FleetJob, Why, plan_fleet
from airflow_carbon.core.flexibility import Flexibility, Phase
from airflow_carbon.core.many import best_windows

HOUR = timedelta(hours=1)


def job_of(name, start, latest, length, **given) -> FleetJob:
    """A job of minutes from T0."""
    flex = Flexibility(
        duration=length * MINUTE,
        earliest=T0 + start * MINUTE,
        deadline=T0 + (latest + length) * MINUTE,
    )
    return FleetJob(name=name, flex=flex, **given)


@st.composite
def fleets(draw, unit=15):
    """Two regions of eight hours, a few jobs on multiples of some minutes, few slots."""
    values = st.lists(st.one_of(grams, plateaus), min_size=8, max_size=8)
    series = {"north": series_of(draw(values)), "south": series_of(draw(values), zone="FR")}
    jobs = []
    for i in range(draw(st.integers(1, 5))):
        start = unit * draw(st.integers(0, 180 // unit))
        slack = unit * draw(st.integers(0, 180 // unit))
        length = unit * draw(st.integers(1, 120 // unit))
        given = {
            "power_kw": draw(st.sampled_from([0.5, 1.0, 3.0])),
            "pool": draw(st.sampled_from([None, "gpu"])),
            "regions": draw(st.sampled_from([None, None, ("north",)])),
        }
        jobs.append(job_of(f"job{i}", start, start + slack, length, **given))
    slots = draw(st.sampled_from([{}, {"north": 1}, {"north": 1, "south": 1}, {"south": 2}]))
    return series, jobs, slots, draw(st.sampled_from([{}, {"gpu": 1}, {"gpu": 2}]))


def most_at_once(windows) -> int:
    changes = sorted((at, by) for w in windows for at, by in ((w.end, -1), (w.start, 1)))
    return max(np.cumsum([by for _, by in changes]), default=0)


def assert_kept(plan, jobs, slots, pools):
    for region, most in slots.items():
        assert most_at_once([a.window for a in plan.assignments if a.region == region]) <= most
    for pool, most in pools.items():
        assert most_at_once([a.window for a in plan.assignments if a.job.pool == pool]) <= most
    for one in plan.assignments:
        assert one.job.flex.earliest <= one.window.start <= one.job.flex.latest_start
        assert one.window.end - one.window.start == one.job.flex.duration
        assert one.job.regions is None or one.region in one.job.regions
    names = [one.job.name for one in plan.assignments] + [job.name for job, _ in plan.unplaced]
    assert sorted(names) == sorted(job.name for job in jobs)


@settings(deadline=None)
@given(fleets())
def test_no_slot_is_taken_twice_and_no_job_is_late(fleet):
    series, jobs, slots, pools = fleet

    plan = plan_fleet(series, jobs, slots=slots, pool_slots=pools)

    assert_kept(plan, jobs, slots, pools)
    assert plan.bound_g <= plan.total_g
    assert plan.total_g == pytest.approx(
        sum(
            one.job.power_kw * one.window.mean_g_per_kwh * (one.job.flex.duration / HOUR)
            for one in plan.assignments
        )
    )


def slow_best(series, jobs, slots, pools):
    """The best of all plans on whole hours: as many jobs as can be, then the least grams."""
    values = {name: one.g_per_kwh for name, one in series.items()}
    choices = []
    for job in jobs:
        first, last = ((t - T0) // HOUR for t in (job.flex.earliest, job.flex.latest_start))
        length = job.flex.duration // HOUR
        found = [
            (region, s, s + length, job.power_kw * values[region][s : s + length].sum())
            for region in job.regions or series
            for s in range(first, last + 1)
        ]
        choices.append([*found, None])
    best = (99, 0.0)
    for plan in product(*choices):
        chosen = [(job, one) for job, one in zip(jobs, plan, strict=True) if one]
        fits = all(
            sum(one[0] == name and one[1] <= h < one[2] for _, one in chosen) <= most
            for name, most in slots.items()
            for h in range(8)
        ) and all(
            sum(job.pool == name and one[1] <= h < one[2] for job, one in chosen) <= most
            for name, most in pools.items()
            for h in range(8)
        )
        if fits:
            best = min(best, (plan.count(None), sum(one[3] for _, one in chosen)))
    return best


@settings(max_examples=60, deadline=None)
@given(fleets(unit=60))
def test_no_plan_of_few_jobs_is_better(fleet):
    series, jobs, slots, pools = fleet
    missing, least = slow_best(series, jobs, slots, pools)

    plan = plan_fleet(series, jobs, slots=slots, pool_slots=pools)

    assert len(plan.unplaced) == missing
    assert plan.total_g == pytest.approx(least, rel=1e-6, abs=1e-6) or missing
    assert plan.is_exact or missing or plan.total_g - plan.bound_g < 1e-6


@settings(max_examples=60, deadline=None)
@given(fleets(unit=60))
def test_the_way_for_many_jobs_keeps_to_slots_and_its_bound_is_one(fleet):
    series, jobs, slots, pools = fleet
    few = fleet_solver.FEW
    fleet_solver.FEW = 0
    try:
        plan = plan_fleet(series, jobs, slots=slots, pool_slots=pools)
    finally:
        fleet_solver.FEW = few

    assert_kept(plan, jobs, slots, pools)
    missing, least = slow_best(series, jobs, slots, pools)
    if len(plan.unplaced) == missing == 0:
        assert plan.bound_g <= least * (1 + 1e-6) + 1e-6
        assert plan.total_g >= least * (1 - 1e-6) - 1e-6


def hours_of(rng, regions, hours=24):
    return {f"r{i}": series_of(rng.uniform(20, 600, hours)) for i in range(regions)}


def draw(rng, count, hours=24, **given):
    jobs = []
    for i in range(count):
        length = int(rng.integers(1, 6))
        start = int(rng.integers(0, hours - length + 1))
        latest = int(rng.integers(start, hours - length + 1))
        power = float(rng.uniform(0.5, 4))
        jobs.append(job_of(f"j{i}", 60 * start, 60 * latest, 60 * length, power_kw=power, **given))
    return jobs


@pytest.mark.parametrize("seed", range(3))
def test_a_plan_of_many_jobs_is_within_a_hundredth_of_its_bound(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    series, jobs = hours_of(rng, 6), draw(rng, 200)
    slots = dict.fromkeys(series, 6)
    monkeypatch.setattr(fleet_solver, "FEW", 0)

    plan = plan_fleet(series, jobs, slots=slots)

    assert_kept(plan, jobs, slots, {})
    assert not plan.unplaced
    assert plan.gap < 0.01


def test_jobs_of_one_step_are_placed_as_an_assignment_would(monkeypatch):
    rng = np.random.default_rng(5)
    series = hours_of(rng, 2, 8)
    powers = rng.uniform(0.5, 4, 14)
    jobs = [job_of(f"j{i}", 0, 420, 60, power_kw=float(p)) for i, p in enumerate(powers)]
    cells = np.concatenate([one.g_per_kwh for one in series.values()])
    cost = powers[:, None] * cells
    least = cost[linear_sum_assignment(cost)].sum()

    for few in (10**6, 0):
        monkeypatch.setattr(fleet_solver, "FEW", few)
        plan = plan_fleet(series, jobs, slots=dict.fromkeys(series, 1))
        assert plan.total_g == pytest.approx(least)
        assert plan.gap < 1e-3


def test_with_slots_for_all_each_job_gets_its_own_best_window():
    rng = np.random.default_rng(3)
    series, jobs = hours_of(rng, 3), draw(rng, 30)
    weights = {"r0": 1.2, "r1": 1.0, "r2": 1.5}
    table = pd.DataFrame(
        [(job.flex.earliest, job.flex.deadline, job.flex.duration) for job in jobs],
        columns=["earliest", "deadline", "duration"],
    )

    plan = plan_fleet(series, jobs, weights=weights)

    alone = best_windows(series, table, weights=weights)
    assert [one.region for one in plan.assignments] == alone.region.tolist()
    assert [one.window.start for one in plan.assignments] == alone.start.tolist()
    assert plan.is_exact


def test_more_slots_never_emit_more():
    rng = np.random.default_rng(11)
    series, jobs = hours_of(rng, 2), draw(rng, 20)

    totals = [plan_fleet(series, jobs, slots=dict.fromkeys(series, n)).total_g for n in (5, 6, 9)]

    assert totals == sorted(totals, reverse=True)


def test_a_slot_that_serves_others_is_not_given_away():
    series = {"north": series_of([100, 10, 100, 100])}
    job = job_of("train", 0, 180, 60)
    taken = {"north": [(T0 + 70 * MINUTE, T0 + 80 * MINUTE)]}

    plan = plan_fleet(series, [job], slots={"north": 1}, taken=taken)

    assert plan.assignments[0].window.start == T0


def test_a_hungry_phase_gets_the_clean_hour():
    flex = Flexibility(
        duration=2 * HOUR,
        earliest=T0,
        deadline=T0 + 4 * HOUR,
        phases=(Phase(duration=HOUR, power=0.1), Phase(duration=HOUR, power=1.9)),
    )
    job = FleetJob(name="train", flex=flex, power_kw=2)

    plan = plan_fleet({"north": series_of([50, 300, 10, 60])}, [job])

    assert plan.assignments[0].window.start == T0 + HOUR
    assert plan.total_g == pytest.approx(2 * (0.1 * 300 + 1.9 * 10))


def test_who_has_no_place_is_told_apart_by_why():
    series = {"north": series_of([100, 100])}
    jobs = [
        job_of("first", 0, 0, 120),
        job_of("second", 0, 0, 120),
        job_of("beyond", 600, 900, 60),
    ]

    plan = plan_fleet(series, jobs, slots={"north": 1})

    reasons = {job.name: why for job, why in plan.unplaced}
    assert reasons.pop("beyond") is Why.NO_DATA
    assert list(reasons.values()) == [Why.NO_SLOT]
    assert plan.is_exact


def test_a_fine_step_is_made_coarser_where_there_are_too_many_choices(monkeypatch):
    monkeypatch.setattr("airflow_carbon.core.fleet_problem.MOST_CHOICES", 50)
    rng = np.random.default_rng(2)
    series = {name: series_of(rng.uniform(0, 500, 96), 15) for name in "ab"}
    jobs = draw(rng, 5)

    plan = plan_fleet(series, jobs, slots={"a": 1})

    assert_kept(plan, jobs, {"a": 1}, {})


def test_an_empty_queue_is_an_empty_plan():
    plan = plan_fleet({"a": series_of([1, 2])}, [])

    assert plan.assignments == ()
    assert plan.total_g == 0
    assert plan.gap == 0


@pytest.mark.parametrize(
    "given",
    [
        {"series": {}},
        {"slots": {"a": -1}},
        {"slots": {"a": True}},
        {"pool_slots": {"gpu": "many"}},
        {"weights": {}},
        {"jobs": [job_of("same", 0, 0, 60), job_of("same", 0, 0, 60)]},
    ],
)
def test_what_cannot_be_planned_says_so(given):
    known = {"series": {"a": series_of([1, 2])}, "jobs": [job_of("train", 0, 0, 60)]}
    with pytest.raises(InputError):
        plan_fleet(**(known | given))


@pytest.mark.parametrize("power", [-1, "much", float("nan")])
def test_a_power_that_cannot_be_says_so(power):
    with pytest.raises(InputError):
        job_of("train", 0, 0, 60, power_kw=power)
