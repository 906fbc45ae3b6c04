"""Policies as data: what they allow, what they say when they can't be, and how they combine."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import T0

from airflow_carbon.core.calendar import Blackout, ClockTime, DoneBy
from airflow_carbon.core.capacity import Capacity
from airflow_carbon.core.errors import (
    InputError,
    InvalidDurationError,
    InvalidOptionError,
    NoFeasibleWindowError,
)
from airflow_carbon.core.policy import USUAL_DELAY, Policy, WorkloadClass

HOUR = timedelta(hours=1)
DONE = DoneBy(at="09:00", days="working", time_zone="Europe/Berlin", holidays="DE")


@pytest.mark.parametrize("workload", list(WorkloadClass))
def test_a_class_needs_nothing_else_to_bound_its_wait(workload):
    flex = Policy.read(workload.value).flexibility(submitted=T0, duration="2h")

    assert flex.latest_start - flex.earliest == USUAL_DELAY[workload]


@pytest.mark.parametrize("text", ["delay_tolerant", "delay-tolerant", "Delay tolerant"])
def test_a_class_may_be_written_as_people_write_it(text):
    assert Policy.read(text).workload is WorkloadClass.DELAY_TOLERANT


def test_real_time_never_waits_whatever_else_is_allowed():
    policy = Policy.read({"workload": "real_time", "max_delay": "9h", "done_by": DONE.as_dict()})

    flex = policy.flexibility(submitted=T0, duration="2h", deadline=T0 + 90 * HOUR)

    assert flex.latest_start == flex.earliest == T0


def test_a_stated_bound_replaces_the_usual_one():
    policy = Policy.read("window_flexible")

    flex = policy.flexibility(submitted=T0, duration="2h", deadline=T0 + 90 * HOUR)

    assert flex.deadline == T0 + 90 * HOUR


def test_the_nearest_of_all_bounds_holds():
    friday_night = datetime(2026, 11, 20, 21, tzinfo=UTC)
    policy = Policy(done_by=DONE) & Policy(max_delay="30h") & Policy(max_delay="100h")

    flex = policy.flexibility(
        submitted=friday_night, duration="1h", deadline=friday_night + 80 * HOUR
    )
    alone = Policy(done_by=DONE).flexibility(submitted=friday_night, duration="1h")

    assert flex.latest_start == friday_night + 30 * HOUR
    assert alone.deadline == datetime(2026, 11, 23, 8, tzinfo=UTC)


def test_work_too_long_for_the_next_morning_has_the_one_after():
    evening = datetime(2026, 11, 19, 18, tzinfo=UTC)

    flex = Policy(done_by=DONE).flexibility(submitted=evening, duration="20h")

    assert flex.deadline == datetime(2026, 11, 23, 8, tzinfo=UTC)


def test_a_job_may_not_begin_before_its_hour():
    policy = Policy(not_before=ClockTime(at="22:00"), max_delay="4h")
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)

    flex = policy.flexibility(submitted=noon, duration="1h", earliest=noon + HOUR)

    assert flex.earliest == noon + 10 * HOUR
    assert flex.latest_start == noon + 14 * HOUR


def test_blackouts_move_the_latest_start_before_them():
    policy = Policy(blackouts=Blackout(hours="17:00-20:00"), max_delay="8h")
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)

    flex = policy.flexibility(submitted=noon, duration="2h")

    assert flex.starts == ((noon, noon + 3 * HOUR), (noon + 8 * HOUR, noon + 8 * HOUR))
    short = policy & Policy(max_delay="6h")
    assert short.flexibility(submitted=noon, duration="2h").latest_start == noon + 3 * HOUR


def test_a_blackout_that_leaves_no_room_yields_to_the_deadline():
    policy = Policy(blackouts=Blackout(hours="00:00-23:59"), max_delay="2h")

    flex = policy.flexibility(submitted=T0, duration="1h")

    assert flex.latest_start == T0 + 2 * HOUR


def test_an_absolute_deadline_that_can_not_be_met_is_said_at_once():
    with pytest.raises(NoFeasibleWindowError):
        Policy(done_by=DONE).flexibility(submitted=T0, duration="5h", deadline=T0 + 2 * HOUR)


def test_a_mass_is_compared_per_kwh_of_the_job():
    policy = Policy(min_saving_g=500, power_kw=10)

    assert policy.min_saving_g_per_kwh(5 * HOUR) == pytest.approx(10)
    assert Policy().min_saving_g_per_kwh(5 * HOUR) == 0


def test_the_jobs_energy_goes_before_its_power():
    policy = Policy(min_saving_g=500, power_kw=10, energy_kwh="25 kWh")

    assert policy.min_saving_g_per_kwh(5 * HOUR) == pytest.approx(20)


def test_an_energy_that_nobody_learned_is_the_fallback():
    policy = Policy.read({"min_saving_g": 500, "energy_kwh": "auto, else 25"})

    assert policy.min_saving_g_per_kwh(5 * HOUR) == pytest.approx(20)
    assert (policy & Policy(energy_kwh=5)).energy_kwh == "auto, else 25"
    assert (Policy() & policy).energy_kwh == "auto, else 25"


@pytest.mark.parametrize(
    ("value", "error", "says"),
    [
        ("patient", InvalidOptionError, "real_time, window_flexible, delay_tolerant"),
        (7, InvalidOptionError, "a mapping with workload"),
        ({"max_dealy": "4h"}, InvalidOptionError, "policy='max_dealy'"),
        ({"max_delay": "soon"}, InvalidDurationError, "max_delay='soon'"),
        ({"below_g_per_kwh": -1}, InvalidOptionError, "a number, 0 or more"),
        ({"below_percentile": 101}, InvalidOptionError, "from 0 to 100"),
        ({"soonest": "maybe"}, InvalidOptionError, "true or false"),
        ({"min_saving": "120 %"}, InvalidOptionError, "a share from 0 to below 1"),
        ({"min_saving_g": 5}, InvalidOptionError, "power_kw"),
        ({"energy_kwh": "auto"}, InvalidOptionError, "'auto, else 3.5'"),
        ({"energy_kwh": 0}, InvalidOptionError, "above 0 in kWh"),
        ({"power_kw": "nan"}, InvalidOptionError, "a number, 0 or more"),
        ({"capacity": {"name": "gpu"}}, InvalidOptionError, "a mapping with name and slots"),
        ({"capacity": {"name": "", "slots": 1}}, InvalidOptionError, "give it a name"),
        ({"capacity": {"name": "gpu", "slots": 0}}, InvalidOptionError, "a whole number above 0"),
        ({"capacity": {"name": "gpu", "slots": True}}, InvalidOptionError, "a whole number"),
        ({"done_by": {"at": "9"}}, InvalidOptionError, "a time of day"),
    ],
)
def test_a_policy_that_can_not_be_says_so(value, error, says):
    with pytest.raises(error, match=says) as caught:
        Policy.read(value)
    assert isinstance(caught.value, InputError)


def test_nothing_to_say_bounds_nothing():
    assert not Policy().is_bounded
    assert not Policy(below_g_per_kwh=100).is_bounded
    assert Policy(max_delay="0s").is_bounded


hours = st.integers(0, 48).map(lambda h: timedelta(hours=h))
policies = st.builds(
    Policy,
    workload=st.one_of(st.none(), st.sampled_from(WorkloadClass)),
    max_delay=st.one_of(st.none(), hours),
    not_before=st.lists(st.builds(ClockTime, at=st.sampled_from(["06:00", "22:30"])), max_size=1),
    done_by=st.lists(st.just(DONE), max_size=1),
    blackouts=st.lists(st.just(Blackout(hours="17:00-20:00", days="working")), max_size=1),
    below_g_per_kwh=st.one_of(st.none(), st.floats(0, 900)),
    below_percentile=st.one_of(st.none(), st.floats(0, 100)),
    soonest=st.booleans(),
    min_saving=st.floats(0, 0.9),
    min_saving_g=st.floats(0, 900),
    energy_kwh=st.one_of(st.none(), st.floats(0.1, 99), st.just("auto, else 3.5")),
    power_kw=st.floats(0.1, 99),
    capacity=st.one_of(
        st.none(), st.builds(Capacity, name=st.just("gpu"), slots=st.integers(1, 9))
    ),
)


@given(policies)
def test_a_policy_survives_as_json(policy):
    assert Policy.read(json.loads(json.dumps(policy.as_dict()))) == policy


@given(policies, policies)
def test_both_together_never_allow_more_than_the_more_patient(one, other):
    both = one & other
    if not (one.is_bounded and other.is_bounded):
        return
    slack = [
        flex.latest_start - flex.earliest
        for flex in (p.flexibility(submitted=T0, duration="1h") for p in (one, other, both))
        if not (one.not_before or other.not_before or one.done_by or other.done_by)
    ]
    assert not slack or slack[2] <= max(slack[:2])


@given(policies)
def test_a_policy_with_itself_is_no_other(policy):
    if policy.is_bounded:
        alone, twice = (
            p.flexibility(submitted=T0, duration="1h") for p in (policy, policy & policy)
        )
        assert (alone.earliest, alone.deadline) == (twice.earliest, twice.deadline)
